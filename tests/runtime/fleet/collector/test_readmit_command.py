"""``autoscale fleet readmit``: rows come back from quarantine once, and only for what is known now."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from autoscale.fleet import Rows, read_ledger
from autoscale.fleet.ledger.rows import Texts
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime.fleet.batches import batch_of
from tests.runtime.fleet.collector.test_collect_command import COMMAND
from tests.runtime.fleet.fleet_parts import keys, rows_of_log, send

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector.service import collect


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Good rows, rows of two unknown profiles (one of them negative), of a strange device and of no region."""
    rows = rows_of_log(tmp_path / "rows", 5)
    rules = Rules(frozenset(["known"]), frozenset(["mi8pro"]), lambda region: region == "FRA")
    models = Texts(np.array([0, 0, 1, 1, 2], np.int32), ("mi8pro", "toaster", "fridge"))
    negative = {"latency_us": np.array([1, 1, 1, -5, 1])}
    mixed = Rows(rows.numbers | negative, rows.texts | {"device_model": models})
    nowhere = Rows(rows.numbers, rows.texts | {"region_device": Texts.same("Atlantis", 5)})
    with collect(tmp_path / "ledger", rules) as collector:
        batches = [batch_of(each, "known", log, {}) for log, each in (("mixed", mixed), ("nowhere", nowhere))]
        send(collector.address, *batches, batch_of(rows, "strange", "log", {}))
    return tmp_path / "ledger"


def readmitted(ledger: Path, *options: object) -> list[str]:
    command = [*COMMAND, "readmit", str(ledger), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert in_quarantine(ledger) == sum(rejected(ledger).values())
    return done.stdout.splitlines()


def rejected(ledger: Path) -> dict[str, int]:
    return {name: count for name, count in read_ledger(ledger).counts.items() if name.startswith("rejected:")}


def in_quarantine(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger / "manifest.sqlite")) as base:
        query = "SELECT sum(rows) FROM files WHERE day = '' AND retired_s IS NULL"
        return int(base.execute(query).fetchone()[0])


def test_it_says_what_is_unknown_and_what_to_do(ledger: Path) -> None:
    printed = readmitted(ledger)
    assert printed[0] == "let in 0 rows; 12 stay in quarantine for want of knowledge"
    assert printed[1].startswith("unknown_device, 5 rows of 'strange': give an --inventory that has them")
    assert printed[2].startswith("unknown_profile, 2 rows of 'fridge', 'toaster': give --profiles a folder")
    assert printed[3].startswith("unknown_region, 5 rows of 'Atlantis': ")


def test_rows_come_back_once_their_profile_is_known(tmp_path: Path, ledger: Path) -> None:
    (tmp_path / "toaster.toml").touch()
    assert readmitted(ledger, "--profiles", tmp_path)[0].startswith("let in 1 rows; 11 stay")
    assert readmitted(ledger, "--profiles", tmp_path)[0].startswith("let in 0 rows; 11 stay")
    expected = {"negative": 1, "unknown_device": 5, "unknown_profile": 1, "unknown_region": 5}
    assert rejected(ledger) == {f"rejected:{reason}": count for reason, count in expected.items()}
    assert keys(ledger) == [("known", "mixed", number) for number in range(3)]
    assert read_ledger(ledger).counts["accepted"] == 3


def test_devices_come_back_with_an_inventory_alone(tmp_path: Path, ledger: Path) -> None:
    (tmp_path / "devices.csv").write_text("device_id\nknown\nstrange\n")
    told = json.loads("".join(readmitted(ledger, "--profiles", tmp_path, "--json")))
    assert (told["accepted"], sum(told["kept"].values()), set(told["names"])) == (0, 12, set(told["kept"]))
    assert readmitted(ledger, "--inventory", tmp_path / "devices.csv")[0].startswith("let in 5 rows; 7 stay")
    assert len(set(keys(ledger))) == 7


def test_what_was_let_in_is_a_duplicate_when_it_is_sent_again(tmp_path: Path, ledger: Path) -> None:
    (tmp_path / "toaster.toml").touch()
    (tmp_path / "fridge.toml").touch()
    readmitted(ledger, "--profiles", tmp_path)
    with collect(ledger) as collector:
        again = send(collector.address, batch_of(rows_of_log(tmp_path / "again", 5), "known", "mixed", {}))
    assert again[0].duplicate == 5
    assert read_ledger(ledger).counts["accepted"] == len(set(keys(ledger))) == 4


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "readmit", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "is no ledger: it has no manifest.sqlite" in done.stderr
    assert list(tmp_path.iterdir()) == []
