"""When a remote target is given up, so that this device can still answer in time, and who tries after a failure."""

import math
from collections.abc import Sequence
from typing import Final

from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.target import Target

RESCUE_MARGIN: Final = 1.3
"""How much longer than expected the rescue of a query may take before the answer is late."""

GIVING_UP_S: Final = 0.005
"""How long after its deadline a remote call is over: gRPC takes up to 3 ms."""


def patience_s(
    context: Context, targets: Sequence[Target], usable: Sequence[int], index: int, timeout_s: float
) -> float:
    """How long a remote target may take: until the device could just rescue the query in time.

    Args:
        context: of the query.
        targets: of the session.
        usable: indices of those that may answer it.
        index: of the remote one.
        timeout_s: where no rescue in time is possible.
    """
    limit_s, forecast = context.goal.latency_s, context.forecast
    rescuers = [i for i in usable if not targets[i].is_remote]
    may_rescue = context.goal.mode.may_fall_back and rescuers and math.isfinite(limit_s)
    if forecast is None or not may_rescue:
        return timeout_s
    expected_s = float(forecast.latency_s[index])
    safe_s = limit_s - GIVING_UP_S - RESCUE_MARGIN * float(forecast.latency_s[rescuers].min())
    if expected_s <= safe_s:
        return safe_s
    return min(max(limit_s, 2.0 * expected_s), timeout_s)


def spare_s(limit_s: float, elapsed_s: float, own_s: float, timeout_s: float) -> float:
    """How long a query may wait for other machines: half of what an answer here, of ``own_s``, leaves of its limit."""
    return max(min((limit_s - elapsed_s - GIVING_UP_S - RESCUE_MARGIN * own_s) / 2, timeout_s), 0.0)


def rescuer(forecast: Forecast, goal: Goal, targets: Sequence[Target], left: Sequence[int], elapsed_s: float) -> int:
    """Who tries after a failure: the device's best first, then other machines.

    Args:
        forecast: of the query.
        goal: of the query.
        targets: of the session.
        left: indices of those that may try, one or more.
        elapsed_s: since the query came.
    """
    left = [i for i in left if not targets[i].is_remote] or left
    in_time = [i for i in left if elapsed_s + forecast.latency_s[i] <= goal.latency_s]
    return forecast.best(goal, in_time) if in_time else min(left, key=lambda i: float(forecast.latency_s[i]))
