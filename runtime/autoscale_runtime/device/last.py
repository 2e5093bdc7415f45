"""The last decision, as each thread sees it: callers in many threads do not see each other's."""

import threading

from autoscale.query.record import Decision


class Last:
    """What was decided last: for a thread by its own query, for one that asked nothing by anybody's."""

    def __init__(self) -> None:
        self._anybodys: Decision | None = None
        self._own = threading.local()

    def set(self, decision: Decision) -> None:
        """Keep it."""
        self._anybodys = self._own.decision = decision

    def get(self) -> Decision | None:
        """The decision; None before the first."""
        own: Decision | None = getattr(self._own, "decision", None)
        return self._anybodys if own is None else own
