"""A recorded counter in place of hardware: a CSV file with the columns ``time_s`` and ``energy_j``.

A row above or below both of its neighbours is left out, with a warning; where the counter was reset, there is a gap.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Self

from autoscale.errors import InvalidInput, TraceError
from autoscale.skipped_rows import SkippedRows
from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.sensors.trace_file import number, read_trace_rows

ENERGY: Final = "energy_j"
_LOG: Final = logging.getLogger("autoscale.meters")


class ReplayMeter(CounterMeter):
    """Plays a recorded counter, in straight lines between its rows; nothing is known outside of them.

    Time runs from the creation of the meter.

    Args:
        path: the CSV file.
        clock: seconds, monotonic.

    Raises:
        TraceError: a file that cannot be used at all; naming the file, the line and the value.
    """

    name: ClassVar[str] = "replay"
    shortest_s: ClassVar[float] = 0.0

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.scope = f"replay of {path.name}"
        self._rows = _read_counter(path)
        self._run = 0
        self._start_s = clock()

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """A replay is of a file, not of a host.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("a replay meter is made from a file: ReplayMeter(path)")

    def read_j(self) -> float:
        """The recorded counter at this time.

        Raises:
            ValueError: nothing was recorded of this time.
        """
        now_s = self.clock() - self._start_s
        rows = self._rows
        if not rows[0].time_s <= now_s <= rows[-1].time_s:
            raise ValueError(f"{self.scope} runs from {rows[0].time_s} to {rows[-1].time_s} s; this is {now_s:.3f} s")
        index = min(bisect_right(rows, now_s, key=lambda row: row.time_s), len(rows) - 1)
        before, after = rows[max(index - 1, 0)], rows[index]
        if now_s == before.time_s:
            after = before
        elif now_s == after.time_s:
            before = after
        if before.run != after.run:
            raise ValueError(f"{self.scope} was reset between {before.time_s} and {after.time_s} s")
        if after.run != self._run:
            self._run = after.run
            self.gap(f"{self.scope} was reset before {now_s:.3f} s")
        span_s = after.time_s - before.time_s
        share = (now_s - before.time_s) / span_s if span_s else 0.0
        return before.energy_j + share * (after.energy_j - before.energy_j)


class _Counted(NamedTuple):
    """A row; ``run`` counts how often the counter was reset until then."""

    time_s: float
    energy_j: float
    run: int


def _read_counter(path: Path) -> list[_Counted]:
    recorded = read_trace_rows(path, lambda name: name == ENERGY, ENERGY, number, needed=ENERGY)
    skipped = SkippedRows(path, _LOG)
    energies_j = [row.cells[ENERGY] for row in recorded]
    left_out = _outliers(energies_j)
    rows: list[_Counted] = []
    for index, (row, energy_j) in enumerate(zip(recorded, energies_j, strict=True)):
        falls = bool(rows) and energy_j < rows[-1].energy_j
        if falls or index in left_out:
            before_j = rows[-1].energy_j if rows else energies_j[index + 1]
            what = "falls" if falls else "jumps"
            problem = f"{ENERGY} {what} from {before_j} to {energy_j}; it is a counter"
            skipped.add(TraceError(f"{path}, line {row.line}: {problem}"))
        if index not in left_out:
            rows.append(_Counted(row.time_s, energy_j, (rows[-1].run if rows else 0) + falls))
    if not any(before.run == after.run for before, after in pairwise(rows)):
        raise skipped.first_or(TraceError(f"{path} has fewer than two rows; a counter tells what is between two"))
    skipped.warn("rows")
    return rows


def _outliers(energies_j: Sequence[float]) -> set[int]:
    """The rows without which their neighbours would be in order; a counter that goes on from a fall was reset."""
    found: set[int] = set()
    for index, (left, here, right) in enumerate(zip(energies_j, energies_j[1:], energies_j[2:], strict=False), start=1):
        is_one = left <= right and not left <= here <= right
        if is_one and index - 1 not in found:
            found.add(index)
    return found
