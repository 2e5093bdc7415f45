"""What a forecast does not tell: NaN, infinite, 0 or less. Such a target is chosen where there is no other."""

import math
from dataclasses import replace
from typing import Final

import numpy as np

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
    names = {"latency_s", FIGURE[goal.objective]}
    changed = {name: _mended(getattr(forecast, name), GUESS[name]) for name in names}
    if all(getattr(forecast, name) is each for name, each in changed.items()):
        return forecast
    return replace(forecast, **changed)


def _mended(figures: Floats, guess: float) -> Floats:
    if figures.min() > 0.0 and figures.max() < math.inf:  # of NaN neither holds
        return figures
    is_told = (figures > 0.0) & (figures < math.inf)
    return np.where(is_told, figures, math.nan) if is_told.any() else np.full(figures.shape, guess)


def filled(cost: Floats, margin: Floats) -> tuple[Floats, Floats]:
    """Both with ``HOLE`` where one of them is NaN."""
    is_hole = np.isnan(cost) | np.isnan(margin)
    return (np.where(is_hole, HOLE, cost), np.where(is_hole, HOLE, margin)) if is_hole.any() else (cost, margin)
