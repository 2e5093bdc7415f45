"""What files say of themselves decides how their rows are summed; what they do not say may be anything."""

from pathlib import Path
from typing import Any

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report.survey import Survey, survey
from tests.autoscale.fleet.ledger_parts import random_rows, written

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("duckdb")

PLAIN = Survey(needs_wide_sums=False, is_mixed=False, is_plausible=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    [path] = read_ledger(written(tmp_path / "ledger", random_rows(50, 3, days=1))).files
    return path


def with_column(path: Path, name: str, value: int, **options: Any) -> Path:
    """A copy in which a column's last number is another."""
    table = pq.ParquetFile(path).read()
    index, column = table.column_names.index(name), table[name].to_pylist()
    changed = path.with_name(f"changed-{path.name}")
    values = pa.array([*column[:-1], value], pa.int64())
    pq.write_table(table.set_column(index, table.field(name), values), changed, **options)
    return changed


def test_no_files_and_plain_ones(file: Path) -> None:
    assert survey([]) == survey([file]) == survey([file, file]) == PLAIN


@pytest.mark.parametrize(
    ("name", "value", "is_wide", "is_plausible"),
    [
        ("energy_device_uj", -1, False, False),
        ("time_us", -1, False, False),
        ("embodied_high_ng", 2**62, True, False),
        ("sequence", 2**62, False, True),  # is no figure, and the collector judges it
    ],
)
def test_one_number_tells(file: Path, name: str, value: int, is_wide: bool, is_plausible: bool) -> None:
    assert survey([file, with_column(file, name, value)]) == Survey(is_wide, False, is_plausible)


def test_a_file_that_does_not_say_may_hold_anything(file: Path) -> None:
    silent = with_column(file, "sequence", 1, write_statistics=False)
    assert survey([silent]) == Survey(needs_wide_sums=True, is_mixed=False, is_plausible=False)


def test_files_of_two_schemas_are_mixed(file: Path) -> None:
    older = file.with_name("older.parquet")
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["considered"]), older)
    assert survey([file, older]) == Survey(needs_wide_sums=False, is_mixed=True, is_plausible=True)


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.parquet").write_text("no Parquet, but long enough to be looked at")
    with pytest.raises(InvalidInput, match=r"odd\.parquet"):
        survey([tmp_path / "odd.parquet"])
