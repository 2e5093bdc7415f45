"""What each query of an episode meets, whatever is done about it: every source of variance, put together.

None of it depends on what the agent does, so it is computed for a block of queries at once. What does depend on it
(heat, battery, the radio's rest) is in ``dynamics``.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Indices, Numbers
from autoscale.physics import contention, queueing
from autoscale.physics.carbon import g_per_j
from autoscale.units import SECONDS_PER_DAY
from autoscale_envs.variance import intensity, interference, network, server, workload
from autoscale_envs.variance.draws import Draws
from autoscale_envs.variance.hidden import Hidden, hidden_factors
from autoscale_envs.variance.outages import failures
from autoscale_envs.variance.processes import Flags, gauss_markov, times
from autoscale_envs.variance.unrest import unrest
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery

LATENCY_NOISE: Final = 0.05
ENERGY_NOISE: Final = 0.05
"""What no model explains of one query, evenly spread up to this fraction to either side: repeated runs differ so."""


class ProcessState(NamedTuple):
    """What a block needs to know of the one before; arrays over environments.

    Attributes:
        wandering: last values of the wandering processes, shape (n, processes): the links' signals, their rates, the
            servers' loads, the co-runner's activity.
        regime: which co-runner was there.
        network: which network asked.
        time_s: from midnight UTC to the episode's beginning.
        elapsed_s: since that (and with it the trace) began.
        day: factors of the day's carbon intensity at the device and in the cloud, shape (n, 2).
        outage: whether (1) the links to the cloud were down.
    """

    wandering: Floats
    regime: Indices
    network: Indices
    time_s: Floats
    elapsed_s: Floats
    day: Floats
    outage: Indices


class QueryBlock(NamedTuple):
    """The next queries of some environments, arrays of shape (queries, n), and whether links to the cloud are up."""

    query: SimulatedQuery
    sensed: Sensed
    is_up: Numbers


def begin(parameters: WorldParameters, draws: Draws, environments: Indices) -> tuple[Hidden, ProcessState, Floats]:
    """Draw what an episode keeps: hidden factors, where the processes start, and uniforms for the battery's charge."""
    counts, scenario = parameters.counts, parameters.scenario
    changes = 1 + 3 * parameters.processor_count if scenario.is_restless else 0
    normals, uniforms = draws.episode(environments, counts.factors + counts.processes + 2, 5 + changes)
    factors, wandering, day = np.split(normals, np.cumsum([counts.factors, counts.processes]), axis=1)
    moved = unrest(scenario, uniforms[:, 5:], parameters.options.gap_s) if scenario.is_restless else None
    hidden = hidden_factors(factors, parameters.options.hidden_sigma, counts, parameters.hierarchy, moved)
    regime = interference.co_runners(uniforms[:, 0], parameters.scenario)
    asks = (uniforms[:, 1] * len(parameters.networks)).astype(np.intp)
    spreads = np.array([each.day_spread for each in parameters.curves])
    time_s = SECONDS_PER_DAY * uniforms[:, 2]
    share = 0.0 if scenario.outages is None else scenario.outages.share
    down = (uniforms[:, 4] < share).astype(np.intp)
    memory = ProcessState(wandering, regime, asks, time_s, np.zeros_like(time_s), np.exp(spreads * day), down)
    return hidden, memory, uniforms[:, 3]


def next_block(
    parameters: WorldParameters, hidden: Hidden, memory: ProcessState, normals: Floats, uniforms: Floats
) -> tuple[QueryBlock, ProcessState]:
    """The next queries, and what the block after them needs to know.

    Args:
        parameters: of the world.
        hidden: its environments' factors.
        memory: of the block before.
        normals: shape (queries, processes, n).
        uniforms: shape (queries, ``parameters.uniforms``, n).
    """
    hidden = _as_exact_as(normals, hidden)
    by_chance = uniforms.transpose(1, 0, 2)
    gap_s = workload.gaps(by_chance[1], parameters.options.gap_s)
    asked_s = times(gap_s, memory.elapsed_s)
    elapsed_s, outage = asked_s[:-1], memory.outage
    paths = gauss_markov(
        normals, memory.wandering.T.astype(normals.dtype), parameters.correlations.astype(normals.dtype)
    )
    wandering = paths.transpose(1, 0, 2)
    asks = workload.next_networks(by_chance[0], memory.network, len(parameters.networks))
    regime = interference.co_runner_regimes(by_chance[2], memory.regime, parameters.scenario, parameters.options.gap_s)
    if parameters.scenario.outages is not None:
        path = failures(by_chance[7], memory.outage, parameters.scenario.outages, parameters.options.gap_s)
        outage, is_up = path[-1], path == 0
    else:
        is_up = None
    passages = _passages(parameters, hidden, wandering, asks, elapsed_s, is_up)
    loads = _loads(parameters, regime, wandering[-1])
    grid = _grid(parameters, memory, elapsed_s, normals.dtype)
    busy = wandering[2 * len(passages) : -1]
    block = QueryBlock(
        _query(parameters, hidden, asks, gap_s, elapsed_s, passages, loads, grid, busy, by_chance[3:]),
        _sensed(loads, passages, grid),
        passages[parameters.servers[0]].is_up if parameters.servers else np.array(True),
    )
    return block, ProcessState(paths[-1].T, regime[-1], asks[-1], memory.time_s, asked_s[-1], memory.day, outage)


