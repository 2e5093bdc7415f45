"""``autoscale fleet`` as people and parent processes start it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet import read_ledger
from autoscale_runtime.fleet import LedgerWriter, Uploader
from tests.runtime.fleet.fleet_parts import record

pytest.importorskip("pyarrow")

from autoscale.fleet.ledger.store import Ledger
from autoscale_runtime.fleet.collector.collect_command import rules_of

MAIN = """
import sys
from autoscale import cli
from importlib.metadata import EntryPoint
point = EntryPoint("fleet", "autoscale.fleet.fleet_command:fleet", cli.GROUP)
cli.entry_points = lambda group: [point]
cli.main()
"""
"""The command line with this command alone."""

COMMAND = [sys.executable, "-c", MAIN, "fleet"]


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def refusal(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_its_first_line_tells_the_address_and_a_signal_ends_it(tmp_path: Path, stop: signal.Signals) -> None:
    ledger, inventory = tmp_path / "ledger", tmp_path / "devices.csv"
    with LedgerWriter(tmp_path / "a") as log:
        log.append(record(regions={"device": "FRA"}))
        log.append(record(device="toaster"))
    with LedgerWriter(tmp_path / "b") as log:
        log.append(record(regions={"device": "Atlantis"}))
    with LedgerWriter(tmp_path / "c") as log:
        log.append(record())
    ids = [(tmp_path / name / "device_id").read_text() for name in "ab"]
    inventory.write_text("\n".join(["name,device_id", *(f"x,{each}" for each in ids)]))
    options = [str(ledger), "--port", "0", "--inventory", str(inventory)]
    with running("collect", *options) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith(f"collecting into {ledger} on 127.0.0.1:")
        for name in "abc":
            with Uploader(tmp_path / name, line.split()[-1]) as uploader:
                uploader.upload()
        process.send_signal(stop)
        assert process.stdout.readline() == (
            "accepted 1, missing 0, rejected:unknown_device 1, rejected:unknown_profile 1, rejected:unknown_region 1\n"
        )
        assert process.stdout.readline().endswith(f"autoscale fleet readmit {ledger}\n")
        assert process.wait(60) == 0
    assert len(read_ledger(ledger).files) == 1


INVENTORIES = {
    "names.csv": "device_id\na\nb\n",
    "wide.csv": "room,device_id,role\ncellar, a ,strange\nattic,,\nroof,b,\n",
    "names.toml": '[[machines]]\ndevice_id = "a"\n[[machines]]\ndevice_id = "b"\nroom = 3\n',
}


@pytest.mark.parametrize("name", INVENTORIES)
def test_of_an_inventory_it_needs_the_names_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(INVENTORIES[name])
    assert rules_of(tmp_path / name, None).devices == frozenset("ab")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ('[[machines]]\nname = "a"\n', "machines 1 has name; allowed: 'device_id' among them"),
        ('device_id = "a"\n', "unknown key 'device_id' in the file; allowed: 'machines'"),
        ("machines = []\n", "has no machines; allowed: one or more"),
        ("device_id\na\n", "is not TOML"),
    ],
)
def test_an_inventory_without_names_is_refused(tmp_path: Path, content: str, reported: str) -> None:
    path = tmp_path / "machines.toml"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=re.escape(reported)):
        rules_of(path, None)


def test_a_ledger_in_use_ends_it_with_2(tmp_path: Path) -> None:
    with Ledger(tmp_path):
        assert "allowed: one collector for each ledger" in refusal("collect", str(tmp_path), "--port", "0")


def test_wrong_files_end_it_with_2(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text("name\nx\n")
    options = ("collect", str(tmp_path / "ledger"), "--port", "0")
    reported = refusal(*options, "--inventory", str(tmp_path / "devices.csv"))
    assert "devices.csv, line 2 has name; allowed: 'device_id' among them" in reported
    assert "No such file" in refusal(*options, "--inventory", str(tmp_path / "none.csv"))
    assert "is not a folder" in refusal(*options, "--profiles", str(tmp_path / "none"))
    assert "--port" in refusal("collect", str(tmp_path / "ledger"), "--port", "65536")


def test_an_address_that_cannot_be_had_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        reported = refusal("collect", str(tmp_path), "--port", str(port))
    assert reported.strip().startswith(
        f"autoscale: cannot listen at 127.0.0.1:{port}: Address already in use; allowed:"
    )
    assert "192.0.2.1:0: Cannot assign" in refusal("collect", str(tmp_path), "--port", "0", "--host", "192.0.2.1")


def test_an_unknown_command_ends_it_with_2() -> None:
    assert "colect" in refusal("colect")


def test_the_help_names_the_commands() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "collect" in done.stdout
