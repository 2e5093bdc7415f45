"""A recorded counter as a CSV file with the columns ``time_s`` and ``energy_j``.

A row above or below both of its neighbours is left out, with a warning; where the counter was reset, there is a gap.
"""

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from autoscale.errors import TraceError
from autoscale.skipped_rows import SkippedRows
from autoscale_runtime.meters.recordings.recording import Counted, Recording
from autoscale_runtime.sensors.trace_file import number, read_trace_rows

ENERGY: Final = "energy_j"
_LOG: Final = logging.getLogger("autoscale.meters")


def read_csv(path: Path) -> Recording:
    """The counter in a CSV file.

    Raises:
        TraceError: a file that cannot be used at all; naming the file, the line and the value.
    """
    recorded = read_trace_rows(path, lambda name: name == ENERGY, ENERGY, number, needed=ENERGY)
    skipped = SkippedRows(path, _LOG)
    energies_j = [row.cells[ENERGY] for row in recorded]
    left_out = _outliers(energies_j)
    rows: list[Counted] = []
    for index, (row, energy_j) in enumerate(zip(recorded, energies_j, strict=True)):
        falls = bool(rows) and energy_j < rows[-1].energy_j
        if falls or index in left_out:
            before_j = rows[-1].energy_j if rows else energies_j[index + 1]
            what = "falls" if falls else "jumps"
            problem = f"{ENERGY} {what} from {before_j} to {energy_j}; it is a counter"
            skipped.add(TraceError(f"{path}, line {row.line}: {problem}"))
        if index not in left_out:
            rows.append(Counted(row.time_s, energy_j, (rows[-1].run if rows else 0) + falls))
    if not any(before.run == after.run for before, after in pairwise(rows)):
        raise skipped.first_or(TraceError(f"{path} has fewer than two rows; a counter tells what is between two"))
    skipped.warn("rows")
    return Recording(rows, f"replay of {path.name}")


def _outliers(energies_j: Sequence[float]) -> set[int]:
    """The rows without which their neighbours would be in order; a counter that goes on from a fall was reset."""
    found: set[int] = set()
    for index, (left, here, right) in enumerate(zip(energies_j, energies_j[1:], energies_j[2:], strict=False), start=1):
        is_one = left <= right and not left <= here <= right
        if is_one and index - 1 not in found:
            found.add(index)
    return found
