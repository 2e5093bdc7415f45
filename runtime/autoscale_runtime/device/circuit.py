"""A circuit breaker: stops sending queries down a link that fails, and probes it until it answers again."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from autoscale.errors import (
    AccessRefused,
    InvalidInput,
    Overloaded,
    TargetError,
    TargetUnavailable,
    UnknownName,
    WrongAnswer,
)

FAILURES_TO_OPEN: Final = 2
"""Missed deadlines, full queues or refused queries in a row that open the circuit; a refused connection opens it at
once, and so does a server that says when to come again: until then."""

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 3.0
"""Between two probes of a link that is down: with what a connection takes to be made, a link that comes back is found
within 10 s."""

LONGEST_WRONG_BACKOFF_S: Final = 30.0
"""Likewise where another model answers, or nobody lets this device in: that is no matter of seconds."""

_LOG: Final = logging.getLogger("autoscale.session")


def in_background(act: Callable[[], None]) -> None:
    """Run it in a thread of its own, for which nobody waits."""
    threading.Thread(target=act, name="autoscale-probe", daemon=True).start()


class Circuit:
    """Closed while the link works, open while it does not. Thread-safe.

    While it is open no query is spent on finding out: a probe runs behind a query that comes after the back-off, which
    doubles. Where no queries come, none is sent: an idle session leaves the radio alone.

    Args:
        probe: asks the remote for a sign of life; whatever it raises is taken for none.
        start: runs a function behind the query.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        probe: Callable[[], None],
        start: Callable[[Callable[[], None]], None] = in_background,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_open = False
        self.reason = ""
        self._probe = probe
        self._start = start
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._backoff_s = FIRST_BACKOFF_S
        self._due_s = 0.0
        self._is_probing = False
        self._is_shut = False

    def lets_pass(self) -> bool:
        """Whether a query that comes now may pass; where not, and a probe is due, one begins behind it."""
        if not self.is_open:
            return True
        with self._lock:
            if self._is_shut or self._is_probing or not self.is_open or self._clock() < self._due_s:
                return not self.is_open
            self._is_probing = True
        self._start(self._try)
        return not self.is_open

    def succeed(self) -> None:
        """An answer came: close the circuit."""
        if self.is_open or self._failures:
            with self._lock:
                self.is_open = False
                self.reason = ""
                self._failures = 0
                self._backoff_s = FIRST_BACKOFF_S

    def fail(self, error: TargetError) -> None:
        """No answer came: open the circuit if that is enough."""
        with self._lock:
            self._failures += 1
            if isinstance(error, Overloaded) and error.retry_after_s is not None:
                self._open(error, error.retry_after_s)
                return
            if _is_gone(error) or self._failures >= FAILURES_TO_OPEN:
                self._open(error)

    def trip(self, error: TargetError, wait_s: float | None = None) -> None:
        """Open it at once; the next probe comes after ``wait_s``, or after the back-off."""
        with self._lock:
            self._open(error, wait_s)

    def close(self) -> None:
        """End the probing; the circuit stays as it is."""
        with self._lock:
            self._is_shut = True

    def _open(self, error: Exception, wait_s: float | None = None) -> None:
        self.reason = str(error)
        if self.is_open and wait_s is None and not self._is_probing:
            return  # a query that was under way, or is sent whatever the circuit says; the next probe is set
        self.is_open = True
        self._due_s = self._clock() + (self._backoff_s if wait_s is None else wait_s)
        if wait_s is None:
            longest_s = LONGEST_WRONG_BACKOFF_S if isinstance(error, WrongAnswer | AccessRefused) else LONGEST_BACKOFF_S
            self._backoff_s = min(2.0 * self._backoff_s, longest_s)

    def _try(self) -> None:
        try:
            self._probe()
        except Undecided as error:
            self._end(error, 0.0)
        except TargetError as error:
            self._end(error)
        except Exception as error:  # the probing goes on, whatever it met
            _LOG.warning("a probe ended by an error nobody expected: %r", error)
            self._end(error)
        else:
            with self._lock:
                self._is_probing = False
                self.is_open = False
                self.reason = ""
                # One more miss opens it again: a probe is small and says nothing of a query's size.
                self._failures = FAILURES_TO_OPEN - 1

    def _end(self, error: Exception, wait_s: float | None = None) -> None:
        with self._lock:
            if self.is_open:
                self._open(error, wait_s)
            self._is_probing = False


def _is_gone(error: TargetError) -> bool:
    """Whether the next query would fare no better: a model that refuses this one may refuse its values alone."""
    refusal = error.__cause__
    is_refused = isinstance(refusal, InvalidInput) and not isinstance(refusal, UnknownName)
    return isinstance(error, TargetUnavailable) and not isinstance(error, Overloaded) and not is_refused


class Undecided(TargetUnavailable):
    """The remote answers, but not yet so that it could be verified: ask again with the next query."""
