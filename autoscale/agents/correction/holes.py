"""What a forecast does not tell: NaN, infinite, ``TINY`` or less. Such a target is chosen where there is no other."""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from autoscale.agents.correction.hierarchy import TINY
from autoscale.arrays import Floats
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal

HOLE: Final = 60.0
"""Ln(cost) and ln(latency / limit) of a target of which one of the two is not told: beyond any that is."""

GUESS: Final = {"latency_s": 0.05, "energy_j": 0.1, "carbon_g": 1e-5}
"""Where nothing is told of any target."""

FIGURE: Final = {"energy": "energy_j", "latency": "latency_s", "carbon": "carbon_g"}
"""Of an objective."""


def mended(forecast: Forecast, goal: Goal) -> Forecast:
    """The same with NaN for what the goal needs and is not told, and a guess for what is told of no target."""
    if _is_whole(forecast.latency_s) and _is_whole(forecast.objective(goal)):
        return forecast
    names = {"latency_s", FIGURE[goal.objective]}
    return replace(forecast, **{name: _mended(getattr(forecast, name), GUESS[name]) for name in names})


def _is_whole(figures: Floats) -> bool:
    """Whether all are told; where the least of few figures stands is found four times as fast as the least itself."""
    is_whole: bool = figures.item(figures.argmin()) > TINY and figures.item(figures.argmax()) < math.inf
    return is_whole  # of NaN neither holds


def _mended(figures: Floats, guess: float) -> Floats:
    is_told = (figures > TINY) & (figures < math.inf)
    return np.where(is_told, figures, math.nan) if is_told.any() else np.full(figures.shape, guess)


def logarithms(figures: Floats) -> Floats:
    """Ln of figures; of those that are nothing, of ``TINY``."""
    least = figures.item(figures.argmin())
    logs: Floats = np.log(figures if least > TINY else np.maximum(figures, TINY))
    return logs


def filled(cost: Floats, margin: Floats) -> tuple[Floats, Floats]:
    """Both with ``HOLE`` where one of them is NaN."""
    if not (_has_nan(cost) or _has_nan(margin)):
        return cost, margin
    is_hole = np.isnan(cost) | np.isnan(margin)
    return np.where(is_hole, HOLE, cost), np.where(is_hole, HOLE, margin)


def _has_nan(figures: Floats) -> bool:
    return math.isnan(figures.item(figures.argmax()))
