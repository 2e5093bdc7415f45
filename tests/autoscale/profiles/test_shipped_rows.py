"""Whose rows a device hears: those of the devices of its kind, found by the text of their files."""

import pytest

from autoscale.profiles import device_names, load_device
from autoscale.profiles.schema import KINDS
from autoscale.profiles.shipped_rows import rows_elsewhere

DEVICES = [load_device(name) for name in device_names()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_of_a_kind_are_those_of_its_devices_but_for_ones_own(kind: str) -> None:
    own = next(each for each in DEVICES if each.kind == kind)
    others = [each for each in DEVICES if each.kind == kind and each is not own]
    assert list(rows_elsewhere(own)) == [(each.name, row) for each in others for row in each.measured]
