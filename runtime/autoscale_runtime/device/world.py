"""The device as the agent's world: what is seen, which routes are open, and how a query gets its answer."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Final

import numpy as np

from autoscale.agents.base import Choice
from autoscale.agents.reward import MISS_PENALTY
from autoscale.arrays import Indices
from autoscale.errors import TargetError, WrongAnswer
from autoscale.loop import Performance
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt
from autoscale.query.target import Target
from autoscale_runtime.backends.comparison import is_finite, other_finiteness
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.admission import Admission
from autoscale_runtime.device.ahead import Ahead, Basis
from autoscale_runtime.device.copies import Copies, LazyRunner
from autoscale_runtime.device.device_context import NOTHING_BARRED, DeviceContext, barred_in
from autoscale_runtime.device.fast_path import FastPath
from autoscale_runtime.device.rescue import patience_s, rescuer, spare_s
from autoscale_runtime.device.resident import Resident
from autoscale_runtime.device.routes.base import Failed, Moment, Query, Route
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.device.rules import Ledger, Rules
from autoscale_runtime.device.sized_mean import FIXED, Size
from autoscale_runtime.device.streams import Streams
from autoscale_runtime.device.verification import Reference
from autoscale_runtime.models.bundle import Bundle

_LOG: Final = logging.getLogger("autoscale.session")

MOST_GOALS: Final = 64
"""Of queries that bring their own; what they allow is worked out again beyond that."""


class DeviceWorld:
    """The routes of one model under one goal.

    Args:
        model: what is known of the network.
        routes: every way to an answer; their targets are the agent's.
        goal: what counts as a good answer.
        look: what sensors and grids say now.
        timeout_s: how long a remote target may take where no rescue in time is possible.
        hedge: give a remote target up early enough for the device to answer in time.
        streams: which queries carry a state on; None for a network without one.
        rules: what must hold whatever is chosen; None for nothing.
        prefer: the kind of this device's processors to choose from, where it is here; None for any.
        look_ahead: what they say for a query to come, which finds the radio at rest: how much of a tail will have
            passed by then cannot be known. None for what they say now.

    Raises:
        InvalidGoal: no route meets the goal's mode and accuracy floor.
    """

    def __init__(
        self,
        model: ModelProfile,
        routes: Sequence[Route],
        goal: Goal,
        look: Callable[[], Moment],
        timeout_s: float = 2.0,
        hedge: bool = True,
        streams: Streams | None = None,
        rules: Rules | None = None,
        prefer: str | None = None,
        look_ahead: Callable[[], Moment] | None = None,
    ) -> None:
        self._streams = Streams({}, ()) if streams is None else streams
        self.targets = tuple(route.target for route in routes)
        self.routes = tuple(routes)
        self.goal = goal
        self.reference = 1.0
        self.look, self._look_ahead = look, look_ahead or look
        self._ledger = Ledger(Rules() if rules is None else rules)
        self._prefer = prefer
        self._links = [target.link for target in self.targets if target.is_remote]
        for route in routes:
            route.tell_moved(self._ledger.moved)
        self._away = [route for route in routes if route.target.is_remote]
        self._cut = {index for index, target in enumerate(self.targets) if target.cut is not None}
        self.is_local = not any(target.is_remote for target in self.targets)
        self.model = model
        self._timeout_s = timeout_s
        self._hedge = hedge
        self._accuracy = np.array([math.nan if r.accuracy is None else r.accuracy for r in routes])
        self._admissions: dict[tuple[Goal, tuple[str, ...]], Admission] = {}
        self._distrusted: frozenset[int] = frozenset()
        self._held: frozenset[int] = frozenset()
        self._reference = 0
        self._is_calibrated = False
        self._known: tuple[Query, Reference] | None = None
        self._unknown: frozenset[int] = frozenset()
        self._admitting = Lock()
        self.ahead = Ahead()
        self._residents = self._large_models()
        self.restrict(set())

    def restrict(self, distrusted: set[int]) -> None:
        """Leave out routes whose answers fail verification.

        Raises:
            InvalidGoal: none is left.
        """
        self._distrusted = frozenset(distrusted)
        self._admissions = {}
        self._admission(self.goal)

    def observe(self, query: Query) -> DeviceContext:
        """What the agent may know of this query."""
        basis = self._basis(query, self.look())
        return self.ahead.take(basis) or self._context(query, basis)

    def prepare(self, query: Query) -> DeviceContext | None:
        """Work out the context of a query like this one, so that the next one, which may be such a one, has it ready.

        None where a stream decides.
        """
        if query.stream is not None or self._streams.may_carry_on:
            return None
        basis = self._basis(query, self._look_ahead())
        context = self._context(query, basis)
        if context.forecast is not None:
            self.ahead.put(basis, context)
        return context

    def _basis(self, query: Query, moment: Moment) -> Basis:
        goal, barred = query.goal or self.goal, self.barred(query)
        return Basis(
            query.size,
            0 if self.is_local else query.nbytes,
            self.model,
            goal,
            moment,
            barred,
            self._ledger.saving(moment.observation),
            self.reference,
            tuple([route.standing for route in self.routes]),
            self._open_to(query, self._admission(goal, barred)),
        )

    def _context(self, query: Query, basis: Basis) -> DeviceContext:
        goal, moment = basis.goal, basis.moment
        is_usual = query.size == FIXED and goal.objective == self.goal.objective
        unit = self.reference if is_usual else self._objective(self._reference, query, moment, goal)
        forecast = partial(self._forecast, query, moment)
        context = DeviceContext(basis.model, moment.observation, goal, basis.admitted, forecast, unit)
        if self._cut and context.forecast is not None:
            context.admitted = self._without_vain_cuts(context.forecast, goal, basis.admitted)
        context._first = None
        context.unlearned = partial(self._unlearned, query.size, moment)
        context.moment, context.barred, context.saving = moment, basis.barred, basis.saving
        admitted = context.admitted
        if context.saving is not None and context.forecast is not None and len(admitted) > 1:
            thrifty = replace(goal, objective=context.saving.objective)
            context.admitted = np.array([context.forecast.best(thrifty, admitted)], dtype=np.intp)
        return context

    def perform(self, query: Query, context: Context, choice: Choice) -> Performance:
        """Run the query on the chosen route, and where that fails and the mode allows, on the best of the others.

        Raises:
            FeedError: the feeds are not the model's.
            TargetError: the choice failed, and every other allowed route too.
        """
        moment = self.moment_of(context)
        left_out = self._left_out(query, context)
        attempts: list[Attempt] = []
        wasted: Outcome | None = None
        index = choice.index
        while True:
            route = self.routes[index]
            timeout_s = self._deadline_s(query, context, index) if route.target.is_remote else math.inf
            if self._streams.keeps_state and self._streams.target_of(query) is None:
                route.reset()
            try:
                answer, outcome = self._answer(query, moment, index, timeout_s)
            except Failed as failure:
                wasted = failure.outcome if wasted is None else failure.outcome.after(wasted)
                attempts.append(_failed_attempt(route.target, failure))
                index = self._next(query, context, attempts, wasted.latency_s, failure.error)
                continue
            self._streams.answered(query, answer, index)
            attempts.append(Attempt(route.target, outcome.latency_s))
            for resident in self._residents:
                if context.forecast is not None:
                    resident.weigh(context.forecast, context.goal)
            lessons = () if wasted is None else ((index, outcome),)
            outcome = outcome if wasted is None else outcome.after(wasted)
            self._ledger.spend(outcome)
            return Performance(outcome, tuple(attempts), answer, lessons, left_out, route.coverage)

    def can_do_without(self, routes: Sequence[int]) -> bool:
        """Whether the mode and the accuracy floor leave a route besides these."""
        return bool(set(self._admission(self.goal).candidates) - set(routes))

    def wait_for(self, routes: Sequence[int]) -> None:
        """Send no query to these before they are admitted."""
        self._unknown = frozenset(routes)

    def admit(self, index: int) -> None:
        """Be told that one of them is known by now."""
        with self._admitting:
            self._unknown -= {index}

    def spare_s(self, query: Query, began_s: float) -> float:
        """How long a query that began then may still wait for others: half of what its answer here leaves of the limit.

        Args:
            query: the first, with which the device's own targets were met.
            began_s: by ``time.perf_counter``.
        """
        moment = self.look()
        own = [route.expected(query, moment).latency_s for route in self.routes if not route.target.is_remote]
        return spare_s(self.goal.latency_s, time.perf_counter() - began_s, min(own), self._timeout_s)

    @property
    def keeps_state(self) -> bool:
        """Whether the model's file remembers one query in the next."""
        return self._streams.keeps_state

    @property
    def referee(self) -> Route:
        """Whom to ask for the right answer: the reference, or where another setting of it is loaded, that one."""
        own = self.routes[self._reference]
        alike = [r for r in self.routes if not r.target.is_remote and r.is_shipped and r.is_open]
        same = [r for r in alike if replace(r.target, threads=None) == replace(own.target, threads=None)]
        return own if own.is_open or not same else same[0]

    def know(self, bundle: Bundle) -> None:
        """Learn more of the network."""
        self.model = bundle.profile

    def hold_to(self, index: int, query: Query, reference: Reference) -> None:
        """Be told the reference's answer to a query: where another machine, engine or precision is infinite, it must be
        so too. What the query is expected to cost there is the unit of the reward, where all are of one size.
        """
        self._reference, self._known = index, (query, reference)
        quiet = self.look()._replace(observation=Observation())
        self.reference = self._objective(index, query, quiet, self.goal)
        own = self.routes[index]
        self._held = frozenset(
            i
            for i, route in enumerate(self.routes)
            if i != index
            and not own.target.is_remote
            and (route.target.is_remote or not route.is_shipped or route.target.precision != own.target.precision)
        )

    def moment_of(self, context: Context) -> Moment:
        """In which the context was observed; now, for one of another world."""
        return context.moment if isinstance(context, DeviceContext) else self.look()

    def settled(self, target: Target) -> FastPath | None:
        """A way to one target past the loop, for an agent that will never choose another; None where there is none."""
        route = self.routes[self.targets.index(target)]
        return route.settle() if self.is_local and isinstance(route, LocalRoute) else None

    def end_stream(self) -> None:
        """Let the next query begin a stream, where the model's file keeps state."""
        self._streams.end()

    def close(self) -> None:
        """Give the models and connections back."""
        for route in self.routes:
            route.close()

    def barred(self, query: Query) -> Mapping[str, str]:
        """Links over which a query must not leave, each with the reason."""
        return self._ledger.barred(self._links, query.may_leave) if self._links else {}

    def _left_out(self, query: Query, context: Context) -> Mapping[Target, str]:
        """Targets that get no queries just now, each with the reason; what a remote one of them may learn, it sees."""
        saving = context.saving if isinstance(context, DeviceContext) else None
        left_out: dict[Target, str] = {}
        if saving is not None:
            chosen = {self.targets[i] for i in context.admitted}
            left_out = {target: saving.reason for target in self.targets if target not in chosen}
        if not self._away:
            return left_out
        barred = barred_in(context)
        for route in self._away:
            if route.target.link in barred:
                left_out[route.target] = barred[route.target.link]
                continue
            route.meet(query)
            if route.closed_reason:
                left_out[route.target] = route.closed_reason
        for index in self._cut and self._cut - {*context.admitted.tolist()}:
            left_out.setdefault(self.targets[index], "cutting the network is not expected to pay")
        return left_out

    def _answer(self, query: Query, moment: Moment, index: int, timeout_s: float) -> tuple[list[Array], Outcome]:
        """A route's answer; one with infinity or NaN is taken where the reference gives them too.

        Raises:
            Failed: no answer, or one that the reference belies.
        """
        route = self.routes[index]
        answer, outcome = route.run(query, moment, timeout_s)
        if index not in self._held or is_finite(answer):
            return answer, outcome
        try:
            right, checking = self.referee.run(query, moment, math.inf)
        except Failed:
            return answer, outcome
        reason = other_finiteness(right, answer)
        outcome = outcome.after(checking)
        if reason is None or (self._known is not None and self._known[1].is_random):
            return answer, outcome
        route.reverify(query, Reference(right))
        raise Failed(outcome, WrongAnswer(reason))

    def _large_models(self) -> tuple[Resident, ...]:
        """Those that cannot stay loaded at every setting."""
        if self._streams.keeps_state:
            return ()  # the state of a stream goes with the setting that is let go
        by_copies: dict[Copies, dict[int, LazyRunner]] = {}
        for index, route in enumerate(self.routes):
            runner = route.runner if isinstance(route, LocalRoute) else None
            if isinstance(runner, LazyRunner):
                by_copies.setdefault(runner.copies, {})[index] = runner
        large = [runners for copies, runners in by_copies.items() if not copies.may_hold(len(runners))]
        return tuple(Resident(runners, self._loading, self._is_right) for runners in large)

    def _loading(self, index: int, loading_s: float) -> float:
        route = self.routes[index]
        if not isinstance(route, LocalRoute):
            return math.inf
        late = MISS_PENALTY * self.reference if loading_s > self.goal.latency_s else 0.0
        return route.loading(loading_s, self.look()).objective(self.goal) + late

    def _is_right(self, index: int) -> bool:
        """Whether a setting that was just loaded answers as the reference did; also tells its speed."""
        if self._known is None:
            return True
        query, right = self._known
        try:
            answers = [self.routes[index].run(query, self.look(), math.inf)[0] for _ in range(2)]
            reason = right.disagreement(answers[-1])
        except Failed as failure:
            reason = str(failure)
        if reason is not None:
            _LOG.warning("target %s is left out: %s", self.targets[index], reason)
        return reason is None

    def _admission(self, goal: Goal, barred: Mapping[str, str] = NOTHING_BARRED) -> Admission:
        """Which routes may answer a query of that goal.

        Raises:
            InvalidGoal: none may.
        """
        key = goal, tuple(barred)
        if key not in self._admissions:
            if len(self._admissions) >= MOST_GOALS:
                self._admissions = {}
            self._admissions[key] = Admission(self.routes, goal, barred, self._distrusted, self._prefer)
        return self._admissions[key]

    def _open_to(self, query: Query, admission: Admission) -> Indices:
        """The admitted routes; of a query that carries a stream's state on, the one that gave the state."""
        unknown = self._unknown
        is_open = [i not in unknown and route.is_open for i, route in enumerate(self.routes)]
        bound = self._streams.target_of(query)
        if bound is None or bound not in admission.usable or not is_open[bound]:
            return admission.admitted(is_open)
        return np.array([bound], dtype=np.intp)

    def _without_vain_cuts(self, forecast: Forecast, goal: Goal, admitted: Indices) -> Indices:
        """A network is left in one piece unless in two it is expected to be better than on every whole target."""
        whole = [index for index in admitted.tolist() if index not in self._cut]
        if not whole or len(whole) == len(admitted):
            return admitted
        best = forecast.best(goal, whole)
        vain = {index for index in self._cut if forecast.best(goal, [best, index]) == best}
        return np.array([index for index in admitted.tolist() if index not in vain], dtype=np.intp)

    def _objective(self, index: int, query: Query, moment: Moment, goal: Goal) -> float:
        """The goal's objective, as it is expected of a query on a route."""
        return self.routes[index].expected(query, moment).objective(goal)

    def _forecast(self, query: Query, moment: Moment) -> Forecast:
        expected = np.array([route.expected(query, moment) for route in self.routes]).T
        return Forecast(expected[0], expected[1], expected[2], self._accuracy)

    def calibrated(self) -> None:
        """Keep what this device's targets are expected to cost as it is now, for agents that correct it."""
        self._is_calibrated = True
        self.ahead.clear()
        for route in self.routes:
            if isinstance(route, LocalRoute):
                route.calibrated()

    def _unlearned(self, size: Size, moment: Moment, forecast: Forecast) -> Forecast:
        if not self._is_calibrated:
            return forecast
        figures = np.array([forecast.latency_s, forecast.energy_j, forecast.carbon_g])
        for index, route in enumerate(self.routes):
            if isinstance(route, LocalRoute):
                figures[:, index] = route.first_expected(size, moment)
        return replace(forecast, latency_s=figures[0], energy_j=figures[1], carbon_g=figures[2])

    def _deadline_s(self, query: Query, context: Context, index: int) -> float:
        """How long a remote route may take: until the device could just rescue the query in time."""
        if not self._hedge:
            return min(self._timeout_s, query.left_s)
        usable = self._admission(context.goal, barred_in(context)).usable
        return min(patience_s(context, self.targets, usable, index, self._timeout_s), query.left_s)

    def _next(
        self, query: Query, context: Context, attempts: Sequence[Attempt], elapsed_s: float, error: TargetError
    ) -> int:
        """The route that tries after a failure: the device's best first, then other machines.

        Raises:
            TargetError: the error itself, where no other route may try.
        """
        tried, unknown = {attempt.target for attempt in attempts}, {self.targets[i] for i in self._unknown}
        goal, usable = context.goal, self._admission(context.goal, barred_in(context)).usable
        left = [i for i in usable if self.targets[i] not in tried | unknown and self.routes[i].is_open]
        may_move = goal.mode.may_fall_back and not self._streams.is_bound and query.is_awaited
        if not left or not may_move or context.forecast is None:
            raise error
        return rescuer(context.forecast, goal, self.targets, left, elapsed_s)


def _failed_attempt(target: Target, failure: Failed) -> Attempt:
    return Attempt(target, failure.outcome.latency_s, str(failure.error), type(failure.error).__name__)
