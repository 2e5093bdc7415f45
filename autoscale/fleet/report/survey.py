"""What the Parquet files of a ledger tell of themselves, without reading a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.report.sums import FIGURES

_MOST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Survey:
    """Some files together.

    Attributes:
        needs_wide_sums: whether a sum of some figures over all rows may need more than 64 bits.
        is_mixed: whether they are of several schemas; each of them adds columns, and none goes.
    """

    needs_wide_sums: bool
    is_mixed: bool


def survey(files: Sequence[Path]) -> Survey:
    """Look at the metadata of files.

    Raises:
        InvalidInput: a file is not Parquet.
        MissingExtra: pyarrow is not installed.
    """
    reach, columns = 0, set[int]()
    for file in files:
        metadata = _metadata(file)
        columns.add(metadata.num_columns)
        reach += sum(_reach(metadata.row_group(index)) for index in range(metadata.num_row_groups))
    return Survey(reach * len(FIGURES) > _MOST, len(columns) > 1)


def _metadata(file: Path) -> Any:
    try:
        return arrow("parquet").read_metadata(file)
    except (arrow().ArrowException, OSError) as error:  # damage is one or the other
        raise InvalidInput(
            f"'{file}' of the ledger cannot be read: {error}; move it away, and its rows are left out and counted"
        ) from error


def _reach(group: Any) -> int:
    """No figure's sum over a row group is more than this."""
    columns = (group.column(index) for index in range(group.num_columns))
    figures = [each.statistics for each in columns if each.path_in_schema in FIGURES]
    most = max((each.max if each is not None and each.has_min_max else _MOST for each in figures), default=_MOST)
    return int(most) * int(group.num_rows)
