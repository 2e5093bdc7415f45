"""``autoscale fleet simulate`` as people start it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet import read_ledger
from autoscale_envs.fleet.assumptions import FILE
from tests.waiting import until

pq = pytest.importorskip("pyarrow.parquet")

MAIN = """
from importlib.metadata import EntryPoint
from autoscale import cli, registry
points = {
    cli.GROUP: [EntryPoint("fleet", "autoscale.fleet.fleet_command:fleet", cli.GROUP)],
    "autoscale.fleet_commands": [EntryPoint("simulate", "autoscale_envs.fleet.simulate_command:simulate_command", "")],
}
cli.entry_points = registry.entry_points = lambda group: points[group]
cli.main()
"""
"""The command line with this command alone, installed or not."""

COMMAND = [sys.executable, "-c", MAIN, "fleet", "simulate"]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, **options)


def rows(folder: Path) -> int:
    return sum(pq.read_metadata(each).num_rows for each in read_ledger(folder).files)


def test_a_small_fleet(tmp_path: Path) -> None:
    out = tmp_path / "ledger"
    arguments = ["--devices", "50", "--days", "2", "--mix", "mi8pro=0.5,rpi5=0.5", "--start", "2024-02-29"]
    done = run(*arguments, "--seed", "3", "--out", str(out), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["records"] == read_ledger(out).counts["accepted"] == rows(out) > 1000
    assert printed["is_complete"] is True
    assert [each.parent.name for each in read_ledger(out).files] == ["day=2024-02-29", "day=2024-03-01"]
    again = run(*arguments, "--out", str(out))
    assert (again.returncode, again.stdout) == (2, "")
    assert "holds something already" in again.stderr


def test_its_help_says_that_nothing_was_measured() -> None:
    shown = run("--help", env={"COLUMNS": "100", "TERM": "dumb"}).stdout
    assert "Every record is modelled, none measured" in shown
    assert "Assumed, not known" in shown
    assert FILE in shown
    assert "Example" in shown


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--devices", "0", "devices is 0; allowed: 1"),
        ("--days", "-1", "days is -1; allowed: 1"),
        ("--mix", "mi8=1", "did you mean 'mi8pro'?"),
        ("--mix", "mi8pro", "as in mi8pro=0.5"),
        ("--policy", "clowd", "did you mean 'cloud'?"),
        ("--start", "monday", "allowed: a day as in 2025-01-31"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, option: str, value: str, message: str) -> None:
    done = run(option, value, "--out", str(tmp_path / "ledger"))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "ledger").exists()


def test_control_c_leaves_a_ledger_that_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "ledger"
    command = [*COMMAND, "--devices", "500", "--days", "3000", "--out", str(out), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: written(out) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert json.loads(printed)["is_complete"] is False
    assert json.loads(printed)["records"] == rows(out) > 0


def written(out: Path) -> bool:
    try:
        return bool(read_ledger(out).files)
    except InvalidInput:
        return False


def test_a_full_disk_is_one_line_and_leaves_what_was_written(tmp_path: Path) -> None:
    out = tmp_path / "ledger"
    # A file larger than this fails as on a full disk: one day of 2000 devices is 3 MB, of 100 much less.
    # Set by a shell: a preexec_fn would fork this process, and gRPC, if a test loaded it, writes to the child's stderr.
    limited = ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *COMMAND]
    arguments = ["--devices", "2000", "--days", "2", "--out", str(out)]
    done = subprocess.run([*limited, *arguments], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert "0 records were written before, and can be read" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert read_ledger(out).files == ()
    assert not list(out.rglob("*.parquet"))


def test_a_fleet_too_small_for_every_cohort_has_its_ledger_all_the_same(tmp_path: Path) -> None:
    done = run("--devices", "5", "--days", "1", "--out", str(tmp_path / "ledger"))
    assert (done.returncode, rows(tmp_path / "ledger") > 0) == (0, True)
