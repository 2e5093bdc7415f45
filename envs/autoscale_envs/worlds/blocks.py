"""What each query of an episode meets, whatever is done about it: every source of variance, put together.

None of it depends on what the agent does, so it is computed for a block of queries at once. What does depend on it
(heat, battery, the radio's rest) is in ``dynamics``.
"""

from typing import Final, NamedTuple

import numpy as np

from autoscale.query.forecast import Floats, Indices
from autoscale.units import J_PER_KWH
from autoscale_envs.variance import intensity, interference, network, server, workload
from autoscale_envs.variance.draws import Draws
from autoscale_envs.variance.hidden import FACTORS, Hidden, hidden_factors
from autoscale_envs.variance.processes import Numbers, correlation, gauss_markov
from autoscale_envs.worlds.parameters import WorldParameters

PROCESSES: Final = 6
"""Those that wander: two signals, two rates, the server's load, the co-runner's activity."""

LATENCY_NOISE: Final = 0.05
ENERGY_NOISE: Final = 0.05
"""What no model explains of one query, evenly spread up to this fraction to either side: repeated runs differ so."""


class SimulatedQuery(NamedTuple):
    """What one query meets: numbers, or arrays of any one shape.

    Attributes:
        network: index of the network that asks.
        gap_s: until the next query.
        cpu_strain: how much longer its CPU-bound share takes, as a fraction.
        memory_strain: likewise its memory-bound share.
        edge_move_s: the radio sends or receives, on the link to the edge.
        edge_move_j: and what it draws for that.
        edge_wait_s: mean round trip.
        cloud_move_s: the same of the link to the cloud.
        cloud_move_j: likewise.
        cloud_wait_s: likewise.
        queue_s: mean wait at the server.
        edge_surprise_s: what this query waits longer than on average.
        cloud_surprise_s: likewise, the server's queue included.
        latency_noise: factor around 1.
        energy_noise: factor around 1.
        co_runner_w: what the co-runner draws.
        device_g_per_j: carbon intensity where the device is.
        cloud_g_per_j: where the cloud is, with its power usage effectiveness.
    """

    network: Numbers
    gap_s: Numbers
    cpu_strain: Numbers
    memory_strain: Numbers
    edge_move_s: Numbers
    edge_move_j: Numbers
    edge_wait_s: Numbers
    cloud_move_s: Numbers
    cloud_move_j: Numbers
    cloud_wait_s: Numbers
    queue_s: Numbers
    edge_surprise_s: Numbers
    cloud_surprise_s: Numbers
    latency_noise: Numbers
    energy_noise: Numbers
    co_runner_w: Numbers
    device_g_per_j: Numbers
    cloud_g_per_j: Numbers


class Sensed(NamedTuple):
    """What can be sensed of it, in the order of ``features.WORLD_FEATURES`` without temperature and battery."""

    cpu_load: Numbers
    memory_load: Numbers
    edge_rssi_dbm: Numbers
    edge_round_trip_s: Numbers
    edge_uplink_bps: Numbers
    edge_downlink_bps: Numbers
    cloud_rssi_dbm: Numbers
    cloud_round_trip_s: Numbers
    cloud_uplink_bps: Numbers
    cloud_downlink_bps: Numbers
    device_intensity_g_per_kwh: Numbers
    cloud_intensity_g_per_kwh: Numbers


class ProcessState(NamedTuple):
    """What a block needs to know of the one before; arrays over environments.

    Attributes:
        wandering: last values of the wandering processes, shape (n, 6).
        regime: which co-runner was there.
        network: which network asked.
        time_s: since midnight UTC.
        elapsed_s: since the episode (and with it the trace) began.
        day: factors of the day's carbon intensity at the device and in the cloud, shape (n, 2).
    """

    wandering: Floats
    regime: Indices
    network: Indices
    time_s: Floats
    elapsed_s: Floats
    day: Floats


class QueryBlock(NamedTuple):
    """The next queries of some environments, each array of shape (queries, n), and whether the cloud's link is up."""

    query: SimulatedQuery
    sensed: Sensed
    is_up: Numbers


def begin(tables: WorldParameters, draws: Draws, environments: Indices) -> tuple[Hidden, ProcessState, Floats]:
    """Draw what an episode keeps: hidden factors, where the processes start, and uniforms for the battery's charge."""
    normals, uniforms = draws.episode(environments, FACTORS + PROCESSES + 2, 4)
    hidden = hidden_factors(normals[:, :FACTORS], tables.options.hidden_sigma)
    wandering, day = np.split(normals[:, FACTORS:], [PROCESSES], axis=1)
    weights = np.array([each.weight for each in tables.scenario.co_runners])
    cumulative = np.cumsum(weights) / weights.sum()
    regime = np.minimum(np.searchsorted(cumulative, uniforms[:, 0], side="right"), len(weights) - 1)
    asks = (uniforms[:, 1] * len(tables.networks)).astype(np.intp)
    spreads = np.array([intensity.DEVICE_DAY_SPREAD, intensity.CLOUD_DAY_SPREAD])
    time_s = intensity.HOURS * intensity.SECONDS_PER_HOUR * uniforms[:, 2]
    memory = ProcessState(wandering, regime, asks, time_s, np.zeros_like(time_s), np.exp(spreads * day))
    return hidden, memory, uniforms[:, 3]


