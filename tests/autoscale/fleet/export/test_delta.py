"""A ledger as a table of Delta Lake, read by others."""

from pathlib import Path

import pytest

from autoscale.errors import InvalidInput, TargetUnavailable
from autoscale.fleet import read_ledger
from autoscale.fleet.export.delta import export_delta
from autoscale.fleet.ledger.erasure import forget
from autoscale.fleet.ledger.store import MANY, Ledger
from tests.autoscale.fleet.ledger_parts import random_rows, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)
deltalake = pytest.importorskip("deltalake")


def sums(table: Path) -> tuple[int, int]:
    """Rows and the sum of a column, by DuckDB over the files of the log."""
    import duckdb

    query = "SELECT count(*), coalesce(sum(energy_device_uj), 0)::BIGINT FROM read_parquet(?)"
    [(count, total)] = duckdb.sql(query, params=[deltalake.DeltaTable(table).file_uris()]).fetchall()
    return int(count), int(total)


def in_ledger(ledger: Path) -> tuple[int, int]:
    import duckdb

    query = "SELECT count(*), coalesce(sum(energy_device_uj), 0)::BIGINT FROM read_parquet(?)"
    files = [str(each) for each in read_ledger(ledger).files]
    [(count, total)] = duckdb.sql(query, params=[files]).fetchall()
    return int(count), int(total)


def test_the_table_follows_the_ledger(tmp_path: Path) -> None:
    ledger, table = written(tmp_path / "ledger", random_rows(2000, 1)), tmp_path / "table"
    first = export_delta(ledger, table)
    assert (first.version, first.files, first.added, first.removed, first.rows) == (0, 3, 3, 0, 2000)
    assert sums(table) == in_ledger(ledger)
    assert export_delta(ledger, table) == first.__class__(0, 3, 0, 0, 2000, ())
    with Ledger(ledger) as opened:
        for number in range(MANY):
            opened.write(rows(10, device_id=f"new-{number}"))
        for day in opened.crowded_days():
            opened.compact(day)
        forget(opened, "device-3")
    second = export_delta(ledger, table)
    assert second.version == 1
    assert second.removed > 0
    assert sums(table) == in_ledger(ledger)
    assert deltalake.DeltaTable(table, version=0).to_pyarrow_dataset().count_rows() == 2000


def test_a_folder_whose_name_a_uri_quotes_follows_too(tmp_path: Path) -> None:
    ledger, table = written(tmp_path / "ledger", random_rows(200, 1, days=1)), tmp_path / "all rows, ü"
    export_delta(ledger, table)
    again = export_delta(ledger, table)
    assert (again.added, again.removed) == (0, 0)
    with Ledger(ledger) as opened:
        forget(opened, "device-3")
    assert export_delta(ledger, table).removed == 1
    [named] = deltalake.DeltaTable(table).get_add_actions(flatten=True)["path"].to_pylist()
    assert named == "/".join(read_ledger(ledger).files[0].parts[-2:])


@pytest.mark.parametrize("name", ["all%20rows", "all\\rows"])
def test_a_folder_that_would_be_taken_for_another_one_is_refused(tmp_path: Path, name: str) -> None:
    ledger = written(tmp_path / "ledger", rows(5))
    for _ in range(2):
        with pytest.raises(InvalidInput, match="delta-rs takes for another"):
            export_delta(ledger, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["100%", "a#b?c", "[all]*"])
def test_a_folder_of_another_odd_name_has_its_table(tmp_path: Path, name: str) -> None:
    ledger = written(tmp_path / "ledger", rows(5))
    assert [export_delta(ledger, tmp_path / name).added for _ in range(2)] == [1, 0]
    assert deltalake.DeltaTable(tmp_path / name).to_pyarrow_dataset().count_rows() == 5


def test_a_table_whose_rows_are_all_gone_is_a_table_still(tmp_path: Path) -> None:
    ledger, table = written(tmp_path / "ledger", rows(5, device_id="only")), tmp_path / "table"
    export_delta(ledger, table)
    with Ledger(ledger) as opened:
        forget(opened, "only")
    assert [export_delta(ledger, table).version for _ in range(2)] == [1, 1]


def test_polars_reads_it_with_its_days(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    ledger, table = written(tmp_path / "ledger", random_rows(500, 2)), tmp_path / "table"
    export_delta(ledger, table)
    frame = polars.read_delta(str(table))
    assert (len(frame), int(frame["energy_device_uj"].sum())) == in_ledger(ledger)
    assert frame["day"].n_unique() == 3


def test_a_table_of_something_else_is_left_alone(tmp_path: Path) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

    deltalake.write_deltalake(str(tmp_path / "table"), pa.table({"x": [1]}))
    ledger = written(tmp_path / "ledger", random_rows(10, 3))
    with pytest.raises(InvalidInput, match="allowed: one that this command made"):
        export_delta(ledger, tmp_path / "table")


def test_a_log_that_cannot_be_written_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    ledger, table = written(tmp_path / "ledger", random_rows(100, 4)), tmp_path / "table"
    export_delta(ledger, table)
    before = sums(table), sorted(table.rglob("*.parquet"))
    with Ledger(ledger) as opened:
        opened.write(rows(5))
    log = table / "_delta_log"
    (log / f"{1:020d}.json").mkdir()  # where the next commit is to stand
    with pytest.raises(TargetUnavailable, match="does not take the change"):
        export_delta(ledger, table)
    (log / f"{1:020d}.json").rmdir()
    assert (sums(table), sorted(table.rglob("*.parquet"))) == before
