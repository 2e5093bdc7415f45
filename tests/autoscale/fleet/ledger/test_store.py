"""The ledger on disk: commits that are whole or nothing, leftovers, compaction, two writers."""

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidInput, MissingExtra
from autoscale.fleet import Ledger, read_ledger
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.rows import Rows, Texts, joined
from autoscale.fleet.ledger.store import MANY, Intake
from autoscale.fleet.ledger.validation import Rules, validate
from autoscale.fleet.ledger.view import verified
from tests.autoscale.fleet.ledger.test_schema import NOW_US, rows

pq = pytest.importorskip("pyarrow.parquet")

from autoscale.fleet.ledger.arrow import arrow_schema  # noqa: E402  needs what was just found

DAY_US = 86_400_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def total(folder: Path) -> int:
    return sum(pq.read_table(each).num_rows for each in read_ledger(folder).files)


def rewrite(folder: Path, statement: str) -> None:
    """Change the manifest from outside."""
    with closing(sqlite3.connect(folder / "manifest.sqlite")) as base:
        base.execute(statement)
        base.commit()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As a disk that is full behaves: a file grows to some size, and no further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_rows_lie_by_day_with_the_columns_of_the_schema(ledger: Ledger) -> None:
    ledger.write(rows(4, time_us=np.array([0, 0, DAY_US, -DAY_US]) + NOW_US, accuracy_ppm=-1, region_device="FRA"))
    files = read_ledger(ledger.folder).files
    assert [each.parent.name for each in files] == ["day=2026-11-17", "day=2026-11-18", "day=2026-11-19"]
    read = pq.ParquetFile(files[1])
    assert read.schema_arrow.equals(arrow_schema())
    table = read.read()
    assert table["sequence"].to_pylist() == [0, 1]
    assert table["energy_device_uj"].to_pylist() == [250_000] * 2
    assert table["is_late"].to_pylist() == [False] * 2
    assert table["accuracy_ppm"].to_pylist() == [None] * 2
    assert table["region_device"].to_pylist() == ["FRA"] * 2
    assert table["region_network"].to_pylist() == [None] * 2


def test_rejected_rows_are_kept_as_they_came_with_their_reason(ledger: Ledger) -> None:
    given = joined([rows(2), rows(1, probability_ppb=2**40), rows(1, energy_network_uj=-(2**63))])
    reasons = validate(given, Rules(), NOW_US)
    ledger.commit(Intake(given, reasons, {"ab": (b"junk", 1)}, Change(counts={"rejected:negative": 1})))
    view = read_ledger(ledger.folder)
    assert view.counts == {"accepted": 2, "rejected:negative": 1, "missing": 0}
    [kept] = (ledger.folder / "quarantine").glob("*.parquet")
    table = pq.ParquetFile(kept).read()
    assert table["reason"].to_pylist() == ["out_of_range", "not_a_number"]
    assert table["probability_ppb"].to_pylist() == [2**40, 900_000_000]
    assert (ledger.folder / "quarantine" / "ab.batch").read_bytes() == b"junk"
    assert ledger.has_unreadable("ab")
    assert total(ledger.folder) == 2


def test_what_has_arrived_is_remembered_with_the_rows(ledger: Ledger) -> None:
    state = LogState(9, ((2, 3), (5, 5)))
    for missing in (state, LogState(9, ((5, 5),))):
        ledger.commit(Intake(rows(), change=Change(logs={("d", "l"): missing}, lost={("d", "l"): {"space": 4}})))
    ledger.close()
    with Ledger(ledger.folder) as again:
        assert again.manifest.log(("d", "l")) == LogState(9, ((5, 5),))
        assert again.manifest.log(("d", "other")) is None
    view = read_ledger(ledger.folder)
    assert (view.counts["missing"], view.lost) == (1, {"space": 4})


def test_a_second_writer_learns_who_has_the_ledger(ledger: Ledger) -> None:
    held = "is in use by process [0-9]+; allowed: one collector for each ledger"
    with pytest.raises(InvalidInput, match=held):
        Ledger(ledger.folder)


def test_leftovers_of_a_crash_do_not_count_and_are_removed(ledger: Ledger) -> None:
    ledger.write(rows())
    [good] = read_ledger(ledger.folder).files
    ledger.close()
    orphan = good.with_name("00-renamed-but-not-named.parquet")
    half = good.with_name(".01.parquet.x.part")
    orphan.write_bytes(good.read_bytes())
    half.write_bytes(good.read_bytes()[:100])
    assert total(ledger.folder) == 3
    with Ledger(ledger.folder):
        assert not orphan.exists()
        assert not half.exists()
        assert good.exists()
    assert total(ledger.folder) == 3


def test_a_damaged_file_is_named_and_not_read(ledger: Ledger) -> None:
    ledger.write(rows())
    ledger.write(rows(5))
    first, second = read_ledger(ledger.folder).files
    first.write_bytes(first.read_bytes()[:-10])
    view = read_ledger(ledger.folder)
    assert [(each.path, each.rows) for each in view.damaged] == [(first.relative_to(ledger.folder).as_posix(), 3)]
    assert view.files == (second,)


def test_a_ledger_without_its_manifest_is_refused_and_nothing_is_removed(ledger: Ledger) -> None:
    ledger.write(rows())
    ledger.close()
    manifest = ledger.folder / "manifest.sqlite"
    kept = manifest.read_bytes()
    for content in (None, b""):
        manifest.unlink() if content is None else manifest.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"has files in records or quarantine but no manifest\.sqlite"):
            Ledger(ledger.folder)
    manifest.write_bytes(kept)
    with Ledger(ledger.folder):
        assert total(ledger.folder) == 3