def _as_exact_as(drawn: Floats, hidden: Hidden) -> Hidden:
    """The factors of what is not computing, as exact as the numbers drawn: one double makes a whole block double."""
    names = ("cpu_strain", "memory_strain", "server_load", "rate", "round_trip", "radio")
    return hidden._replace(**{name: getattr(hidden, name).astype(drawn.dtype, copy=False) for name in names})


def _passages(
    parameters: WorldParameters,
    hidden: Hidden,
    wandering: Floats,
    asks: Indices,
    time_s: Floats,
    is_up: Flags | None,
) -> list[network.Passage]:
    trace, at = parameters.trace, None
    if trace is not None:
        at = trace.index_at(time_s, parameters.options.trace_end)
    passages, rates = [], wandering[len(parameters.remotes) :]
    for i, (remote, path) in enumerate(zip(parameters.remotes, parameters.paths, strict=True)):
        conditions = network.Conditions(
            network.signal_dbm(remote.link, parameters.scenario.signal(remote.place), wandering[i]),
            network.rate_factor(remote.link, rates[i]) * hidden.rate[:, i],
            hidden.round_trip[:, i],
            hidden.radio[:, i],
        )
        traced = (trace, at, is_up) if i in parameters.servers else (None, None, None)
        passages.append(network.passage(path, conditions, asks, *traced, parts=parameters.parts is not None))
    return passages


def _loads(parameters: WorldParameters, regime: Indices, straying: Floats) -> tuple[Floats, Floats]:
    co_runners = parameters.scenario.co_runners
    cpu = interference.loads([each.cpu_load for each in co_runners], regime, straying)
    return cpu, interference.loads([each.memory_load for each in co_runners], regime, straying)


def _grid(
    parameters: WorldParameters, memory: ProcessState, elapsed_s: Floats, kind: np.dtype[Any]
) -> tuple[Floats, Floats]:
    hour = intensity.hour_of_day(memory.time_s + elapsed_s)
    device, cloud = (
        curve.g_per_kwh.astype(kind).take(hour) * factor
        for curve, factor in zip(parameters.curves, memory.day.T.astype(kind), strict=True)
    )
    return device, cloud


def _query(
    parameters: WorldParameters,
    hidden: Hidden,
    asks: Indices,
    gap_s: Floats,
    elapsed_s: Floats,
    passages: Sequence[network.Passage],
    loads: tuple[Floats, Floats],
    grid: tuple[Floats, Floats],
    busy: Floats,
    uniforms: Floats,
) -> SimulatedQuery:
    lateness = network.lateness(uniforms[3])
    queues_s: list[Numbers] = [np.zeros_like(gap_s) for _ in passages]
    surprises_s: list[Numbers] = [
        each.round_trip_s * network.jitter(link, lateness)
        for each, link in zip(passages, parameters.links, strict=True)
    ]
    for number, at in enumerate(parameters.servers):
        load = server.server_load(busy[number], hidden.server_load[:, number])
        queues_s[at] = queueing.mean_wait_s(load)
        surprises_s[at] = surprises_s[at] + queueing.wait_s(load, uniforms[0]) - queues_s[at]
    return SimulatedQuery(
        asks,
        elapsed_s,
        gap_s,
        contention.cpu_strain(loads[0]) * hidden.cpu_strain,
        contention.memory_strain(loads[1]) * hidden.memory_strain,
        1.0 + LATENCY_NOISE * (2.0 * uniforms[1] - 1.0),
        1.0 + ENERGY_NOISE * (2.0 * uniforms[2] - 1.0),
        interference.co_runner_w(*loads, parameters.full_load_w) + parameters.scenario.heat_w,
        g_per_j(grid[0]),
        g_per_j(grid[1], parameters.pue),
        [each.move_s for each in passages],
        [each.move_j for each in passages],
        [np.broadcast_to(each.round_trip_s, gap_s.shape) for each in passages],
        queues_s,
        surprises_s,
        *([] if parameters.parts is None else ([each.send_s for each in passages], [each.send_j for each in passages])),
    )


def _sensed(loads: tuple[Floats, Floats], passages: Sequence[network.Passage], grid: tuple[Floats, Floats]) -> Sensed:
    return Sensed(
        *loads,
        *grid,
        [each.rssi_dbm for each in passages],
        [each.round_trip_s for each in passages],
        [each.uplink_bps for each in passages],
        [each.downlink_bps for each in passages],
    )
