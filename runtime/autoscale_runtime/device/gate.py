"""Which routes a query may take just now: what its goal, rules, links, verification and stream leave of them."""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

import numpy as np

from autoscale.arrays import Indices
from autoscale.query.goal import Goal
from autoscale_runtime.device.admission import Admission
from autoscale_runtime.device.device_context import NOTHING_BARRED
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.base import Route
from autoscale_runtime.device.rules import Ledger
from autoscale_runtime.device.streams import Streams

MOST_GOALS: Final = 64
"""Of queries that bring their own; what they allow is worked out again beyond that."""


class Gate:
    """Lets queries pass. Thread-safe.

    Args:
        routes: every way to an answer.
        goal: of queries that bring none.
        streams: which queries carry a state on.
        ledger: what must hold whatever is chosen.
        prefer: the kind of this device's processors to choose from, where it is here; None for any.

    Raises:
        InvalidGoal: no route meets the goal's mode and accuracy floor.
    """

    def __init__(
        self, routes: Sequence[Route], goal: Goal, streams: Streams, ledger: Ledger, prefer: str | None
    ) -> None:
        self._routes, self._goal, self._prefer = routes, goal, prefer
        self._streams, self._ledger = streams, ledger
        self._links = [route.target.link for route in routes if route.target.is_remote]
        self._admissions: dict[tuple[Goal, tuple[str, ...]], Admission] = {}
        self._usual: Admission | None = None
        self._distrusted: frozenset[int] = frozenset()
        self._unknown: frozenset[int] = frozenset()
        self._admitting = Lock()
        self.restrict(set())

    def restrict(self, distrusted: set[int]) -> None:
        """Leave out routes whose answers fail verification.

        Raises:
            InvalidGoal: none is left.
        """
        self._distrusted = frozenset(distrusted)
        self._admissions, self._usual = {}, None
        self._usual = self._admission(self._goal)

    def can_do_without(self, routes: Sequence[int]) -> bool:
        """Whether the mode and the accuracy floor leave a route besides these."""
        return bool(set(self._admission(self._goal).candidates) - set(routes))

    def wait_for(self, routes: Sequence[int]) -> None:
        """Send no query to these before they are admitted."""
        self._unknown = frozenset(routes)

    def admit(self, index: int) -> None:
        """Be told that one of them is known by now."""
        with self._admitting:
            self._unknown -= {index}

    def barred(self, query: Query) -> Mapping[str, str]:
        """Links over which a query must not leave, each with the reason."""
        return self._ledger.barred(self._links, query.may_leave) if self._links else {}

    def admitted(self, query: Query, goal: Goal, barred: Mapping[str, str]) -> Indices:
        """The routes to choose from; of a query that carries a stream's state on, the one that gave the state.

        Raises:
            InvalidGoal: none may answer it.
        """
        admission, unknown = self._admission(goal, barred), self._unknown
        is_open = [i not in unknown and route.is_open for i, route in enumerate(self._routes)]
        bound = self._streams.target_of(query)
        if bound is None or bound not in admission.usable or not is_open[bound]:
            return admission.admitted(is_open)
        return np.array([bound], dtype=np.intp)

    def usable(self, goal: Goal, barred: Mapping[str, str]) -> list[int]:
        """The routes that may answer at all, by falling back too, whether they are open or not."""
        return self._admission(goal, barred).usable

    def may_try(self, index: int) -> bool:
        """Whether a route leads anywhere just now, and is known."""
        return index not in self._unknown and self._routes[index].is_open

    def _admission(self, goal: Goal, barred: Mapping[str, str] = NOTHING_BARRED) -> Admission:
        """Which routes may answer a query of that goal.

        Raises:
            InvalidGoal: none may.
        """
        if goal is self._goal and not barred and (usual := self._usual) is not None:
            return usual
        key = goal, tuple(barred)
        if key not in self._admissions:
            if len(self._admissions) >= MOST_GOALS:
                self._admissions = {}
            self._admissions[key] = Admission(self._routes, goal, barred, self._distrusted, self._prefer)
        return self._admissions[key]