def test_what_is_not_the_ledgers_stays(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    mine = tmp_path / "records" / "thesis.docx"
    mine.write_text("mine")
    for _ in range(2):
        with Ledger(tmp_path) as ledger:
            ledger.write(rows())
    assert mine.read_text() == "mine"
    with pytest.raises(InvalidInput, match="is a file; allowed: a folder"):
        Ledger(mine)


def test_a_late_batch_takes_no_loss_back(ledger: Ledger) -> None:
    for lost in ({"space": 4}, {"space": 9, "torn": 1}, {"space": 4}, {}):
        ledger.commit(Intake(rows(), change=Change(logs={("d", "l"): LogState(2)}, lost={("d", "l"): lost})))
    assert read_ledger(ledger.folder).lost == {"space": 9, "torn": 1}


@pytest.mark.parametrize("damage", ["cut", "gone", "inside"])
def test_damaged_files_do_not_spoil_a_merge(ledger: Ledger, damage: str) -> None:
    for number in range(MANY + 1):
        ledger.write(rows(2, sequence=np.array([0, 1]) + 2 * number))
    path = read_ledger(ledger.folder).files[3]
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "cut" else content[:-30] + b"\xff" * 30)
    with pytest.raises(OSError, match="is damaged, and stays as it is; the others are merged"):
        ledger.compact("2026-11-18")
    view = read_ledger(ledger.folder)
    view = verified(view, view.files)
    assert [each.rows for each in view.damaged] == [2]
    [merged] = view.files
    assert pq.read_table(merged).num_rows == 2 * MANY


def test_a_merge_that_would_change_the_count_is_none(ledger: Ledger) -> None:
    for _ in range(MANY):
        ledger.write(rows(2))
    rewrite(ledger.folder, "UPDATE files SET rows = 3 WHERE path = (SELECT min(path) FROM files)")
    with pytest.raises(OSError, match="have 32 rows; 33 were written"):
        ledger.compact("2026-11-18")
    assert len(read_ledger(ledger.folder).files) == MANY


def test_files_are_merged_with_their_like(ledger: Ledger) -> None:
    many = np.random.default_rng(0).integers(1, 2**40, 30_000)
    ledger.write(rows(len(many), latency_us=many))
    [large] = read_ledger(ledger.folder).files
    for _ in range(MANY):
        ledger.write(rows(2))
    ledger.compact("2026-11-18")
    files = read_ledger(ledger.folder).files
    assert len(files) == 2
    assert large in files


def test_a_full_disk_changes_nothing(ledger: Ledger) -> None:
    ledger.write(rows())
    before = read_ledger(ledger.folder)
    many = rows(20_000, latency_us=np.random.default_rng(0).integers(1, 2**40, 20_000))
    with files_up_to(65_536), pytest.raises(OSError):
        ledger.write(many)
    assert read_ledger(ledger.folder) == before
    assert sum(each.is_file() for each in (ledger.folder / "records").rglob("*")) == 1
    ledger.write(many)
    assert total(ledger.folder) == 20_003


def test_small_files_of_a_day_become_one_and_the_old_stay_for_a_while(ledger: Ledger) -> None:
    for number in range(MANY):
        ledger.write(rows(2, sequence=np.array([0, 1]) + 2 * number, time_us=NOW_US + DAY_US * (number == 3)))
    assert ledger.crowded_days() == []
    ledger.write(rows(1, sequence=99))
    assert ledger.crowded_days() == ["2026-11-18"]
    old = read_ledger(ledger.folder).files
    ledger.compact("2026-11-18")
    new = read_ledger(ledger.folder).files
    assert len(new) == 2
    assert total(ledger.folder) == 2 * MANY + 1
    assert sum(1 in pq.ParquetFile(each).read()["sequence"].to_pylist() for each in new) == 1
    assert all(each.exists() for each in old)
    ledger.close()
    with Ledger(ledger.folder):
        assert all(each.exists() for each in old)
    rewrite(ledger.folder, "UPDATE files SET retired_s = retired_s - 3601")
    with Ledger(ledger.folder):
        assert sum(each.exists() for each in old) == 1
    assert total(ledger.folder) == 2 * MANY + 1


def test_a_folder_that_is_no_ledger_is_reported_as_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"is no ledger: it has no manifest\.sqlite"):
        read_ledger(tmp_path)
    (tmp_path / "manifest.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(InvalidInput, match="is no manifest of a ledger"):
        Ledger(tmp_path)


def test_a_ledger_of_a_later_version_is_left_alone(ledger: Ledger) -> None:
    ledger.close()
    rewrite(ledger.folder, "PRAGMA user_version=99")
    with pytest.raises(InvalidInput, match="update AutoScale"):
        Ledger(ledger.folder)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["pyarrow"] = None
from autoscale.errors import MissingExtra
from autoscale.fleet import Ledger
try:
    Ledger({str(tmp_path)!r})
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(MissingExtra("pyarrow", "fleet", "the fleet's ledger"))


def test_texts_of_the_same_word_in_two_parts_are_one(ledger: Ledger) -> None:
    parts = [rows(1, model="a"), rows(1, model="b"), rows(1, model="a")]
    together: Rows = joined(parts)
    assert together.texts["model"].words == ("a", "b")
    assert isinstance(together.texts["model"], Texts)
    ledger.write(together)
    [file] = read_ledger(ledger.folder).files
    assert pq.ParquetFile(file).read()["model"].to_pylist() == ["a", "b", "a"]
