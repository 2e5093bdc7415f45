"""A collector with tokens takes from each device its own rows alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscale.errors import AutoScaleError, InvalidInput, TargetUnavailable
from autoscale.fleet import read_ledger
from autoscale.fleet.fleet_command import fleet
from autoscale_runtime.fleet import Uploader
from tests.runtime.certificate_parts import made, needs_openssl
from tests.runtime.fleet.fleet_parts import logged

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector.service import collect
from autoscale_runtime.wire.access import Access
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile


def enrolled(device: str, tokens: Path) -> str:
    done = CliRunner().invoke(fleet, ["enrol", device, "--tokens", str(tokens)])
    assert done.exit_code == 0, done.exception
    return done.output.strip()


@pytest.mark.parametrize("transport", ["grpc", "fast"])
def test_a_device_sends_its_own_rows_with_its_token(tmp_path: Path, transport: str) -> None:
    if transport == "fast":
        pytest.importorskip("ngh2")
    tokens = tmp_path / "devices.toml"
    for name in ("a", "b"):
        logged(tmp_path / name, 3)
    given = {name: enrolled((tmp_path / name / "device_id").read_text(), tokens) for name in ("a", "b")}
    assert given["a"] not in tokens.read_text()
    with collect(tmp_path / "ledger", tokens=TokenFile(tokens), transport=transport) as collector:
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


@needs_openssl
def test_a_log_goes_to_a_collector_over_mutual_tls(tmp_path: Path) -> None:
    made(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    made(tmp_path, "phone")
    logged(tmp_path / "log", 3)
    certificates = Certificates(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "phone.pem")
    phone = Access(tmp_path / "server.pem", tmp_path / "phone.pem", tmp_path / "phone.key")
    with collect(tmp_path / "ledger", certificates=certificates) as collector:
        for wrong in (Access(), replace(phone, certificate=None, key=None), replace(phone, tls=True)):
            with (
                Uploader(tmp_path / "log", collector.address, access=wrong) as uploader,
                pytest.raises(TargetUnavailable, match=r"closes so too|trusted here"),
            ):
                uploader.upload()
        with Uploader(tmp_path / "log", f"grpcs://{collector.address}", access=phone) as uploader:
            assert uploader.upload().accepted == 3


def test_a_token_does_not_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="in the clear"):
        Uploader(tmp_path, "collector.example:9001", token="secret")
