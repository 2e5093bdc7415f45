"""The last decision, as each thread sees it: callers in many threads do not see each other's."""

import threading

from autoscale.query.context import Context
from autoscale.query.record import Decision


class Decided:
    """A decision, until more is known of it, and the context it was made in."""

    __slots__ = ("context", "decision")

    def __init__(self, decision: Decision, context: Context) -> None:
        self.decision, self.context = decision, context


class Last:
    """What was decided last: for a thread by its own query, for one that asked nothing by anybody's."""

    def __init__(self) -> None:
        self._anybodys: Decided | None = None
        self._own = threading.local()

    def set(self, decision: Decision, context: Context) -> Decided:
        """Keep it; what is returned takes what becomes known of it."""
        decided = self._anybodys = self._own.decided = Decided(decision, context)
        return decided

    def get(self) -> Decided | None:
        """The decision and its context; None before the first."""
        own: Decided | None = getattr(self._own, "decided", None)
        return self._anybodys if own is None else own
