"""A day of some devices: when people open an app, what each session's queries meet, and what they cost.

A session is an episode of the simulator: ``QUERIES`` queries in a row, with the co-runners, signals, queues and noise
of ``blocks``, and heat, battery and the radio's tail carried from each query to the next by ``dynamics``.
"""

from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Indices, Numbers
from autoscale.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from autoscale_envs.fleet.population import Cohort, People
from autoscale_envs.fleet.regions import REGIONS
from autoscale_envs.variance.battery import start_charge
from autoscale_envs.variance.draws import UNIFORMS
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.interference import co_runners
from autoscale_envs.variance.workload import QUERIES_IN_A_ROW
from autoscale_envs.worlds.blocks import ProcessState, QueryBlock, next_block
from autoscale_envs.worlds.dynamics import costs, initial, transition
from autoscale_envs.worlds.query import SimulatedQuery

QUERIES: Final = round(QUERIES_IN_A_ROW)
"""In a session; ours, as there."""


BY_HOUR: Final = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 7, 7, 7, 7, 8, 9, 10, 10, 9, 7, 4],
    dtype=np.float64,
)
"""Sessions in each hour of the local day, relative to each other: few at night, most in the evening; ours."""


class SimulatedDay(NamedTuple):
    """The queries of a day; shape (sessions, QUERIES) but for ``device``, of shape (sessions,).

    Attributes:
        device: which device's the session is, rising.
        time_s: since midnight UTC.
        network: that asks.
        state: of the policy's table.
        target: that answered.
        probability: with which it was chosen.
        latency_s: from the call to the answer.
        device_j: of the device.
        remote_j: of the server, without its building's.
        remote_s: how long that computed.
        accuracy: NaN where unknown.
    """

    device: Indices
    time_s: Numbers
    network: Numbers
    state: Numbers
    target: Numbers
    probability: Numbers
    latency_s: Numbers
    device_j: Numbers
    remote_j: Numbers
    remote_s: Numbers
    accuracy: Numbers


def simulate_day(
    cohort: Cohort, people: People, sessions_per_day: float, generator: np.random.Generator
) -> SimulatedDay:
    """A day of some devices of a cohort.

    Args:
        cohort: whose they are.
        people: the devices.
        sessions_per_day: of a device, on average.
        generator: of this day's randomness.
    """
    count = generator.poisson(sessions_per_day * people.activity)
    device = np.arange(len(count)).repeat(count)
    start_s = _starts_s(generator, people.region.take(device))
    order = np.lexsort((start_s, device))
    start_s = start_s.take(order)
    hidden = Hidden(*(each.take(device, axis=0) for each in people.hidden))
    block, uniforms = _meet(cohort, hidden, generator)
    query = block.query
    state = cohort.policy.states(query.network, block.sensed)
    target, probability = cohort.policy.choose(state, uniforms[:QUERIES])
    figures = _costs(cohort, hidden, query, target, start_charge(uniforms[QUERIES]))
    ends_s = np.cumsum(query.gap_s, axis=0)
    # No session runs over midnight: a ledger has a file for each day.
    time_s = np.minimum(start_s, SECONDS_PER_DAY - 1.0 - ends_s[-1]) + (ends_s - query.gap_s)
    by_query = (time_s, query.network, state, target, probability, *figures)
    return SimulatedDay(device, *(np.ascontiguousarray(each.T) for each in by_query))


def _starts_s(generator: np.random.Generator, region: Indices) -> Floats:
    """When sessions begin, seconds since midnight UTC, by the habits of their local day."""
    cumulative = np.concatenate([[0.0], np.cumsum(BY_HOUR)]) / BY_HOUR.sum()
    local_h = np.interp(generator.random(len(region)), cumulative, np.arange(len(cumulative)))
    ahead_h = np.array([each.ahead_h for each in REGIONS])
    return np.asarray((SECONDS_PER_HOUR * (local_h - ahead_h.take(region))) % SECONDS_PER_DAY)


def _meet(cohort: Cohort, hidden: Hidden, generator: np.random.Generator) -> tuple[QueryBlock, Floats]:
    """What the queries of the sessions meet, and uniforms for what is decided, shape (QUERIES + 1, sessions)."""
    sessions, processes = len(hidden.cpu_strain), cohort.parameters.counts.processes
    wandering = generator.standard_normal((sessions, processes))
    by_chance = generator.random((2, sessions))
    regime = co_runners(by_chance[0], cohort.parameters.scenario)
    network = (by_chance[1] * len(cohort.parameters.networks)).astype(np.intp)
    zero = np.zeros(sessions)
    memory = ProcessState(wandering, regime, network, zero, zero, np.ones((sessions, 2)), np.zeros(sessions, np.intp))
    normals = generator.standard_normal((QUERIES, processes, sessions))
    uniforms = generator.random((QUERIES, UNIFORMS, sessions))
    block, _ = next_block(cohort.parameters, hidden, memory, normals, uniforms)
    return block, generator.random((QUERIES + 1, sessions))


def _costs(cohort: Cohort, hidden: Hidden, query: SimulatedQuery, target: Indices, charge: Floats) -> Floats:
    """What the queries cost, one after the other: the last five fields of ``SimulatedDay``, (5, QUERIES, sessions)."""
    parameters, sessions = cohort.parameters, len(charge)
    taken, state = np.empty((5, QUERIES, sessions)), initial(parameters, charge)
    everyone = np.arange(sessions)
    for at in range(QUERIES):
        now = query.at(at)
        cost = costs(parameters, hidden, everyone, now, state, target[at])
        state = transition(parameters, now, state, cost)
        taken[:, at] = cost.latency_s, cost.device_j, cost.remote_j, cost.remote_s, cost.coefficients.accuracy
    return taken
