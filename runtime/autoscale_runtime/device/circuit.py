"""A circuit breaker: stops sending queries down a link that fails, and probes it until it answers again."""

import threading
from collections.abc import Callable
from typing import Final

from autoscale.errors import Overloaded, TargetError, TargetUnavailable

FAILURES_TO_OPEN: Final = 2
"""Missed deadlines or full queues in a row that open the circuit; a refused connection opens it at once."""

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 30.0


class Circuit:
    """Closed while the link works, open while it does not. Thread-safe.

    While it is open no query is spent on finding out: a probe runs in the background after each back-off, which
    doubles up to ``LONGEST_BACKOFF_S``.

    Args:
        probe: asks the far end for a sign of life; raises TargetError where there is none.
        timer: makes what calls a function after so many seconds, once it is started.
    """

    def __init__(
        self,
        probe: Callable[[], None],
        timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        self.is_open = False
        self.reason = ""
        self._probe = probe
        self._new_timer = timer
        self._lock = threading.Lock()
        self._failures = 0
        self._backoff_s = FIRST_BACKOFF_S
        self._timer: threading.Timer | None = None
        self._is_shut = False

    def succeed(self) -> None:
        """An answer came: close the circuit."""
        if self.is_open or self._failures:
            with self._lock:
                self.is_open = False
                self._failures = 0
                self._backoff_s = FIRST_BACKOFF_S

    def fail(self, error: TargetError) -> None:
        """No answer came: open the circuit if that is enough."""
        with self._lock:
            self._failures += 1
            is_gone = isinstance(error, TargetUnavailable) and not isinstance(error, Overloaded)
            if is_gone or self._failures >= FAILURES_TO_OPEN:
                self.reason = str(error)
                self._open()

    def close(self) -> None:
        """End the probing; the circuit stays as it is."""
        with self._lock:
            self._is_shut = True
            if self._timer is not None:
                self._timer.cancel()

    def _open(self) -> None:
        self.is_open = True
        if self._timer is None and not self._is_shut:
            self._timer = self._new_timer(self._backoff_s, self._try)
            self._timer.daemon = True
            self._timer.start()
            self._backoff_s = min(2.0 * self._backoff_s, LONGEST_BACKOFF_S)

    def _try(self) -> None:
        try:
            self._probe()
        except TargetError:
            with self._lock:
                self._timer = None
                if self.is_open:
                    self._open()
            return
        with self._lock:
            self._timer = None
            self.is_open = False
            # One more miss opens it again: a probe is small and says nothing of a query's size.
            self._failures = FAILURES_TO_OPEN - 1
