"""What a query is expected to cost on every route."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autoscale.arrays import Indices
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.routes.base import Moment, Route
from autoscale_runtime.device.routes.local import LocalRoute
from autoscale_runtime.device.sized_mean import Size


class Outlook:
    """Forecasts of one model's queries.

    Args:
        routes: every way to an answer.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._accuracy = np.array([math.nan if r.accuracy is None else r.accuracy for r in routes])
        self._cut = {index for index, route in enumerate(routes) if route.target.cut is not None}
        self._is_calibrated = False

    def calibrated(self) -> None:
        """Keep what this device's targets are expected to cost as it is now, for agents that correct it."""
        self._is_calibrated = True
        for route in self._routes:
            if isinstance(route, LocalRoute):
                route.calibrated()

    def forecast(self, query: Query, moment: Moment) -> Forecast:
        """Of a query at a moment."""
        expected = np.array([route.expected(query, moment) for route in self._routes]).T
        return Forecast(expected[0], expected[1], expected[2], self._accuracy)

    def unlearned(self, size: Size, moment: Moment, forecast: Forecast) -> Forecast:
        """A forecast with this device's targets as they were expected when the session had got to know them."""
        if not self._is_calibrated:
            return forecast
        figures = np.array([forecast.latency_s, forecast.energy_j, forecast.carbon_g])
        for index, route in enumerate(self._routes):
            if isinstance(route, LocalRoute):
                figures[:, index] = route.first_expected(size, moment)
        return replace(forecast, latency_s=figures[0], energy_j=figures[1], carbon_g=figures[2])

    def rested(self, moment: Moment, rest_s: float, forecast: Forecast) -> Forecast:
        """A forecast of the moment, had the radio rested no longer than so many seconds."""
        spared = [route.spared(moment, min(rest_s, moment.rest_s)) for route in self._routes]
        energy_j, carbon_g = np.array([(each.energy_j, each.carbon_g) for each in spared]).T
        return replace(forecast, energy_j=forecast.energy_j - energy_j, carbon_g=forecast.carbon_g - carbon_g)

    def objective(self, index: int, query: Query, moment: Moment, goal: Goal) -> float:
        """The goal's objective, as it is expected of a query on one route."""
        return self._routes[index].expected(query, moment).objective(goal)

    def without_vain_cuts(self, forecast: Forecast, goal: Goal, admitted: Indices) -> Indices:
        """What is left of the admitted ones: see ``Forecast.without_vain_cuts``."""
        return forecast.without_vain_cuts(goal, admitted, self._cut)
