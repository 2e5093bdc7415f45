"""The route over the CPU: its clock is the CPU's own, and what others take of the cores is known apart."""

import time
from typing import Final

from autoscale.agents.paper_state import LOAD_EDGES
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.routes.local import WEIGHT, LocalModel, LocalRoute
from autoscale_runtime.device.sized_mean import FIXED, Size, SizedMean
from autoscale_runtime.host.cores import usable_cores

_TINY_S: Final = 1e-9


class CpuRoute(LocalRoute):
    """Some threads of the CPU.

    A query's latency is its CPU time over the threads, stretched by what the engine leaves unused (waiting, work that
    does not divide) and by the contention with other processes. The stretch is the route's own and learned in quiet;
    the contention is learned under load, from all routes of one engine.

    Args:
        model: for some threads of the CPU.
        contention: shared by the engine's routes over the CPU.
        alike: the CPU times of queries by the routes of one model; one that ran none takes those of one that did,
            unless it was measured before.
    """

    estimators = ("_cpu_s", "_alike", "_stretch", "_contention")

    def __init__(self, model: LocalModel, contention: Contention, alike: list[SizedMean] | None = None) -> None:
        super().__init__(model)
        self._contention = contention
        self._alike = [] if alike is None else alike
        self._alike.append(self._cpu_s)
        # A step is of all cores; what names no setting at all is somebody's own.
        self._threads = model.target.threads or (usable_cores() if model.target.frequency_hz else 1)
        self._is_measured = model.measured_s is not None
        self._stretch = SizedMean(1.0, WEIGHT, grows=False)
        if self._threads == 1:  # a pool's threads do not show in the calling thread's clock
            self._cpu_clock = time.thread_time

    def _first_cpu_s(self, model: LocalModel) -> float:
        """Of a measured time every thread's."""
        return model.first_guess_s * (1 if model.measured_s is None else model.target.threads or 1)

    def expected_times_s(self, cpu_load: float | None, size: Size = FIXED) -> tuple[float, float]:
        """From the CPU time of the last queries of that size, its own once it ran one, and the load's contention."""
        own = self._cpu_s
        is_own = own.is_known or self._is_measured
        cpu_s = (own if is_own else next((each for each in self._alike if each.is_known), own)).at(size)
        alone_s = max(cpu_s, _TINY_S) / self._threads * self._stretch.at(size)
        return alone_s * self._contention.ratio(cpu_load), cpu_s

    def learn(self, latency_s: float, cpu_s: float, cpu_load: float | None, size: Size = FIXED) -> None:
        """By the ratio of the latency to what the cores alone would have taken."""
        super().learn(latency_s, cpu_s, cpu_load, size)
        ratio = latency_s * self._threads / max(cpu_s, _TINY_S)
        if cpu_load is not None and cpu_load >= LOAD_EDGES[0]:
            self._contention.observe(cpu_load, ratio / self._stretch.at(size))
            return
        self._stretch.add(max(ratio, 1.0), size)
