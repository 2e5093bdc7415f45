"""``autoscale fleet report`` from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autoscale.fleet.ledger_parts import random_rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

RUN = """\
import sys
from autoscale.errors import AutoScaleError
from autoscale.fleet.fleet_command import fleet
try:
    fleet()
except AutoScaleError as error:
    sys.exit(f"autoscale: {error}")
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, "report", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("command") / "ledger", random_rows(1000, 1))


def test_it_writes_all_that_is_asked_for_and_shows_the_rest(ledger: Path, tmp_path: Path) -> None:
    names = ("report.json", "report.html", "report.csv", "report.yml")
    flags = ("--json", "--html", "--csv", "--manifest")
    options = [each for flag, name in zip(flags, names, strict=True) for each in (flag, tmp_path / name)]
    ran = run(ledger, *options)
    assert ran.returncode == 0, ran.stderr
    assert "1,000 inferences of 40 devices" in ran.stdout
    assert "oracle" in ran.stdout
    assert ran.stdout.count("device-") == 10  # those of most carbon
    found = json.loads((tmp_path / "report.json").read_text())
    parts = [*found["carbon_kg"]["operational"].values(), *found["carbon_kg"]["embodied"].values()]
    assert found["carbon_kg"]["total"] == pytest.approx(sum(parts))
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names)


def test_it_starts_without_what_it_does_not_need(ledger: Path) -> None:
    told = "\nprint([name for name in ('pyarrow', 'pandas') if name in sys.modules])"
    command = [sys.executable, "-c", f"{RUN.replace('    fleet()', '    fleet(standalone_mode=False)')}{told}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [*command, "report", str(ledger), "--sums"], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_json_on_standard_output_is_json_alone(ledger: Path) -> None:
    ran = run(ledger, "--json", "-", "--since", "2026-11-02")
    assert json.loads(ran.stdout)["span"]["since"] == "2026-11-02T00:00:00Z"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--since", "2026-11-02", "--until", "2026-11-01"), "the span ends at 2026-11-01"),
        (("--engine", "sparc"), "did you mean 'spark'"),
        (("--html", "nowhere/report.html"), "there is no folder 'nowhere'"),
        (("--csv", "."), "'.' cannot be written: it is a folder"),
    ],
)
def test_mistakes_are_one_line(ledger: Path, options: tuple[str, ...], message: str) -> None:
    ran = run(ledger, *options)
    assert ran.returncode != 0
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_what_is_left_out_and_who_is_silent_is_reported(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", random_rows(300, 1))
    gone = sorted((ledger / "records").rglob("*.parquet"))[0]
    gone.unlink()
    inventory = tmp_path / "fleet.csv"
    inventory.write_text("device_id,idle_power_w\ndevice-1,1\n" + "".join(f"ghost-{n},1\n" for n in range(7)))
    ran = run(ledger, "--inventory", inventory)
    assert ran.returncode == 0, ran.stderr
    assert "rows are left out: their files (in all 1) are damaged or gone" in ran.stdout
    assert "7 devices never reported: ghost-0, ghost-1, ghost-2, ghost-3, ghost-4 and 2 more" in ran.stdout
