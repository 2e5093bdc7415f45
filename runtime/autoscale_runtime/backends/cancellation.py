"""Giving a query up while it runs: whoever can be interrupted says how, whoever waits no longer says when."""

from collections.abc import Callable
from contextvars import ContextVar

CURRENT: "ContextVar[Cancellation | None]" = ContextVar("autoscale-cancellation", default=None)
"""That of the query which this thread runs; a runner that can be interrupted looks here."""


class Cancellation:
    """May be called off once, from any thread; what runs at that moment is interrupted where it can be.

    Without a lock: each side first says its own, then looks at the other's, so one of the two sees both.
    """

    __slots__ = ("_interrupt", "is_called_off")

    def __init__(self) -> None:
        self.is_called_off = False
        self._interrupt: Callable[[], None] | None = None

    def call_off(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_called_off = True
        interrupt = self._interrupt
        if interrupt is not None:
            interrupt()

    def begin(self, interrupt: Callable[[], None]) -> None:
        """From now on calling off also does that; at once where it has been called off before.

        It may be done twice, and once after ``end``: it must harm nothing but what it is meant for.
        """
        self._interrupt = interrupt
        if self.is_called_off:
            interrupt()

    def end(self) -> None:
        """There is nothing to interrupt any more."""
        self._interrupt = None
