"""What a drop-in says of its last query: the decision, or why there was none."""

import threading
from collections.abc import Callable
from typing import TypeVar

from autoscale.query.record import Decision
from autoscale_runtime.drop_in.handing import Handing
from autoscale_runtime.session import Session

T = TypeVar("T")


class Told:
    """Decided and undecided queries of one model, as each thread sees them.

    Args:
        deciding: the session that decides; None where nothing can be decided.
        undecided: why nothing can be; empty where it can.
        handing: where queries go undecided.
    """

    def __init__(self, deciding: Session | None, undecided: str, handing: Handing) -> None:
        self.deciding = deciding
        self.undecided = undecided
        self._handing = handing
        self._own = threading.local()
        self._last: Decision | None = None

    def decided(self) -> None:
        """Be told that the last query of this thread was."""
        self._own.handed = self._last = None

    def hand(self, reason: str, call: Callable[[], T]) -> T:
        """Run a query undecided; whatever it raises goes to the caller.

        Args:
            reason: why.
            call: the query.
        """
        if self.deciding is not None:
            self.deciding.settle()  # records are told in the order of their queries
        answer, self._last = self._handing.run(reason, call)
        self._own.handed = self._last
        return answer

    @property
    def last(self) -> Decision | None:
        """Of this thread's last query, else of anybody's; None before the first."""
        handed: Decision | None = getattr(self._own, "handed", self._last)
        return handed if handed is not None or self.deciding is None else self.deciding.last

    def close(self) -> None:
        """Let the session that decides go."""
        if self.deciding is not None:
            self.deciding.close()


class Telling:
    """A drop-in's own members beside those of the class whose place it takes."""

    _autoscale: Told

    @property
    def deciding(self) -> Session | None:
        """The session that decides; None where nothing can be decided."""
        return self._autoscale.deciding

    @property
    def undecided(self) -> str:
        """Why nothing can be decided; empty where it can."""
        return self._autoscale.undecided

    @property
    def last(self) -> Decision | None:
        """What was decided for this thread's last query, or why nothing was; None before the first."""
        return self._autoscale.last
