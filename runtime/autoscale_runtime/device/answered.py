"""What targets answer a session's first query, and which of them is the reference."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.routes.base import Failed, Moment, Query
from autoscale_runtime.device.verification import Reference, disagreement
from autoscale_runtime.device.world import DeviceWorld

_LOG: Final = logging.getLogger("autoscale.session")


class Answered(NamedTuple):
    """A target's second answer, whether the first was the same, and what the second cost."""

    outputs: list[Array]
    repeats: bool
    outcome: Outcome


Answers = Mapping[int, Answered | Failed]
"""Index of a target to its answer."""


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
