"""The simulator as a world for the loop: what agents train and are compared in, without Gymnasium."""

import math
from typing import Any, Final, Protocol

from autoscale.agents.base import Choice
from autoscale.arrays import Indices
from autoscale.errors import TargetUnavailable
from autoscale.loop import Performance
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.observation import LinkState, Observation
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.query.record import Attempt
from autoscale.query.target import Target
from autoscale_envs.worlds.carbon import added_g, carbon
from autoscale_envs.worlds.dynamics import Costs, State
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.view import lone

METHODS: Final = {
    name: Method.MODELLED
    for name in (
        "latency_s",
        *(f"{figure}.{part}" for figure in ("energy_j", "carbon_operational_g") for part in Split.__slots__),
        *("carbon_embodied_g.device", "carbon_embodied_g.remote"),
    )
}


class Inside(Protocol):
    """One environment, as ``View`` has it; its methods are described there."""

    parameters: WorldParameters

    @property
    def query(self) -> SimulatedQuery:
        """What is to be run now."""

    @property
    def state(self) -> State:
        """What earlier choices left behind."""

    def run(self, target: int) -> Costs:
        """Run the query on a target, and go to the next."""

    def check(self, target: int) -> None:
        """Whether there is such a target."""

    def is_refused(self, target: int) -> bool:
        """Whether a target's link is down."""

    def truth(self) -> Forecast:
        """What the oracle expects of every target."""

    def forecast(self) -> Forecast:
        """What the profile says of every target, given what is sensed."""

    def forecast_again(self) -> Forecast:
        """What the profile says of the next query like this one on each target, had that answered this one."""

    def best(self) -> int:
        """The oracle's target."""

    def reachable(self) -> Indices:
        """Indices of the targets that can be reached now."""

    def is_cloud_up(self) -> bool:
        """Whether the link to the cloud is up."""

    def sensed(self) -> Sensed:
        """What can be sensed of the query."""


class SimWorld:
    """An endless row of simulated queries (``autoscale.loop.World``); its workload decides which network asks.

    >>> from autoscale import make_agent, run_query
    >>> from autoscale_envs import WorldOptions
    >>> world = SimWorld(WorldOptions(device="s10e", scenario="D2"), seed=0)
    >>> agent = make_agent("q-learning", world.targets)
    >>> answer, context, decision = run_query(world, agent, None, "AUTO")
    >>> decision.outcome.latency_s > 0.0
    True

    Args:
        options: what it is, or what ``make_parameters`` makes of that, which worlds may share; or an environment that
            is there already.
        seed: of all its randomness: same seed, same choices, same outcomes.
    """

    def __init__(self, options: WorldOptions | WorldParameters | Inside, seed: int = 0) -> None:
        if isinstance(options, WorldOptions):
            options = make_parameters(options)
        self._view: Inside = lone(options, seed) if isinstance(options, WorldParameters) else options
        self.parameters = self._view.parameters
        self.targets: tuple[Target, ...] = self.parameters.targets
        self._links = [remote.name for remote in self.parameters.remotes]
        self._places = dict.fromkeys(("device", *(remote.place for remote in self.parameters.remotes)))

    def observe(self, query: Any = None) -> Context:
        """What an agent may know of the query now asked; it stays the same until that is performed."""
        view, network, goal = self._view, self._view.query.network, self.parameters.goals[self._view.query.network]
        reachable, forecast = view.reachable(), view.forecast
        if self.parameters.cut:
            told = forecast()
            reachable, forecast = told.without_vain_cuts(goal, reachable, self.parameters.cut), lambda: told
        return Context(
            self.parameters.networks[network],
            self._observation(),
            goal,
            reachable,
            forecast,
            float(self.parameters.references[network]),
            view.forecast_again,
        )

    def perform(self, query: Any, context: Context, choice: Choice) -> Performance:
        """Run the query now asked on the chosen target; the next one is asked.

        A target that is refused (its link is down, or nothing is known of the network there) does not answer: the
        reference target does, once the device has waited in vain.

        Raises:
            InvalidTarget: no such target.
        """
        self._view.check(choice.index)
        parameters, asked, target = self.parameters, self._view.query, self.targets[choice.index]
        is_refused = self._view.is_refused(choice.index)
        cost = self._view.run(choice.index)
        outcome = _outcome(parameters, asked, cost)
        if not is_refused:
            return Performance(outcome, (Attempt(target, outcome.latency_s),))
        lost_s = float(parameters.patience_s[asked.network])
        is_known = parameters.covered[asked.network, choice.index]
        why = "its link is down" if is_known else "nothing is known of the network there"
        failed = Attempt(target, lost_s, why, TargetUnavailable.__name__)
        answered = Attempt(self.targets[parameters.reference_targets[asked.network]], outcome.latency_s - lost_s)
        return Performance(outcome, (failed, answered))

    def truth(self) -> Forecast:
        """What the oracle expects of every target for the query now asked."""
        return self._view.truth()

    def oracle(self) -> int:
        """The best target for the query now asked."""
        return self._view.best()

    def _observation(self) -> Observation:
        seen, state, is_up = self._view.sensed(), self._view.state, self._view.is_cloud_up()
        ups = [is_up or not in_cloud for in_cloud in self.parameters.in_cloud]
        links = map(LinkState, seen.rssi_dbm, seen.round_trip_s, seen.uplink_bps, seen.downlink_bps, ups)
        home_g_per_kwh, cloud_g_per_kwh = seen.device_intensity_g_per_kwh, seen.cloud_intensity_g_per_kwh
        return Observation(
            seen.cpu_load,
            seen.memory_load,
            dict(zip(self._links, links, strict=True)),
            float(state.temperature_c),
            None if self.parameters.device.battery_wh is None else float(state.battery),
            None,
            {place: cloud_g_per_kwh if place == "cloud" else home_g_per_kwh for place in self._places},
        )


def _outcome(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Outcome:
    grams, accuracy = carbon(parameters, query, cost), cost.coefficients.accuracy
    return Outcome(
        cost.latency_s,
        Split(cost.device_j, grams.network_j, cost.remote_j),
        grams.operational_g,
        grams.embodied_g,
        None if math.isnan(accuracy) else accuracy,
        METHODS,
        # Where no byte went over a network, all of it was added.
        added_carbon_g=added_g(parameters, query, cost) if cost.coefficients.moved_bytes else None,
    )
