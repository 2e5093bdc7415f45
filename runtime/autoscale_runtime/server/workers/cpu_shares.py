"""Splits a process's CPU time among the batches that it runs."""

import threading
import time


class CpuShares:
    """What passes is shared by the batches under way; what passes while none runs counts to the next one. Thread-safe.

    So all of the process's time is somebody's, and what is told of batches adds up to it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_s = time.process_time()
        self._each_s = 0.0
        self._running = 0

    def begin(self) -> float:
        """A batch begins; gives what ``end`` takes."""
        with self._lock:
            if self._running:  # else all since the last one's end is this one's
                self._advance()
            self._running += 1
            return self._each_s

    def end(self, begun_s: float) -> float:
        """Core-seconds of the batch that began so."""
        with self._lock:
            self._advance()
            self._running -= 1
            return self._each_s - begun_s

    def _advance(self) -> None:
        now_s = time.process_time()
        self._each_s += (now_s - self._last_s) / self._running
        self._last_s = now_s
