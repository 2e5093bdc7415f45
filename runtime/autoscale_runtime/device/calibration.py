"""Getting to know the targets on a real query: how fast they are, and whether their answers pass verification."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from autoscale.errors import TargetError, WrongAnswer
from autoscale.query.goal import InferenceMode
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.comparison import repeats
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.answered import (
    Answered,
    fits,
    noted,
    of_all,
    rank,
    reference_among,
    right_of,
    tell_left_out,
)
from autoscale_runtime.device.kept_calibration import CalibrationFile
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.base import Failed, Moment
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.device.world import DeviceWorld

RUNS: Final = 2
"""On this device: the first allocates, the second tells the speed."""

RUNS_AWAY: Final = 1
"""Elsewhere, once there is a connection: what a query sends is dear, and those to come tell more."""

RUNS_BEHIND: Final = 3
"""Likewise where nobody waits for them, and queries of this device take the processor meanwhile."""

RECALLED: Final = 2
"""As so many figures counts what a session before found of a target, by several runs on a quiet machine: of one alone
nobody knows whether it was so at that moment only, which is worth a look."""

DEAR: Final = 4.0
CHEAP_J: Final = 0.5
"""Where waking the radio costs so many answers of this device, and so many joules (a cellular one does: its tail is of
seconds), a remote is not asked only to get to know it."""

_LOG: Final = logging.getLogger("autoscale.session")


@dataclass(slots=True)
class Calibration:
    """What calibration found.

    Attributes:
        lessons: index of a target and what the second run on it cost, for the agent to learn from.
        energy_j: what all of it cost the device.
        reference: the target to whose answers all others are held; None before the first query.
        distrusted: targets left out, each with the reason.
        is_random: whether the network was found to draw at random, so that no answer is compared by value. Only looked
            into once answers differ.
        under_way: threads that still ask remote targets.
    """

    lessons: list[tuple[int, Outcome]] = field(default_factory=list)
    energy_j: float = 0.0
    reference: Target | None = None
    distrusted: dict[Target, str] = field(default_factory=dict)
    is_random: bool = False
    under_way: list[threading.Thread] = field(default_factory=list, repr=False)

    def wait(self, longest_s: float = math.inf) -> None:
        """Wait for the remote targets that are still being asked, but no longer than so many seconds."""
        until_s = time.monotonic() + longest_s
        for thread in self.under_way:
            left_s = until_s - time.monotonic()
            thread.join(max(left_s, 0.0) if math.isfinite(left_s) else None)


def calibrate(
    world: DeviceWorld,
    query: Query,
    timeout_s: float,
    learn: Callable[[int, Outcome], None] = lambda index, outcome: None,
    patience_s: Callable[[], float] | None = None,
    kept: CalibrationFile | None = None,
) -> Calibration:
    """Run every route on ``query``, set the world's reference, and leave out what fails verification.

    Remote routes are asked behind the query, all at once, and used once they have answered. Where the device cannot
    answer without them they are waited for. None is left out for good, whatever it answers, since links and servers
    come back; it is believed once it has answered as it should.

    Args:
        world: whose routes are asked.
        query: what they are asked; all its outputs, where its feeds are for all.
        timeout_s: how long a remote route may take for an answer.
        learn: called with index and cost of each second run that passes verification, from whichever thread asked.
        patience_s: asked once the device's own targets are known: how long remote ones may be waited for; None for as
            long as it takes.
        kept: where what the device's own targets told is kept: those that stand there are not run; None for nowhere.

    Raises:
        FeedError: the feeds are not the model's.
        TargetError: nothing that could be the reference answers.
        InvalidGoal: no verified target is left that meets the goal.
    """
    return _Acquaintance(world, of_all(world, query), timeout_s, learn, kept).make(patience_s)


class _Acquaintance:
    """One calibration under way."""

    def __init__(
        self,
        world: DeviceWorld,
        query: Query,
        timeout_s: float,
        learn: Callable[[int, Outcome], None],
        kept: CalibrationFile | None,
    ) -> None:
        self._world = world
        self._query = query
        self._timeout_s = timeout_s
        self._learn = learn
        self._kept = kept
        self._moment = Moment(Observation(), world.look().grids)
        self._guard = threading.RLock()  # who is verified under it may have to be held to the reference's answer
        self._found = Calibration()

    def make(self, patience_s: Callable[[], float] | None) -> Calibration:
        world, found = self._world, self._found
        here, away = self._wanted()
        recalled = self._recalled(here, away)
        first, is_random, asked = recalled or self._met(here, away)
        unknown = [index for index in away if index not in asked]
        may_wait = world.gate.can_do_without(unknown)
        if may_wait:
            unknown = [index for index in unknown if self._may_pay(index)]
        for index, answered in ({} if may_wait else self._ask_all(unknown)).items():
            self._validate(index, answered)
        tell_left_out(found.distrusted)
        found.is_random = self._right.found_random or is_random
        world.hold_to(first, self._query, self._right)
        for index, outcome in found.lessons:
            for _ in range(RECALLED if recalled and index in asked else 1):
                self._learn(index, outcome)
        if recalled and patience_s is None:
            self._wake(here)
        if unknown and may_wait:
            self._ask_behind(unknown, patience_s)
        return found

    def _wake(self, here: list[int]) -> None:
        """Of targets that were not run, since a file tells of them, have each one's first run behind it."""
        for index in here:
            route = self._world.routes[index]
            if isinstance(route, LocalRoute) and route.target not in self._found.distrusted:
                with suppress(TargetError):  # a query that it fails goes elsewhere
                    route.wake(self._query)

    def _met(self, here: list[int], away: list[int]) -> tuple[int, bool, Collection[int]]:
        """Ask this device's own targets; which is the reference, whether it draws at random, and who was asked."""
        world = self._world
        answers: dict[int, Answered | Failed] = {index: self._ask(index) for index in here}
        if not any(world.routes[i].is_shipped and isinstance(answered, Answered) for i, answered in answers.items()):
            answers |= self._ask_all(away)  # who is right is not known without them
        first, answer = reference_among(world, answers)
        self._hold_to(first, answer.outputs, answer.repeats, away)
        world.gate.restrict({index for index, answered in answers.items() if self._validate(index, answered)})
        if self._kept is not None:
            is_random, size = self._right.found_random or not answer.repeats, self._query.size
            known = noted(world, first, answers, size, self._found.distrusted, is_random)
            self._kept.write(known, size.steps)
        return first, not answer.repeats, answers.keys()

    def _recalled(self, here: list[int], away: list[int]) -> tuple[int, bool, Collection[int]] | None:
        """As ``_met``, of what a session before found; the reference answers once somebody has to be held to it."""
        world, found = self._world, self._found
        known = None if self._kept is None else self._kept.read(self._query.size.steps)
        own = {world.targets[index]: index for index in here}
        if known is None or known.reference not in own or not own.keys() <= known.targets.keys():
            return None
        first = own[known.reference]
        if not fits(world.routes[first], self._query):
            return None  # who is asked says what is wrong with it
        self._query = self._query.kept()
        self._hold_to(first, partial(self._answer_of, first), not known.is_random, away)
        for target, index in own.items():
            each, route = known.targets[target], world.routes[index]
            assert isinstance(route, LocalRoute)
            is_told = target.processor == "cpu" or index == first  # another driver may answer otherwise than the last
            reason = each.distrusted if is_told else self._reason(index, self._ask(index, runs=1))
            outcome = route.recall(each, self._query.size, self._moment.grids)
            if reason:
                found.distrusted[target] = reason
            else:
                found.lessons.append((index, outcome))
        world.gate.restrict({own[target] for target in found.distrusted})
        return first, known.is_random, own.values()

    def _hold_to(
        self, first: int, outputs: Sequence[Array] | Callable[[], Sequence[Array]], repeats: bool, away: list[int]
    ) -> None:
        self._found.reference = self._world.targets[first]
        self._right = right_of(self._world, first, outputs, repeats)
        for index in away:
            self._world.routes[index].hold_to(self._query, self._right)

    def _answer_of(self, index: int) -> Sequence[Array]:
        answered = self._ask(index, runs=1)
        if isinstance(answered, Failed):
            raise answered.error from answered
        return answered.outputs

    def _wanted(self) -> tuple[list[int], list[int]]:
        """Indices of the targets to ask, on this device and elsewhere, by rank."""
        world = self._world
        ranked = sorted(range(len(world.targets)), key=lambda index: rank(world, index), reverse=True)
        here = [i for i in ranked if not world.targets[i].is_remote and world.routes[i].is_open]
        # What the mode would rather keep on this device is not sent away just to know how long that takes.
        barred, prefers = world.gate.barred(self._query), world.goal.mode.prefers
        may = [i for i in ranked if world.targets[i].is_remote and world.targets[i].link not in barred]
        away = [i for i in may if prefers(world.targets[i])]
        return here, away if here or away else ranked[:1]

    def _may_pay(self, index: int) -> bool:
        """Whether a remote is worth asking to get to know it: not over a radio that much too much would be spent on.

        A query still goes there once that is expected to pay, and its answer is verified then.
        """
        goal = self._query.goal or self._world.goal
        own = [outcome for i, outcome in self._found.lessons if not self._world.targets[i].is_remote]
        in_time_j = [outcome.energy_j.device for outcome in own if not outcome.is_late(goal)]
        if goal.objective != "energy" or goal.mode is not InferenceMode.AUTO or not in_time_j:
            return True
        return self._world.routes[index].least_j(self._query, self._moment) <= max(CHEAP_J, DEAR * min(in_time_j))

    def _ask_all(self, indices: list[int]) -> dict[int, Answered | Failed]:
        """All at once."""
        if not indices:
            return {}
        from concurrent.futures import ThreadPoolExecutor  # here: few sessions want it, and it takes long to import

        with ThreadPoolExecutor(len(indices)) as pool:
            return dict(zip(indices, pool.map(self._ask, indices), strict=True))

    def _ask_behind(self, there: list[int], patience_s: Callable[[], float] | None) -> None:
        self._world.gate.wait_for(there)
        runs = RUNS_AWAY if patience_s is None else RUNS_BEHIND
        threads = [
            threading.Thread(target=self._meet, args=(index, runs), name="autoscale-calibration", daemon=True)
            for index in there
        ]
        self._found.under_way = threads
        for thread in threads:
            thread.start()
        self._found.wait(math.inf if patience_s is None else patience_s())

    def _meet(self, index: int, runs: int) -> None:
        try:
            answered = self._ask_away(index, runs)
            with self._guard:
                self._validate(index, answered)
                target = self._world.targets[index]
                tell_left_out({each: why for each, why in self._found.distrusted.items() if each == target})
                self._found.is_random = self._found.is_random or self._right.found_random
                lessons = [outcome for known, outcome in self._found.lessons if known == index]
            for outcome in lessons:
                self._learn(index, outcome)
        except Exception:  # an agent may be anybody's, and this thread has no caller
            _LOG.warning("what %s did at first is not known", self._world.targets[index], exc_info=True)
        finally:
            self._world.gate.admit(index)  # a route that must win its trust goes on by itself

    def _validate(self, index: int, answered: Answered | Failed) -> bool:
        """Whether a target is to be left out; a remote one never is for good. What can be trusted teaches."""
        found, route = self._found, self._world.routes[index]
        if route.target.is_remote and isinstance(answered, Failed):
            if isinstance(answered.error, WrongAnswer):
                found.distrusted[route.target] = str(answered)
            else:
                route.reverify(self._query, self._right)
            return False
        reason = None if route.target.is_remote else self._reason(index, answered)  # what is remote verifies itself
        if reason is not None:
            found.distrusted[route.target] = reason
        elif isinstance(answered, Answered):
            found.lessons.append((index, answered.outcome))
        return reason is not None

    def _reason(self, index: int, answered: Answered | Failed) -> str | None:
        """Why an answer fails verification; None where it does not."""
        if isinstance(answered, Failed):
            return str(answered)
        assert self._found.reference is not None
        is_same = self._world.targets[index].precision == self._found.reference.precision
        return self._right.disagreement(answered.outputs, is_same)

    def _ask_away(self, index: int, runs: int) -> Answered | Failed:
        """Of one that is remote, once a few bytes have made the connection: what the query takes is its own then.

        Asked again where it is late: that may have been the server's own first run, and would rule it out.
        """
        with suppress(TargetError):  # which the query is told, too
            spent_j = self._world.routes[index].connect(self._moment)
            with self._guard:
                self._found.energy_j += spent_j
        answered = self._ask(index, runs)
        is_late = isinstance(answered, Answered) and answered.outcome.is_late(self._world.goal)
        return self._ask(index, runs) if is_late else answered

    def _ask(self, index: int, runs: int = RUNS) -> Answered | Failed:
        answers: list[list[Array]] = []
        spent_j = 0.0
        try:
            for _ in range(runs):
                self._world.routes[index].reset()
                outputs, outcome = self._world.routes[index].run(self._query, self._moment, self._timeout_s)
                answers.append(outputs)
                spent_j += outcome.energy_j.device
            return Answered(outputs, repeats(answers[-min(runs, RUNS)], outputs), outcome)
        except Failed as failure:
            spent_j += failure.outcome.energy_j.device
            return failure
        finally:
            with self._guard:
                self._found.energy_j += spent_j
