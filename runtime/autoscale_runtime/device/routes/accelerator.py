"""The route over a GPU or NPU: nobody sees its work but the clock on the wall."""

from bisect import bisect_right

from autoscale.agents.paper_state import LOAD_EDGES
from autoscale_runtime.device.routes.local import WEIGHT, LocalModel, LocalRoute
from autoscale_runtime.device.sized_mean import FIXED, Size, SizedMean


class AcceleratorRoute(LocalRoute):
    """One accelerator in one engine, with a history of its own: how long queries took, by the load beside them.

    A load under which nothing ran yet is taken to be as the nearest under which something did.
    """

    estimators = ("_cpu_s", "_wall_s")

    def __init__(self, model: LocalModel) -> None:
        super().__init__(model)
        self._wall_s = [SizedMean(model.first_guess_s, WEIGHT) for _ in range(len(LOAD_EDGES) + 1)]

    def expected_times_s(self, cpu_load: float | None, size: Size = FIXED) -> tuple[float, float]:
        """The means of the last queries of that size, of the first those at that load."""
        at = _bin(cpu_load)
        seen = [index for index, mean in enumerate(self._wall_s) if mean.is_known]
        nearest = self._wall_s[min(seen, key=lambda index: abs(index - at), default=at)]
        return nearest.at(size), self._cpu_s.at(size)

    def learn(self, latency_s: float, cpu_s: float, cpu_load: float | None, size: Size = FIXED) -> None:
        """By the clock on the wall alone."""
        super().learn(latency_s, cpu_s, cpu_load, size)
        self._wall_s[_bin(cpu_load)].add(latency_s, size)


def _bin(cpu_load: float | None) -> int:
    return 0 if cpu_load is None else bisect_right(LOAD_EDGES, cpu_load)
