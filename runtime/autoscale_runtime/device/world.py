"""The device as the agent's world: what is seen, which routes are open, and how a query gets its answer."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from autoscale.agents.base import Choice
from autoscale.agents.reward import MISS_PENALTY
from autoscale.errors import TargetError
from autoscale.loop import Performance
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt
from autoscale.query.target import Target
from autoscale_runtime.device.ahead import Ahead, Basis
from autoscale_runtime.device.copies import Copies, LazyRunner
from autoscale_runtime.device.device_context import DeviceContext, barred_in
from autoscale_runtime.device.fast_path import FastPath
from autoscale_runtime.device.gate import Gate
from autoscale_runtime.device.opened import opened
from autoscale_runtime.device.outlook import Outlook
from autoscale_runtime.device.pauses import Pauses
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.referee import Referee
from autoscale_runtime.device.rescue import patience_s, rescuer, spare_s
from autoscale_runtime.device.resident import Resident
from autoscale_runtime.device.routes.base import Failed, Moment, Route
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.device.rules import Ledger, Rules
from autoscale_runtime.device.sized_mean import FIXED
from autoscale_runtime.device.streams import Streams
from autoscale_runtime.device.verification import Reference
from autoscale_runtime.models.bundle import Bundle

_LOG: Final = logging.getLogger("autoscale.session")


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
        ahead: keeps what is worked out ahead; None for one to which the next query's moment is that of now.
        pauses: how long the radio rests between queries, for agents that look ahead; None tells them nothing.

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
        ahead: Ahead | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self._streams = Streams({}, ()) if streams is None else streams
        self.targets = tuple(route.target for route in routes)
        self.routes = tuple(routes)
        self.goal = goal
        self.reference = 1.0
        self.look = look
        self.ahead = Ahead(lambda after_s: look()) if ahead is None else ahead
        self._ledger = Ledger(Rules() if rules is None else rules)
        self.gate = Gate(self.routes, goal, self._streams, self._ledger, prefer)
        self.referee, self._outlook = Referee(self.routes), Outlook(self.routes)
        for route in routes:
            route.tell_moved(self._ledger.moved)
        self._away = [route for route in routes if route.target.is_remote]
        self._ledger.tell_unknown(list(dict.fromkeys(route.target.link for route in self._away)))
        self._cut = {index for index, target in enumerate(self.targets) if target.cut is not None}
        self.is_local = not self._away
        self._pauses = None if self.is_local else pauses
        self.model = model
        self._timeout_s = timeout_s
        self._hedge = hedge
        self._residents = self._large_models()

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
        basis = self._basis(query, self.ahead.look())
        context = self._context(query, basis)
        if context.forecast is not None:
            self.ahead.put(basis, context)
        return context

    def _basis(self, query: Query, moment: Moment) -> Basis:
        goal, barred = query.goal or self.goal, self.gate.barred(query)
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
            self.gate.admitted(query, goal, barred),
        )

    def _context(self, query: Query, basis: Basis) -> DeviceContext:
        goal, moment = basis.goal, basis.moment
        is_usual = query.size == FIXED and goal.objective == self.goal.objective
        unit = self.reference if is_usual else self._outlook.objective(self.referee.reference, query, moment, goal)
        forecast = partial(self._outlook.forecast, query, moment)
        context = DeviceContext(basis.model, moment.observation, goal, basis.admitted, forecast, unit)
        if self._cut and context.forecast is not None:
            context.admitted = self._outlook.without_vain_cuts(context.forecast, goal, basis.admitted)
        context._first = None
        context.unlearned = partial(self._outlook.unlearned, query.size, moment)
        pauses = self._pauses
        context.rested = None if pauses is None else partial(self._outlook.rested, moment, pauses.mean_s)
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
        if self._pauses is not None:
            self._pauses.began()
        try:
            return self._perform(query, context, choice)
        finally:
            if self._pauses is not None:
                self._pauses.ended()

    def _perform(self, query: Query, context: Context, choice: Choice) -> Performance:
        moment = self.moment_of(context)
        left_out = self._left_out(query, context)
        wasted: Outcome | None = None
        index, attempts = opened(choice, context, self.targets)
        while True:
            route = self.routes[index]
            timeout_s = self._deadline_s(query, context, index) if route.target.is_remote else math.inf
            if self._streams.keeps_state and self._streams.target_of(query) is None:
                route.reset()
            try:
                answer, outcome = self.referee.answer(index, query, moment, timeout_s)
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

    def know(self, bundle: Bundle) -> None:
        """Learn more of the network."""
        self.model = bundle.profile

    def hold_to(self, index: int, query: Query, reference: Reference) -> None:
        """Be told the reference's answer to a query (``Referee.hold_to``). What the query is expected to cost there is
        the unit of the reward, where all are of one size.
        """
        self.referee.hold_to(index, query, reference)
        quiet = self.look()._replace(observation=Observation())
        self.reference = self._outlook.objective(index, query, quiet, self.goal)

    def moment_of(self, context: Context) -> Moment:
        """In which the context was observed; now, for one of another world."""
        return context.moment if isinstance(context, DeviceContext) else self.look()

    def calibrated(self) -> None:
        """Keep what this device's targets are expected to cost as it is now, for agents that correct it."""
        self._outlook.calibrated()
        self.ahead.clear()

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

    def _left_out(self, query: Query, context: Context) -> Mapping[Target, str]:
        """Targets that get no queries just now, each with the reason; what a remote one of them may learn, it sees."""
        saving = context.saving if isinstance(context, DeviceContext) else None
        left_out: dict[Target, str] = {}
        if saving is not None:
            chosen = {self.targets[i] for i in context.admitted}
            left_out = {target: saving.reason for target in self.targets if target not in chosen}
        if not self._away and not self._cut:
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
        return self.referee.is_right(index, self.look())

    def _deadline_s(self, query: Query, context: Context, index: int) -> float:
        """How long a remote route may take: until the device could just rescue the query in time."""
        if not self._hedge:
            return min(self._timeout_s, query.left_s)
        usable = self.gate.usable(context.goal, barred_in(context))
        return min(patience_s(context, self.targets, usable, index, self._timeout_s), query.left_s)

    def _next(
        self, query: Query, context: Context, attempts: Sequence[Attempt], elapsed_s: float, error: TargetError
    ) -> int:
        """The route that tries after a failure: the device's best first, then other machines.

        Raises:
            TargetError: the error itself, where no other route may try.
        """
        tried, goal = {attempt.target for attempt in attempts}, context.goal
        usable = self.gate.usable(goal, barred_in(context))
        left = [i for i in usable if self.targets[i] not in tried and self.gate.may_try(i)]
        may_move = goal.mode.may_fall_back and not self._streams.is_bound and query.is_awaited
        if not left or not may_move or context.forecast is None:
            raise error
        return rescuer(context.forecast, goal, self.targets, left, elapsed_s)


def _failed_attempt(target: Target, failure: Failed) -> Attempt:
    return Attempt(target, failure.outcome.latency_s, str(failure.error), type(failure.error).__name__)
