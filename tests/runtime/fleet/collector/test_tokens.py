"""A collector with tokens takes from each device its own rows alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet import read_ledger
from autoscale.fleet.fleet_command import fleet
from autoscale_runtime.fleet import Uploader
from tests.runtime.fleet.fleet_parts import logged

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector.service import collect
from autoscale_runtime.wire.tokens import TokenFile


def enrolled(device: str, tokens: Path) -> str:
    done = CliRunner().invoke(fleet, ["enrol", device, "--tokens", str(tokens)])
    assert done.exit_code == 0, done.exception
    return done.output.strip()


def test_a_device_sends_its_own_rows_with_its_token(tmp_path: Path) -> None:
    tokens = tmp_path / "devices.toml"
    for name in ("a", "b"):
        logged(tmp_path / name, 3)
    given = {name: enrolled((tmp_path / name / "device_id").read_text(), tokens) for name in ("a", "b")}
    assert given["a"] not in tokens.read_text()
    with collect(tmp_path / "ledger", tokens=TokenFile(tokens)) as collector:
        for token in ("", "junk", given["b"]):
            with (
                Uploader(tmp_path / "a", collector.address, token=token) as uploader,
                pytest.raises(AutoScaleError, match=r"bearer token|rows of another device"),
            ):
                uploader.upload()
        for name, token in given.items():
            with Uploader(tmp_path / name, collector.address, token=token) as uploader:
                assert uploader.upload().accepted == 3
    assert read_ledger(tmp_path / "ledger").counts == {"accepted": 6, "missing": 0}


def test_a_device_is_enrolled_once_and_under_a_name_that_is_one(tmp_path: Path) -> None:
    tokens = tmp_path / "devices.toml"
    enrolled("phone-1", tokens)
    for name, message in (("phone-1", "has a token"), ("a b", "device is 'a b'")):
        error = CliRunner().invoke(fleet, ["enrol", name, "--tokens", str(tokens)]).exception
        assert isinstance(error, InvalidInput)
        assert message in str(error)
