"""Measurements as a world for the loop: agents that play in it meet rows of a table, and no model of ours.

The networks are asked in turn. A query's figures are those of one of the target's runs, drawn anew each time, and
stray from it as the run's own queries did (a lognormal factor of mean 1). Worlds of one seed meet the same luck.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from autoscale.agents.base import Choice
from autoscale.arrays import Floats, Indices
from autoscale.errors import InvalidTarget
from autoscale.loop import Performance
from autoscale.profiles.networks import load_network, network_names
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.query.record import Attempt
from autoscale_envs.measured.table import MeasuredTable

METHODS: Final = {"latency_s": Method.MEASURED, "energy_j.device": Method.MEASURED}
FLAT_S: Final = 0.05
"""What a flat forecast says of every target of every network: that nothing is known."""
FLAT_J: Final = 0.1

Forecasts = Callable[[int], Forecast]
"""The forecast of a network by its number in the table."""


class MeasuredWorld:
    """The networks of a table, asked one after the other, without end (``autoscale.loop.World``).

    Args:
        table: what was measured.
        goal: of every query; energy or latency, since a table has no grams.
        seed: of the order in which networks ask, and of the luck of queries.
        forecasts: what agents are told of a network's targets; None tells them nothing (``flat``).
        noisy: False gives every query the mean of the runs.

    Raises:
        InvalidGoal: a floor for a network of which no row tells an accuracy.

    Attributes:
        targets: of the table.
        network: the number of the one that asks now.
    """

    def __init__(
        self,
        table: MeasuredTable,
        goal: Goal,
        seed: int = 0,
        forecasts: Forecasts | None = None,
        *,
        noisy: bool = True,
    ) -> None:
        table = table.held_to(goal)
        self.table, self.goal, self.targets = table, goal, table.targets
        self._rng = np.random.default_rng(seed)
        self._order = self._rng.permutation(len(table.networks))
        self._asked = 0
        self._noisy = noisy
        self._forecasts = forecasts or (lambda network: flat(table, network))
        self._models = [model_of(name) for name in table.networks]
        self._admitted = [np.flatnonzero(~np.isnan(row)) for row in table.energy_j]
        self._references = [reference(table, network, goal) for network in range(len(table.networks))]

    @property
    def network(self) -> int:
        """Which network of the table asks now."""
        return int(self._order[self._asked % len(self._order)])

    @property
    def visit(self) -> int:
        """How often it has asked before."""
        return self._asked // len(self._order)

    def observe(self, query: Any = None) -> Context:
        """What an agent may know of the query now asked; a table senses nothing."""
        network = self.network
        return Context(
            self._models[network],
            Observation(),
            self.goal,
            self._admitted[network],
            lambda: self._forecasts(network),
            self._references[network],
        )

    def perform(self, query: Any, context: Context, choice: Choice) -> Performance:
        """What the query now asked costs on the chosen target; the next one is asked.

        Raises:
            InvalidTarget: nobody measured that network there.
        """
        network, index = self.network, choice.index
        if index not in self._admitted[network]:
            raise InvalidTarget(f"'{self.table.networks[network]}' was not measured on {self.targets[index]}")
        latency_s, energy_j = self._figures(network)
        accuracy = float(self.table.accuracy[network, index])
        outcome = Outcome(
            float(latency_s[index]),
            Split(float(energy_j[index])),
            accuracy=None if math.isnan(accuracy) else accuracy,
            methods=METHODS,
        )
        self._asked += 1
        return Performance(outcome, (Attempt(self.targets[index], outcome.latency_s),))

    def truth(self) -> Forecast:
        """What is to be expected of every target for the query now asked: the means over runs."""
        return truth_of(self.table, self.network)

    def oracle(self) -> int:
        """The best target for the query now asked."""
        return self.truth().best(self.goal, self._admitted[self.network])

    def _figures(self, network: int) -> tuple[Floats, Floats]:
        """Latency and energy of a query on every target, shape (targets,); as many numbers are drawn whatever runs."""
        if not self._noisy:
            return self.table.latency_s[network], self.table.energy_j[network]
        sample, every = self.table.samples[network], np.arange(len(self.targets))
        run = (self._rng.random(len(every)) * sample.runs).astype(np.intp)
        luck, spread = self._rng.standard_normal(len(every)), sample.query_spread[run, every]
        latency_s = sample.latency_s[run, every] * np.exp(spread * (luck - spread / 2.0))
        return latency_s, sample.energy_j[run, every]


def model_of(network: str) -> ModelProfile:
    """What is known of a network of that name: the profile that ships, or the name alone."""
    return load_network(network) if network in network_names() else ModelProfile(name=network)


def truth_of(table: MeasuredTable, network: int) -> Forecast:
    """The means of a network's rows; infinite where there are none. Grams are not measured: they follow the joules."""
    energy_j = np.nan_to_num(table.energy_j[network], nan=np.inf)
    return Forecast(np.nan_to_num(table.latency_s[network], nan=np.inf), energy_j, energy_j, table.accuracy[network])


def flat(table: MeasuredTable, network: int) -> Forecast:
    """The forecast of somebody who knows nothing: every target of every network takes the same."""
    same = np.ones(len(table.targets))
    return Forecast(FLAT_S * same, FLAT_J * same, FLAT_J * same, table.accuracy[network])


def reference(table: MeasuredTable, network: int, goal: Goal) -> float:
    """The unit of a network's rewards: its objective on the device's CPU in the highest precision that was measured."""
    measured: Indices = np.flatnonzero(~np.isnan(table.energy_j[network]))

    def plainness(index: int) -> tuple[bool, str]:
        target = table.targets[index]
        return (target.place, target.processor) != ("device", "cpu"), {"fp32": "0", "fp16": "1"}.get(
            target.precision, "2"
        )

    plainest = min(measured.tolist(), key=plainness)
    return float(truth_of(table, network).objective(goal)[plainest])
