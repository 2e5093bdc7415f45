"""Timed runs of one setting, and which of them nobody disturbed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats
from autoscale.interval import Interval
from autoscale_runtime.profiling.core_waits import CoreWaits

QUIET: Final = 0.03
"""A run is undisturbed where its threads waited for a core for less than this share of it."""

TAKEN_OFF: Final = "beside other work, what the runs waited for a core taken off"
DISTURBED: Final = "beside other work, the fastest of the runs"
"""How the latency of a setting is known whose threads never had their cores to themselves."""

MOSTLY: Final = 0.5
"""A run whose threads waited for more than this share of it tells nothing of what it takes alone."""

ENOUGH: Final = 9
"""So many undisturbed runs tell a middle and where single runs lie."""

FEWEST: Final = 3
MOST: Final = 200
VISITS: Final = 3
"""Bursts of runs at least: what slows a machine for a second slows each run of that second."""

ENDS: Final = (0.0, 0.1, 0.9)
"""The quantiles of undisturbed runs that an interval holds, the middle one as its value. Nothing speeds a run up, and
much slows it down that no counter shows, as neighbours of a virtual machine do: two measurements of the same differ
least in their fastest runs (Chen and Revels, Robust benchmarking in noisy environments, arXiv 1608.04295)."""

FASTEST: Final = (0.0, 0.02, 0.5)

TINY_S: Final = 1e-9


@dataclass(slots=True)
class Runs:
    """What a setting's runs took so far.

    Attributes:
        threads: that work on a run; 0 where that is not the CPU's affair.
        latency_s: of each run.
        waiting_s: of each run, what its threads waited for a core; NaN where the system does not tell.
        visits: how many bursts those were.
    """

    threads: int = 0
    latency_s: list[float] = field(default_factory=list)
    waiting_s: list[float] = field(default_factory=list)
    visits: int = 0

    def take(self, run: Callable[[], object], longest_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """Run it again and again, for so long; once at least, and no more often than tells anything new."""
        until_s, self.visits = clock() + longest_s, self.visits + 1
        with CoreWaits(self.threads == 1) as waits:
            for _ in range(MOST):
                before, began_s = waits.now_s(), clock()
                run()
                took_s, after = clock() - began_s, waits.now_s()
                self.latency_s.append(max(took_s, TINY_S))
                self.waiting_s.append(np.nan if before is None or after is None else after - before)
                if clock() >= until_s:
                    return

    @property
    def quiet_s(self) -> Floats:
        """The runs that waited for no core, by latency.

        A thread that never got its core while the run lasted waits on into the next one: that one counts too. Where
        nothing tells who waited, every run is taken.
        """
        latency_s, waiting_s = np.array(self.latency_s), np.nan_to_num(np.array(self.waiting_s))
        waited = waiting_s >= QUIET * latency_s
        return np.sort(latency_s[~(waited | np.append(waited[1:], False))])

    @property
    def _usable(self) -> NDArray[np.bool_]:
        """Of each run, whether it mostly ran; a wait that began before a run may be longer than the run."""
        waiting_s: Floats = np.nan_to_num(np.array(self.waiting_s))
        return np.less_equal(waiting_s, MOSTLY * np.array(self.latency_s))

    @property
    def _has_usable(self) -> bool:
        return int(np.count_nonzero(self._usable)) >= FEWEST

    @property
    def gap(self) -> str:
        """Why these runs tell no latency, in words; empty where they do."""
        if self.visits < VISITS:
            return f"it had {self.visits} of {VISITS} bursts; 'autoscale calibrate --resume' measures it"
        if not self.is_quiet and not self._has_usable:
            return "other work had the cores in its runs; 'autoscale calibrate --resume' measures it when that is over"
        return ""

    @property
    def is_enough(self) -> bool:
        """Whether more of them would tell nothing new."""
        return self.visits >= VISITS and (self.quiet_s.size >= ENOUGH or len(self.latency_s) >= 10 * MOST)

    @property
    def is_quiet(self) -> bool:
        """Whether there are undisturbed runs to go by."""
        return self.quiet_s.size >= FEWEST

    @property
    def how(self) -> str:
        """How the latency is known, in words."""
        if self.is_quiet or np.isnan(self.waiting_s).all():
            return "runs that waited for no core"
        return TAKEN_OFF if self.threads == 1 and self._has_usable else DISTURBED

    def interval(self) -> Interval:
        """A run as it is when nothing slows it, and the ends of single runs.

        Where others disturbed it all the while, and the system tells who waited: of one thread, what it waited is taken
        off where they mostly ran; of several, which then take each other's share of the work, the fastest run is the
        nearest to alone. Where there is a ``gap``, this is no measurement.
        """
        if self.is_quiet or np.isnan(self.waiting_s).all():
            return _quantiles(self.quiet_s, ENDS)
        latency_s = np.array(self.latency_s)
        if self.how == TAKEN_OFF:
            alone_s = latency_s - np.nan_to_num(np.array(self.waiting_s))
            return _quantiles(alone_s[self._usable], ENDS)
        return _quantiles(latency_s, FASTEST)


def _quantiles(latency_s: Floats, ends: Sequence[float]) -> Interval:
    low, mid, high = (float(each) for each in np.quantile(latency_s, ends))
    return Interval(low, mid, high)
