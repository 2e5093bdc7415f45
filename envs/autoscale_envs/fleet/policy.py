"""Who decides: a table from the paper's variance features to a target, for each network.

A query's state is its network, the bins of the co-runner's loads, and whether the signal to the cloud is weak. What the
device's profile forecasts for the middle of each state says which target is best there; that is where an agent ends
that has learned the table for long. No tablet is near: targets on the connected edge are never chosen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.agents.paper_state import LOAD_EDGES
from autoscale.arrays import Floats, Indices
from autoscale.physics.carbon import g_per_j
from autoscale.physics.contention import cpu_strain, memory_strain
from autoscale.query.forecast import Forecast, best_targets
from autoscale_envs.fleet.regions import mean_pue
from autoscale_envs.variance.network import Conditions, passage
from autoscale_envs.variance.processes import Flags
from autoscale_envs.variance.scenarios import LEVELS_DBM
from autoscale_envs.variance.thermal import AIR_C
from autoscale_envs.worlds.carbon import objective
from autoscale_envs.worlds.dynamics import Costs, State, expected
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.view import forecast_of

EXPLORED: Final = 0.1
"""Share of the queries that ``learned`` sends anywhere; the paper's epsilon."""

LEARNED: Final = "learned"
"""The policy that takes all that is near."""

LOADS: Final = np.array([0.0, 0.12, 0.5, 0.9])
"""The middle of each bin."""
BINS: Final = len(LOADS)
STATES: Final = BINS * BINS * 2
"""Of one network."""


@dataclass(frozen=True)
class TablePolicy:
    """A table of choices, and what the profile forecasts.

    Attributes:
        chosen: target of each state, shape (networks * STATES,).
        near: targets that are there to be chosen, whatever the policy takes of them.
        allowed: targets that exploring may take.
        explored: probability of exploring.
        cloud: number of the link to the cloud.
        weak_dbm: from this signal down it is weak.
        levels_dbm: the middle signal of a state that is not weak, and of one that is.
        forecast: of each state, every figure of shape (networks * STATES, targets).
    """

    chosen: Indices
    near: Indices
    allowed: Indices
    explored: float
    cloud: int
    weak_dbm: float
    levels_dbm: tuple[float, float]
    forecast: Forecast

    def states(self, network: Indices, sensed: Sensed) -> Indices:
        """The state of each query, in the shape of ``network``."""
        cpu, memory = (np.searchsorted(LOAD_EDGES, load, side="right") for load in sensed[:2])
        weak = np.asarray(sensed.rssi_dbm[self.cloud] <= self.weak_dbm)
        return np.asarray(((network * BINS + cpu) * BINS + memory) * 2 + weak)

    def choose(self, states: Indices, uniforms: Floats) -> tuple[Indices, Floats]:
        """Targets, and the probability with which each was chosen; one uniform decides all."""
        best = self.chosen.take(states)
        if not self.explored:
            return best, np.ones_like(uniforms)
        other = self.allowed.take((uniforms * (len(self.allowed) / self.explored)).astype(np.intp), mode="clip")
        target = np.where(uniforms < self.explored, other, best)
        by_chance = self.explored / len(self.allowed)
        return target, np.where(target == best, 1.0 - self.explored + by_chance, by_chance)


def make_policy(parameters: WorldParameters, name: str) -> TablePolicy:
    """The policy of that name (see ``plan.POLICIES``) in a world."""
    query = _typical(parameters)
    figures = _expected(parameters, query)
    allowed = _allowed(parameters, name)
    limits_s = parameters.limits_s.repeat(STATES)
    chosen = best_targets(
        figures.latency_s,
        objective(parameters, query, figures),
        figures.coefficients.accuracy,
        np.broadcast_to(allowed, figures.latency_s.shape),
        limits_s[:, None],
        parameters.options.min_accuracy,
    )
    learns = name == LEARNED
    if not learns:  # as in a calm world, whatever the state
        chosen = chosen[::STATES].repeat(STATES)
    (cloud,) = parameters.servers
    levels = LEVELS_DBM[parameters.links[cloud].signal]
    weak_dbm = 0.5 * (levels["middle"] + levels["weak"])
    return TablePolicy(
        chosen,
        np.flatnonzero(_allowed(parameters, LEARNED)),
        np.flatnonzero(allowed),
        EXPLORED if learns else 0.0,
        cloud,
        weak_dbm,
        (levels["regular"], levels["weak"]),
        forecast_of(parameters, query, figures),
    )


def _allowed(parameters: WorldParameters, name: str) -> Flags:
    if name == "device-cpu-fp32":
        return np.asarray(np.arange(len(parameters.targets)) == parameters.reference_target)
    places = {"cloud": ("cloud",), "device-best": ("device",)}.get(name, ("device", "cloud"))
    return np.array([target.place in places for target in parameters.targets])


def _expected(parameters: WorldParameters, query: SimulatedQuery) -> Costs:
    """Of every target in every state, shape (networks * STATES, targets), in the middle of a session."""
    gap_s = parameters.options.gap_s
    state = State(AIR_C, 1.0, [gap_s for _ in parameters.radio_links])
    return expected(parameters, parameters.nominal_factors, 0, query, state, np.arange(len(parameters.targets)))


def _typical(parameters: WorldParameters) -> SimulatedQuery:
    """The query in the middle of every state, each field of shape (networks * STATES, 1)."""
    shape = (len(parameters.networks), BINS, BINS, 2)
    network, cpu, memory, weak = (each.reshape(-1, 1) for each in np.indices(shape))
    (cloud,) = parameters.servers
    levels = LEVELS_DBM[parameters.links[cloud].signal]
    one, zero = np.ones(network.shape), np.zeros(network.shape)
    home, away = (each.g_per_kwh.mean() for each in parameters.curves)
    at = Conditions(np.where(weak, levels["weak"], levels["regular"]), one, one, one)
    moved = passage(parameters.paths[cloud], at, network)

    def to_cloud(value: Floats) -> list[Floats]:
        return [value if link == cloud else zero for link in range(len(parameters.links))]

    return SimulatedQuery(
        network,
        zero,
        one * parameters.options.gap_s,
        cpu_strain(LOADS[cpu]),
        memory_strain(LOADS[memory]),
        *(one, one),
        zero,
        *(one * g_per_j(home), one * g_per_j(away, mean_pue())),
        *(to_cloud(each) for each in (moved.move_s, moved.move_j, moved.round_trip_s)),
        *(to_cloud(each) for each in (one * parameters.usual_queue_s, zero)),
    )
