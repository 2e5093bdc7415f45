"""Environments side by side: what each is asked, what a choice costs there, and what it leaves behind."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from autoscale.arrays import Indices
from autoscale.errors import MissingExtra
from autoscale.query.forecast import best_targets
from autoscale_envs.variance.battery import start_charge
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.carbon import objective
from autoscale_envs.worlds.dynamics import (
    Costs,
    State,
    calm,
    costs,
    expected,
    initial,
    sensed_query,
)
from autoscale_envs.worlds.observe import Rows, put_state
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import SimulatedQuery
from autoscale_envs.worlds.step import Answer, CompiledWorld, answer
from autoscale_envs.worlds.streams import Streams

ENOUGH_QUERIES: Final = 2**16
"""Once a world has answered so many, its steps are compiled: that takes as long as some hundred thousand more."""


class BatchedWorld:
    """The simulator: ``n`` environments of one kind, each with random numbers of its own, computed together.

    Whoever shows it to agents or to Gymnasium holds one: all of it, or a ``View`` of one environment.

    Args:
        parameters: what they have in common.
        seeds: one each; None for entropy of the system's.
        noisy: False leaves out what nobody can know of a single query: jitter, waits in queues, the spread of
            repeated runs.
        is_viewed: whether there will be views of it, which show agents what is sensed.

    Attributes:
        streams: what is asked, now and next.
    """

    def __init__(
        self, parameters: WorldParameters, seeds: Sequence[int | None], *, noisy: bool = True, is_viewed: bool = True
    ) -> None:
        self.parameters = parameters
        self.streams = Streams(parameters, seeds, keeps_sensed=is_viewed)
        self.everyone = np.arange(len(seeds))
        self._state = initial(parameters, np.ones(len(seeds)))
        self._moved_alone: dict[int, State] = {}
        self._noisy = noisy
        self._query: SimulatedQuery | None = None
        self._targets = np.arange(len(parameters.targets))
        self._nominal = parameters.nominal_factors
        self._answered, self._may_compile = 0, not (is_viewed or parameters.options.cold_start)
        self._compiled: CompiledWorld | None = None
        self.restart(self.everyone)

    def __getstate__(self) -> dict[str, Any]:
        may_compile = self._may_compile or self._compiled is not None
        return self.__dict__ | {"_compiled": None, "_may_compile": may_compile, "_answered": 0}

    @property
    def hidden(self) -> Hidden:
        """What the profile does not know."""
        return self.streams.hidden

    @property
    def query(self) -> SimulatedQuery:
        """What each is asked now; arrays of shape (n,)."""
        if self._query is None:
            query = self.streams.now()
            self._query = query if self._noisy else calm(query)
        return self._query

    @property
    def state(self) -> State:
        """What earlier choices left behind; arrays of shape (n,)."""
        for environment, state in self._moved_alone.items():
            for mine, value in zip(self._state.figures(), state.figures(), strict=True):
                mine[environment] = value
            if self._state.opened is not None:
                self._state.opened[environment] = state.opened
        self._moved_alone.clear()
        return self._state

    def reseed(self, environment: int, seed: int) -> None:
        """Begin an environment's random numbers anew; its next episode is drawn from them."""
        self.streams.reseed(environment, seed)

    def restart(self, environments: Indices) -> None:
        """Begin new episodes."""
        fresh = initial(self.parameters, start_charge(self.streams.restart(environments)))
        for mine, value in zip(self.state.figures(), fresh.figures(), strict=True):
            mine[environments] = value
        if self._state.opened is not None:
            self._state.opened[environments] = fresh.opened
        self._query = None

    def step(self, targets: Indices, where: Flags | bool = True) -> Answer:
        """Run each query on its target, and go to the next in the environments marked, shape (n,)."""
        if self._compiled is None:
            at = self.parameters, self.hidden, self.everyone, self.query, self.state
            told, self._state = answer(*at, targets, self.streams.links_up())
            self._compile_when_worth_it()
        else:
            told = self._compiled.step(self.streams.block(), targets)
        self.streams.advance(where)
        self._query = None
        return told

    def _compile_when_worth_it(self) -> None:
        self._answered += len(self.everyone)
        if self._may_compile and self._answered >= ENOUGH_QUERIES:
            self._may_compile = False
            with suppress(MissingExtra):
                self._compiled = CompiledWorld(self.parameters, self.hidden, self._state, self.streams.queries)

    def costs_everywhere(self) -> Costs:
        """What each query would cost on every target, figures of shape (n, targets)."""
        at = self.query.wide(), self.state.wide(), self._targets
        return costs(self.parameters, self.hidden, self.everyone[:, None], *at)

    def expected(self) -> tuple[SimulatedQuery, Costs]:
        """The queries with an axis over targets, and what is to be expected of each: all that the oracle knows."""
        return self._expected(self.state)

    def weighed(self) -> tuple[SimulatedQuery, Costs]:
        """The same as the oracle weighs it: what opening a target costs is spread over its queries."""
        return self._expected(self.state.spread(self.parameters.openings.queries))

    def _expected(self, state: State) -> tuple[SimulatedQuery, Costs]:
        query = self.query.wide()
        at = query, state.wide(), self._targets
        return query, expected(self.parameters, self.hidden, self.everyone[:, None], *at)

    def forecast(self) -> tuple[SimulatedQuery, Costs]:
        """The same as the profile has it: what is sensed is sensed_query, hidden factors are left out."""
        query = sensed_query(self.parameters, self.hidden, self.everyone, self.query).wide()
        return query, expected(self.parameters, self._nominal, 0, query, self.state.wide(), self._targets)

    def best(self, query: SimulatedQuery, figures: Costs) -> Indices:
        """The oracle's targets, shape (n,), by what ``weighed`` gave."""
        parameters = self.parameters
        return best_targets(
            figures.latency_s,
            objective(parameters, query, figures),
            figures.coefficients.accuracy,
            self.admitted(),
            parameters.limits_s.take(query.network),
            parameters.options.min_accuracy,
        )

    def has_changed(self) -> Flags:
        """Whether the scenario's one change, which nothing announces, lies behind each environment; shape (n,)."""
        if self.parameters.scenario.change == 1.0:
            return np.zeros(len(self.everyone), np.bool_)
        return np.asarray(self.query.elapsed_s >= self.hidden.unrest.moment_s)

    def admitted(self) -> Flags:
        """Which targets can be chosen now, shape (n, targets)."""
        return self.parameters.admitted(self.streams.links_up(), self.query.network)

    def rows(self) -> Rows:
        """The queries as rows of features, shape (n, 24)."""
        if self._compiled is not None:
            return self._compiled.rows(self.streams.block())
        rows = self.streams.rows()
        put_state(rows, self.state, has_battery=self.parameters.device.battery_wh is not None)
        return rows

    def state_of(self, environment: int) -> State:
        """The state of one environment, as numbers."""
        state = self.state
        opened = None if state.opened is None else state.opened[environment].copy()
        return State.of([float(each[environment]) for each in state.figures()])._replace(opened=opened)

    def advance(self, environment: int, state: State) -> None:
        """Take one environment alone to its next query, with what the last one left."""
        self._moved_alone[environment] = state
        self.streams.advance_at(environment)
        self._query = None
