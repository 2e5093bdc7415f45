"""Getting to know the targets on a real query: how fast they are, and whether their answers can be trusted."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from autoscale.errors import WrongAnswer
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.comparison import repeats
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.routes.base import Failed, Moment, Query
from autoscale_runtime.device.verification import Reference, disagreement
from autoscale_runtime.device.world import DeviceWorld

RUNS: Final = 2
"""The first connects and allocates, the second tells the speed."""

_LOG: Final = logging.getLogger("autoscale.session")


class Answered(NamedTuple):
    """A target's answer, and whether its two runs gave the same."""

    outputs: list[Array]
    repeats: bool


Answers = Mapping[int, Answered | Failed]
"""Index of a target to its answer."""


@dataclass(slots=True)
class Calibration:
    """What calibrating told.

    Attributes:
        lessons: index of a target and what the second run on it cost, for the agent to learn from.
        energy_j: what all of it cost the device.
        reference: the target to whose answers all others are held; None before the first query.
        distrusted: targets left out, each with the reason.
        is_random: whether the network was found to draw at random, so that no answer is compared by value. Only looked
            into once answers differ.
    """

    lessons: list[tuple[int, Outcome]] = field(default_factory=list)
    energy_j: float = 0.0
    reference: Target | None = None
    distrusted: dict[Target, str] = field(default_factory=dict)
    is_random: bool = False


def calibrate(world: DeviceWorld, query: Query, timeout_s: float) -> Calibration:
    """Run every route on ``query``, set the world's reference, and leave out what cannot be trusted.

    A remote route is not left out for good, whatever it answers, since links and servers come back; it is believed once
    it has answered as it should.

    Raises:
        FeedError: the feeds are not the model's.
        TargetError: nothing that could be the reference answers.
        InvalidGoal: no trusted target is left that meets the goal.
    """
    told = Calibration()
    everything = replace(query, output_names=None)
    moment = Moment(Observation(), world.look().grids)
    here, away = _wanted(world)
    answers = {index: _ask(world, query, moment, timeout_s, told, index) for index in here}
    if all(isinstance(each, Failed) for each in answers.values()):
        answers |= {index: _ask(world, query, moment, timeout_s, told, index) for index in away}
    first, answer = _reference(world, answers)
    told.reference = world.targets[first]
    right = _right(world, first, answer)
    for index in away:
        world.routes[index].hold_to(everything, right)
        if index not in answers:
            answers[index] = _ask(world, query, moment, timeout_s, told, index)
    wrong: set[int] = set()
    for index, said in answers.items():
        route = world.routes[index]
        is_same = route.target.precision == told.reference.precision
        reason = str(said) if isinstance(said, Failed) else right.disagreement(said.outputs, is_same)
        if not route.target.is_remote:
            if reason is not None:
                told.distrusted[route.target] = reason
                wrong.add(index)
        elif isinstance(said, Failed):
            if isinstance(said.error, WrongAnswer):
                told.distrusted[route.target] = str(said)
            else:
                route.doubt(everything, right)
    _tell(told.distrusted)
    told.lessons = [each for each in told.lessons if world.targets[each[0]] not in told.distrusted]
    told.is_random = right.found_random or not answer.repeats
    world.restrict(wrong)
    world.hold_to(first, right)
    world.measure(first, query, moment)
    return told


def _right(world: DeviceWorld, first: int, answer: Answered) -> Reference:
    """The reference's answer; where that is a target of this device, it can be asked for others."""
    route = world.routes[first]

    def ask(query: Query) -> list[Array]:
        try:
            moment = Moment(Observation(), world.look().grids)
            return route.run(query, moment, math.inf)[0]
        except Failed as failure:
            raise failure.error from failure

    is_random = lambda: not answer.repeats or route.is_random()  # noqa: E731  asked once, if ever
    return Reference(answer.outputs, is_random, None if route.target.is_remote else ask)


def _wanted(world: DeviceWorld) -> tuple[list[int], list[int]]:
    """Indices of the targets to ask, on this device and elsewhere, the most trusted first."""
    ranked = sorted(range(len(world.targets)), key=lambda index: _rank(world, index), reverse=True)
    # What the mode would rather keep on this device is not sent away just to know how long that takes.
    prefers = world.goal.mode.prefers
    wanted = [i for i in ranked if not world.targets[i].is_remote or prefers(world.targets[i])] or ranked[:1]
    return [i for i in wanted if not world.targets[i].is_remote], [i for i in wanted if world.targets[i].is_remote]


def _ask(
    world: DeviceWorld, query: Query, moment: Moment, timeout_s: float, told: Calibration, index: int
) -> Answered | Failed:
    everything = replace(query, output_names=None)
    answers: list[list[Array]] = []
    try:
        for _ in range(RUNS):
            outputs, outcome = world.routes[index].run(everything, moment, timeout_s)
            answers.append(outputs)
            told.energy_j += outcome.energy_j.device
    except Failed as failure:
        told.energy_j += failure.outcome.energy_j.device
        return failure
    told.lessons.append((index, outcome))
    return Answered(outputs, repeats(*answers))


def _rank(world: DeviceWorld, index: int) -> tuple[bool, bool, bool, bool, bool, int]:
    """The reference is what ships on the device's ``cpu/fp32`` at its highest setting; else the nearest to that."""
    target = world.targets[index]
    is_shipped = world.routes[index].is_shipped
    at = target.processor == "cpu", not target.engine, target.threads or 0
    return not target.is_remote, is_shipped, target.precision == "fp32", *at


def _reference(world: DeviceWorld, answers: Answers) -> tuple[int, Answered]:
    """The most trusted target that answers, and its answer.

    Where nothing that ships answers on this device, no name and no order says who is right: the answer with which the
    most engines and machines agree is taken.
    """
    answered = {index: answer for index, answer in answers.items() if not isinstance(answer, Failed)}
    if not answered:
        raise next(answer.error for answer in answers.values() if isinstance(answer, Failed))
    first = next(iter(answered))
    if world.routes[first].is_shipped or world.targets[first].is_remote:
        return first, answered[first]

    def backing(index: int) -> int:
        own = answered[index].outputs
        agreeing = [world.targets[i] for i, other in answered.items() if disagreement(own, other.outputs) is None]
        return len({target.link or target.engine for target in agreeing})

    backed = {index: backing(index) for index in answered if not world.targets[index].is_remote}
    first = max(backed, key=backed.__getitem__)
    engines = {target.link or target.engine for target in map(world.targets.__getitem__, answered)}
    _LOG.log(
        logging.WARNING if len(engines) > 1 else logging.INFO,
        "nothing that ships for this format answers: the reference is %s, with which %d of %d agree",
        world.targets[first],
        backed[first],
        len(engines),
    )
    return first, answered[first]


def _tell(distrusted: Mapping[Target, str]) -> None:
    """Once an engine or machine, whichever of its targets it answers wrongly on."""
    by_source: dict[tuple[str, str], list[Target]] = {}
    for target in distrusted:
        by_source.setdefault((target.link, target.engine), []).append(target)
    for targets in by_source.values():
        noun = "target" if len(targets) == 1 else "targets"
        _LOG.warning("%s %s left out: %s", noun, _are(targets), distrusted[targets[0]])


def _are(targets: list[Target]) -> str:
    return f"{', '.join(map(str, targets))} {'is' if len(targets) == 1 else 'are'}"
