"""Getting to know the targets on a real query: how fast they are, and whether their answers can be trusted."""

import logging
from typing import Final

from autoscale.observation import Observation
from autoscale.target import Target
from autoscale_runtime.device.route import Failed, Query, Route
from autoscale_runtime.device.trust import disagreement
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.tensors import Array

RUNS: Final = 3
"""The first allocates; the others are timed."""

_LOG: Final = logging.getLogger("autoscale.session")
_QUIET: Final = Observation()


def calibrate(world: DeviceWorld, query: Query, timeout_s: float) -> dict[Target, str]:
    """Run every route on ``query``, set the world's reference, and leave out what cannot be trusted.

    A remote route that does not answer is not left out: links come back.

    Returns:
        The targets left out, each with the reason.

    Raises:
        FeedError: the feeds are not the model's.
        TargetError: the reference itself does not answer.
        InvalidGoal: no trusted target is left that meets the goal.
    """
    locals_ = [route for route in world.routes if not route.target.is_remote]
    if not locals_:
        return {}
    reference = max(locals_, key=lambda route: _rank(route.target))
    try:
        right = _answers(reference, query, timeout_s)
    except Failed as failure:
        raise failure.error from failure
    distrusted: dict[int, str] = {}
    for index, route in enumerate(world.routes):
        reason = None if route is reference else _reason(route, query, right, timeout_s)
        if reason is not None:
            _LOG.warning("target %s is left out: %s", route.target, reason)
            distrusted[index] = reason
    world.restrict(set(distrusted))
    expected = reference.expected(query, _QUIET)
    values = {"energy": expected.energy_j, "carbon": expected.carbon_g, "latency": expected.latency_s}
    world.reference = values[world.goal.objective]
    return {world.targets[index]: reason for index, reason in distrusted.items()}


def _reason(route: Route, query: Query, right: list[Array], timeout_s: float) -> str | None:
    try:
        return disagreement(right, _answers(route, query, timeout_s))
    except Failed as failure:
        return None if route.target.is_remote else str(failure)


def _answers(route: Route, query: Query, timeout_s: float) -> list[Array]:
    everything = Query(None, query.feeds)
    for _ in range(RUNS - 1):
        route.run(everything, _QUIET, timeout_s)
    return route.run(everything, _QUIET, timeout_s)[0]


def _rank(target: Target) -> tuple[bool, bool, int]:
    """The reference is ``cpu/fp32`` at its highest setting, as in the paper; else the nearest to it."""
    return target.precision == "fp32", target.processor == "cpu", target.threads or 0
