"""CPU and memory taken by *other* processes: the co-runners that the paper's state watches."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, NamedTuple

import psutil

from autoscale.query.observation import Observation
from autoscale_runtime.host.control_group import ControlGroup, MemoryLimit
from autoscale_runtime.host.cores import allowed_cores
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.sensors.cpu_time import CpuTime, core_times, own_cpu_s, used_between

SHORTEST_S: Final = 0.05
"""Linux counts CPU time in ticks of 10 ms or less: a shorter interval would be mostly rounding."""


class LoadSensor(Sensor):
    """Load of the cores this process may run on, less what it uses itself.

    The load is the mean over the last ``window_s``; it is absent until there are two readings at least
    50 ms apart. Where the process is pinned to some cores (``sched_setaffinity``), only those count. Memory is that of
    the container where one limits it, else the machine's.

    Args:
        companions: process ids that count as ours, such as a server started for this session.
        window_s: how far back the mean reaches; shorter reacts faster and is noisier.
        clock: seconds, monotonic.
        group: whose memory limit counts; this process's where None.
    """

    name: ClassVar[str] = "load"

    def __init__(
        self,
        companions: Iterable[int] = (),
        window_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        group: ControlGroup | None = None,
    ) -> None:
        self._group = group or ControlGroup()
        self.companions = tuple(companions)
        self.window_s = window_s
        self._clock = clock
        self._past: deque[_Snapshot] = deque()

    def is_available(self) -> bool:
        """Always: the first reading has no interval yet, but memory is known at once."""
        return True

    def sense(self) -> Observation:
        """The load since about ``window_s`` ago, and the memory that others hold now."""
        return Observation(cpu_load=self._cpu_load(), memory_load=self._memory_load())

    def _cpu_load(self) -> float | None:
        try:
            now = self._snapshot()
        except (OSError, ValueError, psutil.Error) as error:
            self.gap(error)
            self._past.clear()
            return None
        if self._past and self._past[-1].cores.keys() != now.cores.keys():
            self._past.clear()
        self._forget(now.time_s)
        load = load_between(self._past[0], now) if self._past else None
        self._past.append(now)
        return load

    def _forget(self, now_s: float) -> None:
        while len(self._past) > 1:
            oldest_s, next_s = now_s - self._past[0].time_s, now_s - self._past[1].time_s
            # After a pause the oldest reading tells of another time: a short interval is better than that.
            is_over = next_s >= SHORTEST_S if oldest_s > 2.0 * self.window_s else next_s >= self.window_s
            if not is_over:
                return
            self._past.popleft()

    def _snapshot(self) -> "_Snapshot":
        cores = allowed_cores()
        times = {core: time for core, time in core_times().items() if core in cores}
        return _Snapshot(self._clock(), times, own_cpu_s(self.companions, cores))

    def _memory_load(self) -> float | None:
        """Of the container's limit where that is less than the machine has."""
        memory, limit = psutil.virtual_memory(), self._group.memory()
        if limit is None or limit.limit_bytes >= memory.total:
            limit = MemoryLimit(memory.total, memory.total - memory.available)
        if limit.used_bytes is None:
            return None
        own_bytes = sum(_resident_bytes(pid) for pid in (os.getpid(), *self.companions))
        return min(max((limit.used_bytes - own_bytes) / limit.limit_bytes, 0.0), 1.0)


class _Snapshot(NamedTuple):
    time_s: float
    cores: Mapping[int, CpuTime]
    own_s: float


def load_between(before: _Snapshot, after: _Snapshot) -> float | None:
    """The fraction of the cores' time that went to others; None over too short an interval.

    Clipped to 0 and 1: the kernel rounds everybody's time to ticks but tells ours to the nanosecond, and
    a companion that has ended takes its time with it.
    """
    used = used_between(before.cores, after.cores)
    if after.time_s - before.time_s < SHORTEST_S or used.total_s <= 0.0:
        return None
    own_s = max(after.own_s - before.own_s, 0.0)
    return min(max((used.busy_s - own_s) / used.total_s, 0.0), 1.0)


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
