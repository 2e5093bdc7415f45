"""Getting to know the targets on a real query: how fast they are, and whether their answers can be trusted."""

import logging
from dataclasses import dataclass, field
from typing import Final

from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.routes.base import Failed, Query, Route
from autoscale_runtime.device.verification import disagreement
from autoscale_runtime.device.world import DeviceWorld

RUNS: Final = 2
"""The first connects and allocates, the second tells the speed."""

_LOG: Final = logging.getLogger("autoscale.session")
_QUIET: Final = Observation()


@dataclass(slots=True)
class Calibration:
    """What calibrating told.

    Attributes:
        lessons: index of a target and what the second run on it cost, for the agent to learn from.
        energy_j: what all of it cost the device.
        distrusted: targets left out, each with the reason.
    """

    lessons: list[tuple[int, Outcome]] = field(default_factory=list)
    energy_j: float = 0.0
    distrusted: dict[Target, str] = field(default_factory=dict)


def calibrate(world: DeviceWorld, query: Query, timeout_s: float) -> Calibration:
    """Run every route on ``query``, set the world's reference, and leave out what cannot be trusted.

    A remote route that does not answer is not left out, since links come back; it is believed once it has answered.

    Raises:
        FeedError: the feeds are not the model's.
        TargetError: the reference itself does not answer.
        InvalidGoal: no trusted target is left that meets the goal.
    """
    told = Calibration()
    first = max(range(len(world.routes)), key=lambda index: _rank(world.targets[index]))
    right = _ask(world.routes[first], query, timeout_s, told, first)
    if isinstance(right, Failed):
        raise right.error
    for index, route in enumerate(world.routes):
        # What the mode would rather keep on this device is not sent away just to know how long that takes.
        if route.target.is_remote and not world.goal.mode.prefers(route.target):
            continue
        answer = right if index == first else _ask(route, query, timeout_s, told, index)
        if isinstance(answer, Failed):
            route.doubt(Query(None, query.feeds), right)
        reason = _reason(route, answer, right)
        if reason is not None:
            _LOG.warning("target %s is left out: %s", route.target, reason)
            told.distrusted[route.target] = reason
    told.lessons = [each for each in told.lessons if world.targets[each[0]] not in told.distrusted]
    world.restrict({index for index, target in enumerate(world.targets) if target in told.distrusted})
    expected = world.routes[first].expected(query, _QUIET)
    values = {"energy": expected.energy_j, "carbon": expected.carbon_g, "latency": expected.latency_s}
    world.reference = values[world.goal.objective]
    return told


def _ask(route: Route, query: Query, timeout_s: float, told: Calibration, index: int) -> list[Array] | Failed:
    everything = Query(None, query.feeds)
    try:
        for _ in range(RUNS):
            answer, outcome = route.run(everything, _QUIET, timeout_s)
            told.energy_j += outcome.energy_j.device
    except Failed as failure:
        told.energy_j += failure.outcome.energy_j.device
        return failure
    told.lessons.append((index, outcome))
    return answer


def _reason(route: Route, answer: list[Array] | Failed, right: list[Array]) -> str | None:
    if isinstance(answer, Failed):
        return None if route.target.is_remote else str(answer)
    return disagreement(right, answer)


def _rank(target: Target) -> tuple[bool, bool, bool, int]:
    """The reference is the device's ``cpu/fp32`` at its highest setting, as in the paper; else the nearest to it."""
    return not target.is_remote, target.precision == "fp32", target.processor == "cpu", target.threads or 0
