"""CPU and memory taken by *other* processes: the co-runners that the paper's state watches."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, NamedTuple

import psutil

from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.sensors.cpu_time import CpuTime, cpu_time, own_cpu_s

SHORTEST_S: Final = 0.05
"""Linux counts CPU time in ticks of 10 ms or less: a shorter interval would be mostly rounding."""


class LoadSensor(Sensor):
    """Load of the cores this process may run on, less what it uses itself.

    The load is the mean over the last ``window_s``; it is absent until there are two readings at least
    50 ms apart. Where the process is pinned to some cores (``sched_setaffinity``), only those count.

    Args:
        companions: process ids that count as ours, such as a server started for this session.
        window_s: how far back the mean reaches; shorter reacts faster and is noisier.
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "load"

    def __init__(
        self,
        companions: Iterable[int] = (),
        window_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.companions = tuple(companions)
        self.window_s = window_s
        self._clock = clock
        self._past: deque[_Snapshot] = deque()

    def is_available(self) -> bool:
        """Always: the first reading has no interval yet, but memory is known at once."""
        return True

    def sense(self) -> Observation:
        """The load since about ``window_s`` ago, and the memory that others hold now."""
        now = self._snapshot()
        if self._past and self._past[-1].cores != now.cores:
            self._past.clear()
        self._forget(now.time_s)
        load = load_between(self._past[0], now) if self._past else None
        self._past.append(now)
        return Observation(cpu_load=load, memory_load=self._memory_load())

    def _forget(self, now_s: float) -> None:
        while len(self._past) > 1:
            oldest_s, next_s = now_s - self._past[0].time_s, now_s - self._past[1].time_s
            # After a pause the oldest reading tells of another time: a short interval is better than that.
            is_over = next_s >= SHORTEST_S if oldest_s > 2.0 * self.window_s else next_s >= self.window_s
            if not is_over:
                return
            self._past.popleft()

    def _snapshot(self) -> "_Snapshot":
        cores = usable_cores()
        counted = None if len(cores) == psutil.cpu_count() else cores
        return _Snapshot(self._clock(), cores, cpu_time(counted), own_cpu_s(self.companions, cores))

    def _memory_load(self) -> float:
        memory = psutil.virtual_memory()
        own = sum(_resident_bytes(pid) for pid in (os.getpid(), *self.companions))
        return min(max((memory.total - memory.available - own) / memory.total, 0.0), 1.0)


class _Snapshot(NamedTuple):
    time_s: float
    cores: frozenset[int]
    machine: CpuTime
    own_s: float


def load_between(before: _Snapshot, after: _Snapshot) -> float | None:
    """The fraction of the cores' time that went to others; None over too short an interval.

    Clipped to 0 and 1: the kernel rounds everybody's time to ticks but tells ours to the nanosecond, and
    a companion that has ended takes its time with it.
    """
    elapsed_s = after.machine.total_s - before.machine.total_s
    if after.time_s - before.time_s < SHORTEST_S or elapsed_s <= 0.0:
        return None
    busy_s = after.machine.busy_s - before.machine.busy_s
    own_s = max(after.own_s - before.own_s, 0.0)
    return min(max((busy_s - own_s) / elapsed_s, 0.0), 1.0)


def usable_cores() -> frozenset[int]:
    """The cores this process may run on."""
    # By process id: 0 would ask for the calling thread, which may be the one that reads the sensors.
    return frozenset(os.sched_getaffinity(os.getpid()))


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
