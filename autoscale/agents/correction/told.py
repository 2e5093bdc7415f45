"""What the world tells of a query: its forecast, what that says in logarithms, and by how much it was wrong."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from autoscale.agents.correction.hierarchy import CARBON, ENERGY, LATENCY, TINY, Triple
from autoscale.agents.correction.holes import GUESS, logarithms
from autoscale.arrays import Flags, Floats, Indices
from autoscale.errors import InvalidInput
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

FIGURES: Final = ("latency_s", "energy_j", "carbon_g", "accuracy")
"""Of a forecast."""

SAME: Final = 0.02
"""A forecast whose ln(latency), or ln(cost), varies by less over the targets tells nothing."""


def margin_of(forecast: Forecast, context: Context, residual: Floats) -> Floats:
    """How far each target's latency is above the limit, in logarithms."""
    margin = residual - _logarithm(context.goal.latency_s)
    margin += logarithms(forecast.latency_s)
    return margin


@lru_cache(maxsize=64)
def _logarithm(limit_s: float) -> Floats:
    return np.array(math.log(limit_s))  # which numpy reads in half the time of a plain number


def accurate_enough(accuracy: Floats, floor: float, admitted: Indices) -> Flags:
    """Which of the admitted targets are accurate enough; where none is, the most accurate."""
    accuracy = accuracy[admitted]
    accurate = ~(accuracy < floor)
    return accurate if accurate.any() else accuracy >= np.nanmax(accuracy)


def figures_of(forecast: Forecast, index: int) -> tuple[float, float, float]:
    """Energy, latency and carbon of one target."""
    return forecast.energy_j.item(index), forecast.latency_s.item(index), forecast.carbon_g.item(index)


def residuals_of(told: Triple, outcome: Outcome) -> tuple[float, float, float]:
    """ln(actual / forecast) of energy, latency and carbon; NaN where one of them is nothing."""
    return (
        _log_ratio(outcome.energy_j.device, told[ENERGY]),
        _log_ratio(outcome.latency_s, told[LATENCY]),
        _log_ratio(outcome.decisive_carbon_g, told[CARBON]),
    )


def _log_ratio(actual: float, told: float) -> float:
    return math.log(actual) - math.log(told) if actual > TINY < told < math.inf else math.nan


def tells_apart(forecast: Forecast, goal: Goal) -> bool:
    """Whether it tells targets apart, in time and in what the goal minimises."""
    return all(_differ(figures) for figures in (forecast.latency_s, forecast.objective(goal)))


def _differ(figures: Floats) -> bool:
    logs = np.log(np.maximum(figures, TINY))
    logs = logs[np.isfinite(logs)]
    return logs.size <= 1 or bool(logs.max() - logs.min() > SAME)


def forecast_of(context: Context, targets: Sequence[Target]) -> Forecast:
    """The world's, or one that says the same of all targets."""
    told = context.first_forecast
    if told is None:
        return _nothing_said(len(targets))
    if type(told.latency_s) is not np.ndarray:  # a world of somebody's own may give lists
        told = Forecast(*(np.asarray(getattr(told, name), dtype=np.float64) for name in FIGURES))
    if told.latency_s.size != len(targets):
        raise InvalidInput(f"a forecast is of {told.latency_s.size} targets; allowed: of the agent's {len(targets)}")
    return told


@lru_cache(maxsize=16)
def _nothing_said(targets: int) -> Forecast:
    return Forecast(
        **{name: np.full(targets, each) for name, each in GUESS.items()}, accuracy=np.full(targets, math.nan)
    )
