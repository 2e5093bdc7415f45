"""How large sums can get, as the Parquet files' own statistics tell, without reading a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.report.sums import FIGURES

_MOST: Final = 2**63 - 1


def needs_wide_sums(files: Sequence[Path]) -> bool:
    """Whether a sum of some figures over all rows may need more than 64 bits.

    Raises:
        InvalidInput: a file is not Parquet.
        MissingExtra: pyarrow is not installed.
    """
    pq = arrow("parquet")
    reach = 0
    for file in files:
        try:
            metadata = pq.read_metadata(file)
        except (arrow().ArrowException, OSError) as error:  # damage is one or the other
            raise InvalidInput(
                f"'{file}' of the ledger cannot be read: {error}; move it away, and its rows are left out and counted"
            ) from error
        reach += sum(_reach(metadata.row_group(index)) for index in range(metadata.num_row_groups))
    return reach * len(FIGURES) > _MOST


def _reach(group: Any) -> int:
    """No figure's sum over a row group is more than this."""
    columns = (group.column(index) for index in range(group.num_columns))
    figures = [each.statistics for each in columns if each.path_in_schema in FIGURES]
    most = max((each.max if each is not None and each.has_min_max else _MOST for each in figures), default=_MOST)
    return int(most) * int(group.num_rows)
