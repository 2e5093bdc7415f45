"""A clock that goes only as far as it is told, in the place of this process's own: import it before what reads clocks.

Time passes by ``advance`` and by ``time.sleep``. What a probe's thread waits for passes for that thread alone, since
it does so behind the others; everybody else waits for what another thread does.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

REAL_WORK_S: Final = time.thread_time
"""This process's own clock, by which costs are measured."""


class VirtualClock:
    """Seconds on the wall and of the processor's work."""

    def __init__(self) -> None:
        self._wall_s = self._cpu_s = 0.0
        self._behind = threading.local()

    def wall_s(self) -> float:
        """What every clock on the wall shows."""
        return self._wall_s + float(getattr(self._behind, "ahead_s", 0.0))

    def cpu_s(self) -> float:
        """The work that was done."""
        return self._cpu_s

    def advance(self, wall_s: float, cpu_s: float = 0.0) -> None:
        """Let time pass."""
        self._cpu_s += cpu_s
        if threading.current_thread().name == "autoscale-probe":
            self._behind.ahead_s = getattr(self._behind, "ahead_s", 0.0) + wall_s
        else:
            self._wall_s += wall_s


CLOCK: Final = VirtualClock()


def _install(clock: VirtualClock) -> None:
    clocks: dict[str, Callable[..., object]] = {
        "perf_counter": clock.wall_s,
        "monotonic": clock.wall_s,
        "process_time": clock.cpu_s,
        "thread_time": clock.cpu_s,
        "sleep": clock.advance,
    }
    for name, function in clocks.items():
        setattr(time, name, function)


_install(CLOCK)
