"""Which of a model's threads reads: one at a time, and of a quick model the same one again.

Handing the turn on wakes another thread for each query, which takes longer than a query of a quick model does. So there
who reads answers too. The others look now and then whether it is held up by a query, and then take the turn from it.
After a rest it does hand it on: then another one is awake that looks.
"""

import math
import threading
import time
from typing import Final

QUICK_S: Final = 100e-6
"""What a model computes for less than this is answered by who reads."""

_HELD_UP_S: Final = 0.02
_REST_S: Final = 1.0
_LEARNS: Final = 0.1


class Turn:
    """Held by who reads, by way of a lock that is replaced where its holder is held up. Thread-safe."""

    def __init__(self) -> None:
        self._lock, self._guard = threading.Lock(), threading.Lock()
        self._slow_share = 1.0  # of the last queries
        self._begun_s = math.inf
        self._last_s = -math.inf

    def take(self) -> threading.Lock:
        """Wait for the turn; gives what ``leave`` and ``has`` take."""
        while True:
            lock = self._lock
            rests = time.monotonic() - self._last_s > _REST_S
            if not lock.acquire(timeout=-1 if rests else _HELD_UP_S):
                self._take_away(lock)
            elif lock is self._lock:
                return lock
            else:
                lock.release()

    def leave(self, lock: threading.Lock) -> None:
        """Let another one read."""
        lock.release()

    def keeps(self, begun_s: float) -> bool:
        """Whether who has read a query, which begins now, answers it before it leaves the turn."""
        rested = begun_s - self._last_s > _REST_S
        self._last_s = begun_s
        if rested or self._slow_share > 0.5:
            return False
        self._begun_s = begun_s
        return True

    def has(self, lock: threading.Lock) -> bool:
        """Whether who has kept the turn has it still, now that the query has its answer."""
        with self._guard:
            self._begun_s = math.inf if lock is self._lock else self._begun_s
            return lock is self._lock

    def learn(self, compute_s: float) -> None:
        """A query was computed for so long."""
        self._slow_share += _LEARNS * ((compute_s > QUICK_S) - self._slow_share)

    def _take_away(self, lock: threading.Lock) -> None:
        with self._guard:
            if lock is self._lock and time.monotonic() - self._begun_s > _HELD_UP_S:
                self._begun_s, self._lock = math.inf, threading.Lock()
                lock.release()  # in the place of its holder, for others who wait for it
