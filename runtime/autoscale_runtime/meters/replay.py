"""A recorded counter in place of hardware: a CSV file with the columns ``time_s`` and ``energy_j``."""

import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

from autoscale.errors import InvalidInput, TraceError
from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.sensors.trace_file import number, read_trace

ENERGY = "energy_j"


class ReplayMeter(CounterMeter):
    """Plays a recorded counter, in straight lines between its rows; nothing is known outside of them.

    Time runs from the making of the meter.

    Args:
        path: the CSV file.
        clock: seconds, monotonic.

    Raises:
        TraceError: naming the file, the line and the value.
    """

    name: ClassVar[str] = "replay"
    shortest_s: ClassVar[float] = 0.0

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.scope = f"replay of {path.name}"
        self._times_s, self._energies_j = _read_counter(path)
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
        times_s, energies_j = self._times_s, self._energies_j
        if not times_s[0] <= now_s <= times_s[-1]:
            raise ValueError(f"{self.scope} runs from {times_s[0]} to {times_s[-1]} s; this is {now_s:.3f} s")
        after = min(bisect_right(times_s, now_s), len(times_s) - 1)
        before = max(after - 1, 0)
        span_s = times_s[after] - times_s[before]
        share = (now_s - times_s[before]) / span_s if span_s else 0.0
        return energies_j[before] + share * (energies_j[after] - energies_j[before])


def _read_counter(path: Path) -> tuple[list[float], list[float]]:
    rows = read_trace(path, lambda name: name == ENERGY, ENERGY)
    for row in rows:
        if ENERGY not in row.cells:
            raise TraceError(f"{path}, line {row.line}: {ENERGY} is absent; allowed: a number in every line")
    energies_j = [number(path, row, ENERGY) for row in rows]
    for row, before, now in zip(rows[1:], energies_j, energies_j[1:], strict=False):
        if now < before:
            raise TraceError(f"{path}, line {row.line}: {ENERGY} falls from {before} to {now}; it is a counter")
    return [row.time_s for row in rows], energies_j
