"""Which transport a name stands for."""

from importlib.util import find_spec

import pytest

from autoscale.errors import UnknownName
from autoscale_runtime.server.transports.choice import AUTO, FAST, GRPC, NAMES, chosen, transport_of


def test_auto_is_fast_where_its_extra_is_installed() -> None:
    assert chosen(AUTO) == (FAST if find_spec("ngh2") else GRPC)
    assert transport_of(AUTO) is transport_of(chosen(AUTO))


@pytest.mark.parametrize("name", NAMES)
def test_a_transport_that_is_named_is_taken(name: str) -> None:
    assert chosen(name) == name


def test_there_is_no_other() -> None:
    with pytest.raises(UnknownName, match="'auto', 'grpc', 'fast'"):
        transport_of("quic")
