"""What the Parquet files of a ledger tell of themselves, without reading a row.

Asked of DuckDB, whichever engine computes: it reads the ends of many files at once, and pyarrow takes longer to import.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.fleet.ledger.exact_path import for_duckdb
from autoscale.fleet.ledger.rollup import FIGURES
from autoscale.fleet.ledger.schema import BY_NAME
from autoscale.fleet.report.engine import DuckDb, EngineOptions, ReportEngine, engine
from autoscale.fleet.report.tables import JUDGED

_MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Survey:
    """Some files together.

    Attributes:
        needs_wide_sums: whether a sum of some figures over all rows may need more than 64 bits.
        is_mixed: whether they are of several schemas; each of them adds columns, and none goes.
        is_plausible: whether no number is beyond what its column allows.
    """

    needs_wide_sums: bool = False
    is_mixed: bool = False
    is_plausible: bool = True


def survey(files: Sequence[Path], opened: ReportEngine | None = None) -> Survey:
    """Look at the metadata of files of rows, or of sums, which are not judged again.

    Args:
        files: Parquet.
        opened: an engine that may be asked, if it is DuckDB's.

    Raises:
        InvalidInput: a file is not Parquet.
        MissingExtra: duckdb is not installed.
    """
    if not files:
        return Survey()
    with _duckdb(opened) as base:
        listed = ", ".join(base.text(for_duckdb(each)) for each in files)
        [found] = base.rows(_LOOK.format(f"parquet_metadata([{listed}])"))
    return Survey(found["reach"] * len(FIGURES) > _MOST, found["widths"] > 1, found["is_plausible"])


@contextmanager
def _duckdb(opened: ReportEngine | None) -> Iterator[DuckDb]:
    if isinstance(opened, DuckDb):
        yield opened
        return
    with engine(EngineOptions()) as own:
        assert isinstance(own, DuckDb)
        yield own


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{each}'" for each in names)


_LIMITS: Final = " ".join(f"WHEN '{name}' THEN {BY_NAME[name].limit}" for name in JUDGED)
_LOOK: Final = f"""
WITH ends AS (
    SELECT file_name, row_group_id, row_group_num_rows AS num_rows, path_in_schema AS name,
        CASE WHEN name IN ({_named((*FIGURES, *JUDGED))}) THEN stats_min_value::HUGEINT END AS least,
        CASE WHEN name IN ({_named((*FIGURES, *JUDGED))}) THEN stats_max_value::HUGEINT END AS most
    FROM {{}}
), groups AS (
    SELECT count(*) AS width,
        num_rows * coalesce(max(coalesce(most, {_MOST})) FILTER (name IN ({_named(FIGURES)})), {_MOST}) AS reach,
        coalesce(bool_and(coalesce(least >= 0 AND most <= CASE name {_LIMITS} END, false))
            FILTER (name IN ({_named(JUDGED)})), true) AS is_plausible
    FROM ends GROUP BY file_name, row_group_id, num_rows
)
SELECT coalesce(sum(reach), 0) AS reach, count(DISTINCT width) AS widths, coalesce(bool_and(is_plausible), true) AS
is_plausible FROM groups
"""
"""No figure's sum over a row group is more than its ``reach``; what a file does not say may be anything."""
