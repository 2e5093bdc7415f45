"""How many queries run at once, how many wait, and who stops waiting."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autoscale.errors import DeadlineExceeded, Overloaded


class Waiter:
    """One query in the queue, until it is called or its caller leaves."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.has_left = False


class Admission:
    """First come, first served, within bounds. Thread-safe.

    Args:
        max_running: queries that run at the same time, 1 or more.
        max_waiting: queries that may wait for one of them to end, 0 or more.
    """

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self.max_running = max_running
        self.max_waiting = max_waiting
        self._running = 0
        self._queue: deque[Waiter] = deque()
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """Queries that run now."""
        return self._running

    @property
    def waiting(self) -> int:
        """Queries that wait for their turn now."""
        return len(self._queue)

    @contextmanager
    def slot(
        self,
        timeout_s: float | None = None,
        on_leaving: Callable[[Callable[[], None]], object] = lambda leave: None,
    ) -> Iterator[float]:
        """Hold one of the running places; yields the seconds waited for it.

        Args:
            timeout_s: how long the caller waits; None for ever.
            on_leaving: is given what to call when the caller goes away before its turn.

        Raises:
            Overloaded: as many wait as may; nothing was queued.
            DeadlineExceeded: the time ran out, or the caller left, before its turn came.
        """
        arrived_s = time.perf_counter()
        waiter = self._enter()
        if waiter is not None:
            on_leaving(lambda: self._leave(waiter))
            self._wait(waiter, timeout_s)
        try:
            yield time.perf_counter() - arrived_s
        finally:
            self._next()

    def _enter(self) -> Waiter | None:
        with self._lock:
            if self._running < self.max_running:
                self._running += 1
                return None
            if len(self._queue) >= self.max_waiting:
                raise Overloaded(
                    f"{self._running} queries run and {len(self._queue)} wait; "
                    f"allowed: {self.max_running} and {self.max_waiting}"
                )
            self._queue.append(waiter := Waiter())
            return waiter

    def _wait(self, waiter: Waiter, timeout_s: float | None) -> None:
        if not waiter.called.wait(timeout_s):
            self._leave(waiter)
        if waiter.has_left:
            raise DeadlineExceeded(f"its turn had not come when its caller left (time allowed: {timeout_s} s)")

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._queue:
                self._queue.remove(waiter)
                waiter.has_left = True
                waiter.called.set()

    def _next(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().called.set()  # the place passes on: as many run as before
            else:
                self._running -= 1