def next_block(
    tables: WorldParameters, hidden: Hidden, memory: ProcessState, normals: Floats, uniforms: Floats
) -> tuple[QueryBlock, ProcessState]:
    """The next queries, and what the block after them needs to know.

    Args:
        tables: the world.
        hidden: its environments' factors.
        memory: of the block before.
        normals: shape (queries, 6, n).
        uniforms: shape (queries, 7, n).
    """
    by_chance = uniforms.transpose(1, 0, 2)
    gap_s = workload.gaps(by_chance[1], tables.options.gap_s)
    ends_s = np.cumsum(gap_s, axis=0)
    starts_s = ends_s - gap_s
    paths = gauss_markov(normals, memory.wandering.T, _correlations(tables))
    wandering = paths.transpose(1, 0, 2)
    asks = workload.next_networks(by_chance[0], memory.network, len(tables.networks))
    regime = interference.co_runner_regimes(by_chance[2], memory.regime, tables.scenario, tables.options.gap_s)
    passages = _passages(tables, hidden, wandering, asks, memory.elapsed_s + starts_s)
    loads = _loads(tables, regime, wandering)
    grid = _grid(memory, starts_s)
    block = QueryBlock(
        _query(tables, hidden, asks, gap_s, passages, loads, grid, wandering[4], by_chance[3:]),
        _sensed(loads, passages, grid),
        passages[1].is_up,
    )
    last_s = ends_s[-1]
    return block, ProcessState(
        paths[-1].T, regime[-1], asks[-1], memory.time_s + last_s, memory.elapsed_s + last_s, memory.day
    )


def _correlations(tables: WorldParameters) -> Floats:
    scenario = tables.scenario
    memories_s = (
        *(scenario.edge.memory_s, scenario.cloud.memory_s),
        *(network.RATE_MEMORY_S, network.RATE_MEMORY_S),
        *(server.LOAD_MEMORY_S, interference.STRAY_MEMORY_S),
    )
    return np.array([correlation(tables.options.gap_s, memory_s) for memory_s in memories_s])


def _passages(
    tables: WorldParameters, hidden: Hidden, wandering: Floats, asks: Indices, time_s: Floats
) -> tuple[network.Passage, network.Passage]:
    signals, trace = (tables.scenario.edge, tables.scenario.cloud), tables.trace
    edge, cloud = (
        network.Conditions(
            network.signal_dbm(link, signals[i], wandering[i]),
            network.rate_factor(link, wandering[2 + i]) * hidden.rate[:, i],
            hidden.round_trip[:, i],
            hidden.radio[:, i],
        )
        for i, link in enumerate(tables.links)
    )
    at = None if trace is None else trace.index_at(time_s, tables.options.trace_end)
    return (
        network.passage(tables.paths[0], edge, asks),
        network.passage(tables.paths[1], cloud, asks, trace, at),
    )


def _loads(tables: WorldParameters, regime: Indices, wandering: Floats) -> tuple[Floats, Floats]:
    co_runners = tables.scenario.co_runners
    cpu = interference.loads([each.cpu_load for each in co_runners], regime, wandering[5])
    return cpu, interference.loads([each.memory_load for each in co_runners], regime, wandering[5])


def _grid(memory: ProcessState, since_s: Floats) -> tuple[Floats, Floats]:
    hour = intensity.hour_of_day(memory.time_s + since_s)
    device, cloud = memory.day.T
    return intensity.DEVICE_G_PER_KWH.take(hour) * device, intensity.CLOUD_G_PER_KWH.take(hour) * cloud


def _query(
    tables: WorldParameters,
    hidden: Hidden,
    asks: Indices,
    gap_s: Floats,
    passages: tuple[network.Passage, network.Passage],
    loads: tuple[Floats, Floats],
    grid: tuple[Floats, Floats],
    busy: Floats,
    uniforms: Floats,
) -> SimulatedQuery:
    edge, cloud = passages
    load = server.server_load(busy, hidden.server_load)
    queue_s = server.mean_wait_s(load)
    jitters_s = [
        each.round_trip_s * network.jitter(link, uniforms[3]) for each, link in zip(passages, tables.links, strict=True)
    ]
    return SimulatedQuery(
        asks,
        gap_s,
        interference.cpu_strain(loads[0]) * hidden.cpu_strain,
        interference.memory_strain(loads[1]) * hidden.memory_strain,
        *(edge.move_s, edge.move_j, edge.round_trip_s),
        *(cloud.move_s, cloud.move_j, cloud.round_trip_s),
        queue_s,
        jitters_s[0],
        jitters_s[1] + server.wait_s(load, uniforms[0]) - queue_s,
        1.0 + LATENCY_NOISE * (2.0 * uniforms[1] - 1.0),
        1.0 + ENERGY_NOISE * (2.0 * uniforms[2] - 1.0),
        interference.co_runner_w(*loads, interference.full_load_w(tables.device)),
        grid[0] / J_PER_KWH,
        grid[1] * (intensity.PUE / J_PER_KWH),
    )


def _sensed(
    loads: tuple[Floats, Floats], passages: tuple[network.Passage, network.Passage], grid: tuple[Floats, Floats]
) -> Sensed:
    links = [(each.rssi_dbm, each.round_trip_s, each.uplink_bps, each.downlink_bps) for each in passages]
    return Sensed(*loads, *links[0], *links[1], *grid)
