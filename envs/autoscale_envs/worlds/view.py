"""One environment of a world, in plain numbers: what the scalar Gymnasium environment and the agents' world share."""

import numpy as np

from autoscale.arrays import Indices
from autoscale.errors import InvalidTarget
from autoscale.query.forecast import Forecast
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.carbon import added_g
from autoscale_envs.worlds.dynamics import Costs, State, answering, attempted, costs, expected, sensed_query, transition
from autoscale_envs.worlds.observe import Rows, put_state
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.world import BatchedWorld


def lone(parameters: WorldParameters, seed: int | None) -> "View":
    """The only environment of a world of its own."""
    return View(BatchedWorld(parameters, [seed]), 0)


class View:
    """An endless row of queries; what each costs depends on the choice, and so does the state it leaves.

    It goes from query to query by itself, in Python's own arithmetic, which for one environment takes a fraction of the
    time that arrays do. Where the world moved all environments at once, ``refresh`` looks again.

    Args:
        world: that it is part of.
        number: which of its environments.

    Attributes:
        query: what is to be run now.
        state: what earlier choices left behind.
    """

    query: SimulatedQuery

    def __init__(self, world: BatchedWorld, number: int) -> None:
        self.world, self.number = world, number
        self.parameters = world.parameters
        self._all = np.arange(len(world.parameters.targets))
        self.refresh()

    def refresh(self) -> None:
        """See the query now asked, and the state."""
        self.query = self.world.streams.now_at(self.number)
        self.state = self.world.state_of(self.number)

    def restart(self, seed: int | None = None) -> None:
        """Begin a new episode; with a seed, begin the random numbers anew too."""
        if seed is not None:
            self.world.reseed(self.number, seed)
        self.world.restart(np.array([self.number]))
        self.refresh()

    def admitted(self) -> Flags:
        """Which targets can be chosen now, shape (targets,)."""
        is_up, network = np.array([self.is_cloud_up()]), np.array([self.query.network])
        admitted: Flags = self.parameters.admitted(is_up, network)[0]
        return admitted

    def run(self, target: int) -> Costs:
        """Run the query on a target, and go to the next.

        Raises:
            InvalidTarget: no such target; nothing was changed.
        """
        cost = self.cost_of(target)
        answered = answering(self.parameters, self.query.network, target, self.is_refused(target))
        self.state = transition(self.parameters, self.query, self.state, cost, answered)
        self.world.advance(self.number, self.state)
        self.query = self.world.streams.now_at(self.number)
        return cost

    def cost_of(self, target: int) -> Costs:
        """What the query will cost on a target; that of a failed attempt where it is refused.

        Raises:
            InvalidTarget: no such target.
        """
        self.check(target)
        at = self.parameters, self.world.hidden, self.number, self.query, self.state, target
        return attempted(*at, self.is_refused(target)) if self.parameters.may_refuse else costs(*at)

    def check(self, target: int) -> None:
        """Whether there is such a target.

        Raises:
            InvalidTarget: there is not.
        """
        targets = self.parameters.targets
        if not 0 <= target < len(targets):
            raise InvalidTarget(f"action {target} is out of range; allowed: 0 to {len(targets) - 1}")

    def is_refused(self, target: int) -> bool:
        """Whether its link is down, or the network not known there."""
        parameters = self.parameters
        return parameters.may_refuse and bool(parameters.refuses(self.is_cloud_up(), self.query.network, target))

    def costs_everywhere(self) -> Costs:
        """What the query would cost on every target, figures of shape (targets,)."""
        return costs(self.parameters, self.world.hidden, self.number, self.query, self.state, self._all)

    def truth(self) -> Forecast:
        """What the oracle expects of every target."""
        return self._truth(self.state)

    def _truth(self, state: State) -> Forecast:
        return self._forecast(self.query, state, self.world.hidden, self.number)

    def forecast(self) -> Forecast:
        """What the profile says of every target, given what is sensed: hidden factors left out."""
        known_query = sensed_query(self.parameters, self.world.hidden, self.number, self.query)
        return self._forecast(known_query, self.state, self.parameters.nominal_factors, 0)

    def forecast_again(self) -> Forecast:
        """The same of a query like this one a mean gap later, its target's radio awake and its model open by then."""
        known_query = sensed_query(self.parameters, self.world.hidden, self.number, self.query)
        gap_s = self.parameters.options.gap_s
        rest_s = [np.minimum(each, gap_s) for each in self.state.rest_s]
        after = self.state._replace(rest_s=rest_s, opened=None)
        return self._forecast(known_query, after, self.parameters.nominal_factors, 0)

    def best(self) -> int:
        """The oracle's target; what opening one costs is spread over its queries."""
        weighed = self._truth(self.state.spread(self.parameters.openings.queries))
        return weighed.best(self.parameters.goals[self.query.network], self.reachable())

    def reachable(self) -> Indices:
        """Indices of the targets that can be chosen now."""
        return np.flatnonzero(self.admitted()) if self.parameters.may_refuse else self._all

    def is_cloud_up(self) -> bool:
        """Whether the links to the cloud are up."""
        return not self.parameters.may_lose_links or self.world.streams.is_up_at(self.number)

    def sensed(self) -> Sensed:
        """What can be sensed of the query."""
        return self.world.streams.sensed_at(self.number)

    def row(self) -> Rows:
        """The query as a row of features, shape (24,)."""
        row = self.world.streams.row_at(self.number)
        put_state(row, self.state, has_battery=self.parameters.device.battery_wh is not None)
        return row

    def _forecast(self, query: SimulatedQuery, state: State, hidden: Hidden, environment: int) -> Forecast:
        figures = expected(self.parameters, hidden, environment, query, state, self._all)
        return forecast_of(self.parameters, query, figures)


def forecast_of(parameters: WorldParameters, query: SimulatedQuery, figures: Costs) -> Forecast:
    """Figures as agents and oracles read them."""
    grams = added_g(parameters, query, figures)
    return Forecast(figures.latency_s, figures.device_j, grams, figures.coefficients.accuracy)
