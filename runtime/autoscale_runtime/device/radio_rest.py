"""How long the radio has rested: a used one need not be woken, and its tail is paid once."""

import math
import time
from collections.abc import Callable
from threading import Lock


class RadioRest:
    """Since when nothing used this device's radio. Thread-safe.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._guard = Lock()
        self._used_until_s = -math.inf

    def now_s(self) -> float:
        """How long it has rested; infinite where it never was used."""
        return self.clock() - self._used_until_s

    def used(self, latency_s: float) -> float:
        """Take note that a query used it, which began ``latency_s`` ago and ends now; how long it had rested before."""
        with self._guard:
            now_s = self.clock()
            rest_s = max(now_s - latency_s - self._used_until_s, 0.0)
            self._used_until_s = now_s
        return rest_s
