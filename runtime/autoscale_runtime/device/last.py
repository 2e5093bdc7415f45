"""The last decision, as each thread sees it: callers in many threads do not see each other's."""

import threading
from typing import NamedTuple

from autoscale.query.context import Context
from autoscale.query.record import Decision


class Decided(NamedTuple):
    """A decision, and the context it was made in."""

    decision: Decision
    context: Context


class Last:
    """What was decided last: for a thread by its own query, for one that asked nothing by anybody's."""

    def __init__(self) -> None:
        self._anybodys: Decided | None = None
        self._own = threading.local()

    def set(self, decision: Decision, context: Context) -> None:
        """Keep it."""
        self._anybodys = self._own.decided = Decided(decision, context)

    def get(self) -> Decided | None:
        """The decision and its context; None before the first."""
        own: Decided | None = getattr(self._own, "decided", None)
        return self._anybodys if own is None else own
