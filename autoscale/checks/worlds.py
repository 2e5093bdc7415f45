"""What a world must do: call this from the tests of one of your own."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autoscale.agents.base import Choice
from autoscale.arrays import Indices
from autoscale.checks.require import require
from autoscale.errors import TargetError
from autoscale.loop import Performance, World
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.record import ANSWERED
from autoscale.query.target import Target


def check_world(world: World, queries: Iterable[Any]) -> None:
    """Check the contexts a world shows and what it makes of choices.

    Args:
        world: is asked to run each query once, on one of the admitted targets in turn.
        queries: what it takes; a dozen or more try every target.
    """
    require(len(set(world.targets)) == len(world.targets) > 0, f"targets are none or repeat: {world.targets}")
    for number, query in enumerate(queries):
        context = world.observe(query)
        _check_context(context, len(world.targets))
        index = int(context.admitted[number % len(context.admitted)])
        try:
            performance = world.perform(query, context, Choice(index, 1.0))
        except TargetError as error:
            mode = context.goal.mode
            require(not mode.may_fall_back, f"mode {mode} may fall back, yet the query was lost to {error!r}")
        else:
            _check_performance(performance, world.targets)


def _check_context(context: Context, targets: int) -> None:
    admitted: Indices = np.asarray(context.admitted)
    require(admitted.ndim == 1 and admitted.size > 0, f"admitted has the shape {admitted.shape}; at least one entry")
    require(np.issubdtype(admitted.dtype, np.integer), f"admitted holds {admitted.dtype}, not indices")
    require(len(np.unique(admitted)) == admitted.size, f"admitted repeats itself: {admitted}")
    require(admitted.min() >= 0 and admitted.max() < targets, f"admitted {admitted}, but there are {targets} targets")
    require(0.0 < context.reference < math.inf, f"reference is {context.reference}")
    if context.forecast is not None:
        _check_forecast(context.forecast, targets)


def _check_forecast(forecast: Forecast, targets: int) -> None:
    for name in Forecast.__slots__:
        values = getattr(forecast, name)
        if values is None and name.startswith("open_"):
            continue
        require(values.shape == (targets,), f"forecast.{name} has the shape {values.shape}, not {(targets,)}")
        if name == "accuracy":
            fits = np.isnan(values) | ((values >= 0.0) & (values <= 1.0))
        elif name.startswith("open_"):
            fits = np.isfinite(values) & (values >= 0.0)
        else:
            fits = np.isfinite(values) & (values > 0.0)
        require(bool(fits.all()), f"forecast.{name} is {values}")


def _check_performance(performance: Performance, targets: Sequence[Target]) -> None:
    require(len(performance.attempts) > 0, "no attempts, yet an outcome")
    *failed, last = performance.attempts
    require((last.reason, last.error) == (ANSWERED, None), f"the last attempt did not answer: {last}")
    require(all(attempt.reason != ANSWERED for attempt in failed), f"tried on after an answer: {performance.attempts}")
    for attempt in performance.attempts:
        require(attempt.target in targets, f"tried {attempt.target}, which is none of the world's targets")
        require(0.0 <= attempt.latency_s < math.inf, f"an attempt took {attempt.latency_s} s")
    outcomes = [performance.outcome, *(outcome for _, outcome in performance.lessons)]
    for outcome in outcomes:
        figures = (outcome.latency_s, outcome.energy_j.total, outcome.carbon_g)
        require(all(0.0 <= figure < math.inf for figure in figures), f"an outcome of {outcome}")
    for index, _ in performance.lessons:
        require(0 <= index < len(targets), f"a lesson about target {index}, but there are {len(targets)} targets")
