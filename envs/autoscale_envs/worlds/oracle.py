"""The best target, known only to a simulator ("Opt" in the paper), for one query or many."""

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.processes import Flags, Numbers


def best_targets(
    latency_s: Floats, objective: Floats, accuracy: Floats, admitted: Flags, limit_s: Numbers, floor: float | None
) -> Indices:
    """The rule of ``Forecast.best`` over environments: the least objective among the targets that meet the goal.

    Where none is in time, the least objective of those accurate enough; where none is accurate enough, the most
    accurate.

    Args:
        latency_s: expected, shape (n, targets).
        objective: expected, shape (n, targets).
        accuracy: fractions, NaN where unknown, shape (n, targets).
        admitted: what may be chosen, shape (n, targets).
        limit_s: the latest useful answer, shape (n,).
        floor: the lowest acceptable accuracy, or None.

    Returns:
        Indices of targets, shape (n,).
    """
    accurate = admitted if floor is None else admitted & ~(accuracy < floor)
    in_time = accurate & (latency_s <= limit_s[:, None])
    candidates = np.where(in_time.any(axis=1)[:, None], in_time, accurate)
    chosen = np.argmin(np.where(candidates, objective, np.inf), axis=1)
    truest = np.argmax(np.where(admitted, accuracy, -np.inf), axis=1)
    best: Indices = np.where(accurate.any(axis=1), chosen, truest)
    return best
