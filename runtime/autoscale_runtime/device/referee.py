"""Whom to ask for the right answer, and what an answer must have in common with it to be taken."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from autoscale.errors import TargetError, WrongAnswer
from autoscale.query.outcome import Outcome
from autoscale_runtime.backends.comparison import is_finite, other_finiteness
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.base import Failed, Moment, Route
from autoscale_runtime.device.verification import Reference

_LOG: Final = logging.getLogger("autoscale.session")


class Referee:
    """Holds the answers of a session's routes to the reference's.

    Args:
        routes: every way to an answer.

    Attributes:
        reference: index of the route to whose answers the others are held.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self.reference = 0
        self._held: frozenset[int] = frozenset()
        self._known: tuple[Query, Reference] | None = None

    @property
    def route(self) -> Route:
        """Whom to ask: the reference, or where another setting of it is loaded, that one."""
        own = self._routes[self.reference]
        alike = [r for r in self._routes if not r.target.is_remote and r.is_shipped and r.is_open]
        same = [r for r in alike if replace(r.target, threads=None) == replace(own.target, threads=None)]
        return own if own.is_open or not same else same[0]

    def hold_to(self, index: int, query: Query, reference: Reference) -> None:
        """Be told the reference's answer to a query: where another machine, engine, processor or precision is infinite,
        it must be so too.
        """
        self.reference, self._known = index, (query, reference)
        own = self._routes[index]
        self._held = frozenset(
            i
            for i, route in enumerate(self._routes)
            if i != index
            and not own.target.is_remote
            and (
                route.target.is_remote
                or not route.is_shipped
                or (route.target.precision, route.target.processor) != (own.target.precision, own.target.processor)
            )
        )

    def answer(self, index: int, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        """A route's answer; one with infinity or NaN is taken where the reference gives them too.

        Raises:
            FeedError: the feeds are not the model's.
            Failed: no answer, or one that the reference belies.
        """
        route = self._routes[index]
        answer, outcome = route.run(query, moment, timeout_s)
        if index not in self._held or is_finite(answer):
            return answer, outcome
        try:
            right, checking = self.route.run(query, moment, math.inf)
        except Failed:
            return answer, outcome
        reason = other_finiteness(right, answer)
        outcome = outcome.after(checking)
        if reason is None or (self._known is not None and self._known[1].is_random):
            return answer, outcome
        route.reverify(query, Reference(right))
        raise Failed(outcome, WrongAnswer(reason))

    def is_right(self, index: int, moment: Moment) -> bool:
        """Whether a setting that was just loaded answers as the reference did; also tells its speed."""
        if self._known is None:
            return True
        query, right = self._known
        try:
            answers = [self._routes[index].run(query, moment, math.inf)[0] for _ in range(2)]
            reason = right.disagreement(answers[-1])
        except (Failed, TargetError) as failure:
            reason = str(failure)
        if reason is not None:
            _LOG.warning("target %s is left out: %s", self._routes[index].target, reason)
        return reason is None
