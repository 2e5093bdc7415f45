"""What the Parquet files of a ledger tell of themselves, without reading a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.ledger.rollup import FIGURES
from autoscale.fleet.ledger.schema import BY_NAME
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

    needs_wide_sums: bool
    is_mixed: bool
    is_plausible: bool


def survey(files: Sequence[Path]) -> Survey:
    """Look at the metadata of files.

    Raises:
        InvalidInput: a file is not Parquet.
        MissingExtra: pyarrow is not installed.
    """
    reach, columns, is_plausible = 0, set[int](), True
    for file in files:
        metadata = _metadata(file)
        columns.add(metadata.num_columns)
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            reach += _reach(group)
            is_plausible = is_plausible and _is_plausible(group)
    return Survey(reach * len(FIGURES) > _MOST, len(columns) > 1, is_plausible)


def needs_wide_sums(files: Sequence[Path]) -> bool:
    """Whether a sum over hourly sums may need more than 64 bits."""
    groups = (metadata.row_group(i) for metadata in map(_metadata, files) for i in range(metadata.num_row_groups))
    return sum(map(_reach, groups)) * len(FIGURES) > _MOST


def _metadata(file: Path) -> Any:
    try:
        return arrow("parquet").read_metadata(file)
    except (arrow().ArrowException, OSError) as error:  # damage is one or the other
        raise InvalidInput(
            f"'{file}' of the ledger cannot be read: {error}; move it away, and its rows are left out and counted"
        ) from error


def _reach(group: Any) -> int:
    """No figure's sum over a row group is more than this."""
    ends = [each for name, each in _statistics(group).items() if name in FIGURES]
    most = max((_MOST if each is None else each.max for each in ends), default=_MOST)
    return int(most) * int(group.num_rows)


def _is_plausible(group: Any) -> bool:
    ends = [(BY_NAME[name], each) for name, each in _statistics(group).items() if name in JUDGED]
    return all(each is not None and each.min >= 0 and each.max <= column.limit for column, each in ends)


def _statistics(group: Any) -> dict[str, Any]:
    """Column to the least and the greatest of its numbers; None where the file does not say."""
    columns = (group.column(index) for index in range(group.num_columns))
    return {
        each.path_in_schema: each.statistics if each.statistics is not None and each.statistics.has_min_max else None
        for each in columns
    }
