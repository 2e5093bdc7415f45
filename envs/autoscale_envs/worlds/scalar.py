"""One environment, in plain numbers: what the scalar Gymnasium environment and the agents' world share."""

from functools import cached_property

import numpy as np

from autoscale.errors import InvalidTarget
from autoscale.query.forecast import Forecast, Indices
from autoscale_envs.variance.battery import start_charge
from autoscale_envs.variance.hidden import Hidden, nominal
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.blocks import Sensed, SimulatedQuery
from autoscale_envs.worlds.dynamics import Costs, State, added_g, costs, expected, initial, known, transition
from autoscale_envs.worlds.observe import Rows, put_state
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.streams import Streams

_ZERO = np.zeros(1, dtype=np.intp)


class ScalarWorld:
    """An endless row of queries; what each costs depends on the choice, and so does the state it leaves.

    Args:
        tables: the world.
        seed: of its randomness; None for entropy of the system's.

    Attributes:
        query: what is to be run now.
        state: what earlier choices left behind.
    """

    query: SimulatedQuery
    state: State

    def __init__(self, tables: WorldParameters, seed: int | None) -> None:
        self.tables = tables
        self._streams = Streams(tables, [seed], keeps_sensed=True)
        self._all = np.arange(len(tables.targets))
        self.restart()

    @property
    def hidden(self) -> Hidden:
        """What the profile does not know."""
        return self._streams.hidden

    @cached_property
    def _nominal(self) -> Hidden:
        return nominal(1, self.tables.counts)

    def restart(self, seed: int | None = None) -> None:
        """Begin a new episode; with a seed, begin the random numbers anew too."""
        if seed is not None:
            self._streams.reseed(0, seed)
        charge = start_charge(self._streams.restart(_ZERO))
        self.state = State.of([float(each[0]) for each in initial(self.tables, charge).figures()])
        self.query = self._streams.now_at(0)

    def admitted(self) -> Flags:
        """Which targets can be reached now, shape (targets,)."""
        admitted: Flags = self.tables.admitted(self._streams.links_up())[0]
        return admitted

    def run(self, target: int) -> Costs:
        """Run the query on a target, and go to the next.

        Raises:
            InvalidTarget: no such target, or its link is down.
        """
        self.check(target)
        spent = costs(self.tables, self.hidden, 0, self.query, self.state, target)
        self.state = transition(self.tables, self.query, self.state, spent)
        self._streams.advance()
        self.query = self._streams.now_at(0)
        return spent

    def check(self, target: int) -> None:
        """Whether a target can be chosen now.

        Raises:
            InvalidTarget: it cannot.
        """
        targets = self.tables.targets
        if not 0 <= target < len(targets):
            raise InvalidTarget(f"action {target} is out of range; allowed: 0 to {len(targets) - 1}")
        if self.tables.may_lose_links and not self.admitted()[target]:
            raise InvalidTarget(f"action {target} ({targets[target]}) is masked now: its link is down")

    def truth(self) -> Forecast:
        """What the oracle expects of every target."""
        return self._forecast(self.query, self.hidden)

    def forecast(self) -> Forecast:
        """What the profile says of every target, given what is sensed: hidden factors left out."""
        known_query = known(self.tables, self.hidden, 0, self.query)
        return self._forecast(known_query, self._nominal)

    def best(self) -> int:
        """The oracle's target."""
        tables, network = self.tables, self.query.network
        return self.truth().best(tables.goals[network], self.reachable())

    def reachable(self) -> Indices:
        """Indices of the targets that can be reached now."""
        return np.flatnonzero(self.admitted()) if self.tables.may_lose_links else self._all

    def is_cloud_up(self) -> bool:
        """Whether the link to the cloud is up."""
        return not self.tables.may_lose_links or bool(self._streams.links_up()[0])

    def sensed(self) -> Sensed:
        """What can be sensed of the query."""
        return self._streams.sensed_at(0)

    def row(self) -> Rows:
        """The query as a row of features, shape (24,)."""
        row = self._streams.row_at(0)
        put_state(row, self.state, has_battery=self.tables.device.battery_wh is not None)
        return row

    def _forecast(self, query: SimulatedQuery, hidden: Hidden) -> Forecast:
        figures = expected(self.tables, hidden, 0, query, self.state, self._all)
        grams = added_g(self.tables, query, figures)
        return Forecast(figures.latency_s, figures.device_j, grams, figures.pair.accuracy)
