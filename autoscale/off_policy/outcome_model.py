"""What each target would have cost, by a model fitted to the log: the forecast, corrected by what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.off_policy.logged import LoggedQuery

FOLDS: Final = 2
_PRIOR_QUERIES: Final = 5.0
"""How many queries of a target weigh as much as the mean of all targets."""
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Modelled:
    """What a model says of every target of every query, each of shape (queries, targets).

    Attributes:
        objective: what the goal minimises, in its unit.
        is_missed: the chance that the goal is missed.
    """

    objective: Floats
    is_missed: Floats


def fit_outcomes(queries: Sequence[LoggedQuery], objective: Floats, is_missed: Floats) -> Modelled:
    """The model's figures for each query, fitted to the other half of the log: its own outcome never tells on itself.

    Args:
        queries: all of the same targets.
        objective: what came of each, shape (queries,).
        is_missed: whether each missed its goal, likewise.
    """
    count, width = len(queries), len(queries[0].targets)
    forecast = np.array([_objective_forecast(each, width) for each in queries])
    late = np.array([_miss_forecast(each, width) for each in queries])
    chosen = np.array([each.chosen for each in queries])
    folds = np.arange(count) % FOLDS
    for fold in range(FOLDS):
        own, others = folds == fold, folds != fold
        seen, picked = np.flatnonzero(others), chosen[others]
        told = forecast[seen, picked]
        strayed = np.log((objective[others] + _TINY) / (told + _TINY))
        forecast[own] *= np.exp(_per_target(strayed, picked, width))
        late[own] = np.clip(late[own] + _per_target(is_missed[others] - late[seen, picked], picked, width), 0.0, 1.0)
    return Modelled(forecast, late)


def _objective_forecast(query: LoggedQuery, width: int) -> Floats:
    expected = query.context.forecast
    if expected is None:
        return np.full(width, max(query.context.reference, _TINY))
    figures = np.maximum(expected.objective(query.context.goal), _TINY)
    filled: Floats = np.where(np.isfinite(figures), figures, max(query.context.reference, _TINY))
    return filled


def _miss_forecast(query: LoggedQuery, width: int) -> Floats:
    expected, goal = query.context.forecast, query.context.goal
    if expected is None:
        return np.zeros(width)
    missed = expected.latency_s > goal.latency_s
    if goal.min_accuracy is not None:
        missed |= expected.accuracy < goal.min_accuracy
    return missed.astype(np.float64)


def _per_target(strayed: Floats, picked: Indices, width: int) -> Floats:
    """The mean of each target's, drawn towards the mean of all where few are known."""
    if not strayed.size:
        return np.zeros(width)
    counts = np.bincount(picked, minlength=width)
    sums = np.bincount(picked, weights=strayed, minlength=width)
    shrunk: Floats = (sums + _PRIOR_QUERIES * strayed.mean()) / (counts + _PRIOR_QUERIES)
    return shrunk
