"""What targets answer a session's first query, and which of them is the reference."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from autoscale.errors import FeedError
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array, check_feeds
from autoscale_runtime.device.kept_calibration import KeptCalibration
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.base import Failed, Moment, Route
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.device.sized_mean import Size
from autoscale_runtime.device.verification import Reference, disagreement
from autoscale_runtime.device.world import DeviceWorld

BUSY: Final = 0.25
"""Share of the processor that others take, from which on what targets take says little of another day."""

_LOG: Final = logging.getLogger("autoscale.session")


class Answered(NamedTuple):
    """A target's second answer, whether the first was the same, and what the second cost."""

    outputs: list[Array]
    repeats: bool
    outcome: Outcome


Answers = Mapping[int, Answered | Failed]
"""Index of a target to its answer."""


def of_all(world: DeviceWorld, query: Query) -> Query:
    """The query for all outputs; as it is where its feeds are not for all, as those of one of several signatures."""
    taken = {each.name for route in world.routes if isinstance(route, LocalRoute) for each in route.runner.inputs}
    return replace(query, output_names=None) if taken <= query.feeds.keys() else query


def fits(route: Route, query: Query) -> bool:
    """Whether a query's feeds are all that a model of this device takes, and as it takes them."""
    try:
        check_feeds(route.runner.inputs if isinstance(route, LocalRoute) else (), query.feeds)
    except FeedError:
        return False
    return True


def rank(world: DeviceWorld, index: int) -> tuple[bool, bool, bool, bool, bool, int]:
    """The reference is what ships on the device's ``cpu/fp32`` at its highest setting; else the nearest to that."""
    target = world.targets[index]
    is_shipped = world.routes[index].is_shipped
    at = target.processor == "cpu", not target.engine, target.threads or 0
    return not target.is_remote, is_shipped, target.precision == "fp32", *at


def reference_among(world: DeviceWorld, answers: Answers) -> tuple[int, Answered]:
    """The first target by rank that answers, and its answer.

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


def right_of(
    world: DeviceWorld, first: int, outputs: Sequence[Array] | Callable[[], Sequence[Array]], repeats: bool
) -> Reference:
    """The reference's answer; where that is a target of this device, it can be asked for others."""

    def ask(query: Query) -> list[Array]:
        try:
            moment = Moment(Observation(), world.look().grids)
            return world.referee.route.run(query, moment, math.inf)[0]
        except Failed as failure:
            raise failure.error from failure

    is_random = lambda: not repeats or world.routes[first].is_random()  # noqa: E731  asked once, if ever
    return Reference(outputs, is_random, None if world.targets[first].is_remote else ask)


def noted(
    world: DeviceWorld, first: int, answers: Answers, size: Size, distrusted: Mapping[Target, str], is_random: bool
) -> KeptCalibration | None:
    """What the next session may recall; None where a target failed, or was slowed, which may be another matter then."""
    routes = {i: route for i in answers if isinstance(route := world.routes[i], LocalRoute)}
    own = {i: answered for i, answered in answers.items() if i in routes and isinstance(answered, Answered)}
    load = world.look().observation.cpu_load
    if first not in own or len(own) < len(answers):
        return None
    if load is not None and load >= BUSY:
        _LOG.info("the calibration is not kept: others took %.0f %% of the processor meanwhile", 100.0 * load)
        return None
    targets = {
        routes[i].target: routes[i].noted(answered.outcome, size, distrusted.get(routes[i].target, ""))
        for i, answered in own.items()
    }
    return KeptCalibration(routes[first].target, is_random, targets)


def tell_left_out(distrusted: Mapping[Target, str]) -> None:
    """Once an engine or machine, whichever of its targets it answers wrongly on."""
    by_source: dict[tuple[str, str], list[Target]] = {}
    for target in distrusted:
        by_source.setdefault((target.link, target.engine), []).append(target)
    for targets in by_source.values():
        noun = "target" if len(targets) == 1 else "targets"
        _LOG.warning("%s %s left out: %s", noun, _are(targets), distrusted[targets[0]])


def _are(targets: list[Target]) -> str:
    return f"{', '.join(map(str, targets))} {'is' if len(targets) == 1 else 'are'}"
