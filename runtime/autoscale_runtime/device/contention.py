"""How much longer a query takes than its own CPU time, while other processes want the same cores."""

from bisect import bisect_right
from typing import Final

from autoscale.agents.paper_state import LOAD_EDGES
from autoscale_runtime.device.running_mean import RunningMean

WEIGHT: Final = 0.2
"""Share of a new observation in the running mean: the last five or so count."""


class Contention:
    """Ratio of latency to uncontended latency, per bin of co-runner load (the paper's four).

    A sensor sees that others take every idle cycle but not how many they are, so the ratio is learned from the
    queries that ran; before any did, fair sharing with one other process is assumed.
    """

    def __init__(self) -> None:
        self._ratios = [RunningMean(ratio, WEIGHT, is_known=True) for ratio in (1.0, 1.15, 1.5, 2.0)]

    def ratio(self, cpu_load: float | None) -> float:
        """The expected ratio at a co-runner load; 1 where the load cannot be sensed."""
        return 1.0 if cpu_load is None else self._ratios[bisect_right(LOAD_EDGES, cpu_load)].value

    def observe(self, cpu_load: float | None, ratio: float) -> None:
        """Learn from a query that ran at a co-runner load."""
        if cpu_load is not None:
            self._ratios[bisect_right(LOAD_EDGES, cpu_load)].add(max(ratio, 1.0))
