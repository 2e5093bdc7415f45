"""Giving a query up while it runs: whoever can be interrupted says how, whoever waits no longer says when."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CURRENT: "ContextVar[Cancellation | None]" = ContextVar("autoscale-cancellation", default=None)
"""That of the query which this thread runs; a runner that can be interrupted looks here."""


class Cancellation:
    """May be called off once, from any thread; what runs at that moment is interrupted where it can be."""

    def __init__(self) -> None:
        self.is_called_off = False
        self._interrupt: Callable[[], None] | None = None
        self._guard = threading.Lock()

    def call_off(self) -> None:
        """Nobody waits for the answer any more."""
        with self._guard:
            self.is_called_off = True
            if self._interrupt is not None:
                self._interrupt()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While this is entered, calling off also does that; at once where it has been called off before."""
        with self._guard:
            self._interrupt = interrupt
            if self.is_called_off:
                interrupt()
        try:
            yield
        finally:
            with self._guard:
                self._interrupt = None
