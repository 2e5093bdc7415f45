"""What a choice costs, and what it leaves behind: pure functions of arrays, or of plain numbers for one query.

The formulas are those of ``autoscale.physics``. The same code serves one environment (numbers), many (arrays over
environments) and the oracle (arrays over environments and targets); it is arithmetic and look-ups alone, so all three
agree to the last bit.

Energy is the paper's (Kim and Wu, MICRO 2020): of the device only, its busy processor and its idle power until the
answer comes; for a remote target the radio that sends and receives, and the device that waits. A radio that was used
stays awake for its tail; a transfer is charged for as much of the tail as it adds to the last one's. Energy of the
network and the remote machine is kept apart, for carbon.
"""

from operator import add, mul
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Numbers, column_of, looked_up, most, row_of
from autoscale.physics import radio
from autoscale.physics.contention import SPINNING
from autoscale.physics.power import busy_j
from autoscale_envs.variance import battery, thermal
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.unrest import slowdown
from autoscale_envs.worlds.coefficients import CostCoefficients, total
from autoscale_envs.worlds.opening import unopened, with_opened
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import PerLink, SimulatedQuery
from autoscale_envs.worlds.splits import Parts

LONG_REST_S: Final = 3600.0
"""How long the radios have rested when an episode begins."""


class State(NamedTuple):
    """What earlier choices left behind: numbers, or arrays over environments.

    Attributes:
        temperature_c: of the device.
        battery: its charge.
        rest_s: how long each radio has rested.
        opened: how much of opening each network on each kind of target (``Openings.pair``) has been paid, 0.0 or 1.0,
            with an axis over them at the end; None where nobody pays for it.
    """

    temperature_c: Numbers
    battery: Numbers
    rest_s: PerLink
    opened: Floats | None = None

    def figures(self) -> list[Numbers]:
        """All of it but what is opened, one after the other."""
        return [self.temperature_c, self.battery, *self.rest_s]

    @classmethod
    def of(cls, figures: PerLink) -> "State":
        """The inverse of ``figures``."""
        return cls(figures[0], figures[1], figures[2:])

    def wide(self) -> "State":
        """The same with one more axis, over targets."""
        opened = None if self.opened is None else self.opened[..., None, :]
        return State.of([each[..., None] for each in self.figures()])._replace(opened=opened)

    def spread(self, queries: float) -> "State":
        """The same where what is yet to be opened is paid by so many queries, each alike."""
        return self if self.opened is None else self._replace(opened=1.0 - (1.0 - self.opened) / queries)


class Costs(NamedTuple):
    """What queries cost, in the broadcast shape of the arguments.

    Attributes:
        latency_s: from the call to the answer.
        core_s: core-seconds that a CPU worked for it, whichever machine's.
        device_j: of the device.
        remote_j: of the machine that answered.
        remote_s: how long that computed.
        uses: whether each radio is used, 1.0 or 0.0.
        coefficients: what network and target have to do with it.
    """

    latency_s: Numbers
    core_s: Numbers
    device_j: Numbers
    remote_j: Numbers
    remote_s: Numbers
    uses: PerLink
    coefficients: CostCoefficients


def initial(parameters: WorldParameters, charge: Floats) -> State:
    """A device as warm as the scenario has it, whose radios rest; the battery's charge is given, shape (n,)."""
    rest_s = [np.full_like(charge, LONG_REST_S) for _ in parameters.radio_links]
    pairs = parameters.openings.count * len(parameters.networks) if parameters.options.cold_start else 0
    opened = np.zeros((len(charge), pairs)) if pairs else None
    return State(np.full_like(charge, parameters.scenario.beginning_c), charge, rest_s, opened)


def costs(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    target: Numbers,
) -> Costs:
    """What a query costs on a target.

    Args:
        parameters: of the world.
        hidden: the factors of all its environments.
        environment: which of them the query is in.
        query: what it meets.
        state: what earlier choices left behind.
        target: where it runs; integers that broadcast with the rest.
    """
    at = parameters, hidden, environment, query, state
    if parameters.parts is None:
        work, head = _work(*at, query.network, target), None
    else:
        work, head = _cut_work(*at, parameters.parts, query.network * len(parameters.targets) + target)
    pair, compute_s = work.pair, work.compute_s
    move_s, move_j = pair.of_link(query.move_s), pair.of_link(query.move_j)
    uses = [total([pair.on[link] for link in links]) for links in parameters.radio_links]
    rest_s = total([*map(mul, uses, state.rest_s)])
    if head is not None:
        move_s = head.moved(pair.of_link(query.send_s), move_s)
        move_j = head.moved(pair.of_link(query.send_j), move_j)
        rest_s = rest_s + head.compute_s
    waits_s = map(add, map(add, query.round_trip_s, query.queue_s), query.surprise_s)
    wait_s = pair.of_link(waits_s) + radio.wake_s(pair.promotion_s, pair.tail_s, rest_s)
    is_remote = total(uses)
    remote_s = is_remote * compute_s
    waiting_j = radio.waiting_j(pair.tail_w, pair.tail_s, pair.rest_w, wait_s + remote_s)
    radio_j = move_j + waiting_j + radio.tail_j(pair.tail_w, pair.tail_s, rest_s)
    spent_s = compute_s + move_s
    if head is not None:
        spent_s = spent_s + head.compute_s
    latency_s = spent_s * query.latency_noise + wait_s
    if state.opened is not None:
        openings = parameters.openings
        unpaid = unopened(state.opened, openings.pair(query.network, target))
        latency_s = latency_s + unpaid * openings.seconds.take(target)
    core_s, worked_j = work.core_s, work.worked_j
    away_j = is_remote * worked_j
    own_j = worked_j - away_j + radio_j
    if head is not None:
        core_s, own_j = core_s + head.core_s, own_j + head.worked_j
    device_j = own_j * query.energy_noise + parameters.device.idle_w * latency_s
    if state.opened is not None:
        device_j = device_j + unpaid * openings.joules.take(target)
    remote_j = away_j + pair.remote_idle_w * remote_s
    return Costs(latency_s, core_s, device_j, remote_j, remote_s, uses, pair)


class _Work(NamedTuple):
    """What computing costs the machine that does it: the row of coefficients, seconds, core-seconds, joules."""

    pair: CostCoefficients
    compute_s: Numbers
    core_s: Numbers
    worked_j: Numbers


class _Head(NamedTuple):
    """What the head of a network in two parts costs, 0 of one in one piece; and what its tail moves, as shares."""

    compute_s: Numbers
    core_s: Numbers
    worked_j: Numbers
    sent: Numbers
    received: Numbers

    def moved(self, sending: Numbers, moving: Numbers) -> Numbers:
        """Of what moving the whole network's bytes takes, sending with it, what the tail's take."""
        return self.sent * sending + self.received * (moving - sending)


def _work(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    row: Numbers,
    target: Numbers,
) -> _Work:
    """What the network, or the part of one, whose coefficients stand in ``row`` costs on a target in one piece."""
    column = row * len(parameters.runs) + _run(parameters, state.temperature_c, target)
    pair = CostCoefficients.of(column_of(parameters.coefficients, column))
    which = environment * parameters.hierarchy.cells + looked_up(parameters.hierarchy.cell, column)
    slower, hungrier = row_of(hidden.computing.reshape(-1, 2), which)
    if parameters.scenario.is_restless:
        processor = environment * parameters.processor_count + looked_up(parameters.processors, target)
        period_s = parameters.scenario.drift_period_s
        slower = slower * slowdown(hidden.unrest, environment, processor, query.elapsed_s, period_s)
    for_cores, for_memory = pair.cpu_bound * query.cpu_strain, pair.memory_bound * query.memory_strain
    alone_s = pair.latency_s * slower
    compute_s = alone_s * (1.0 + for_cores + for_memory)
    core_s = pair.cores * (alone_s * (1.0 + SPINNING * for_cores + for_memory))
    return _Work(pair, compute_s, core_s, hungrier * busy_j(pair.busy_w, pair.core_w, compute_s, core_s))


def _cut_work(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    parts: Parts,
    cell: Numbers,
) -> tuple[_Work, _Head]:
    """The same of a world whose networks may be in two parts: of the tail, or the whole; and of the head."""
    at = parameters, hidden, environment, query, state
    tail = _work(*at, looked_up(parts.tail_row, cell), looked_up(parts.tail, cell))
    head = _work(*at, looked_up(parts.head_row, cell), looked_up(parts.head, cell))
    is_cut, sent, received = (looked_up(each, cell) for each in (parts.is_cut, parts.sent, parts.received))
    return tail, _Head(is_cut * head.compute_s, is_cut * head.core_s, is_cut * head.worked_j, sent, received)


def _run(parameters: WorldParameters, temperature_c: Numbers, target: Numbers) -> Numbers:
    """What a target becomes under the governor's cap; itself where nothing is hot."""
    caps_c = parameters.cap_temperatures_c
    is_hot = temperature_c >= caps_c[0]
    if not (is_hot if isinstance(is_hot, bool) else is_hot.any()):
        return target
    cap = sum(temperature_c >= each_c for each_c in caps_c)
    return looked_up(parameters.capped, cap * len(parameters.whole) + target)


def attempted(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    target: Numbers,
    is_refused: Numbers,
) -> Costs:
    """``costs`` of a choice that may be refused, because its link is down or nothing is known of the network there.

    The device then waits for an answer until it is too late (``PATIENCE_S`` where nothing is), its radio awake, and
    runs the query on the reference target.

    Args:
        parameters: as for ``costs``, as are the following.
        hidden: likewise.
        environment: likewise.
        query: likewise.
        state: likewise.
        target: what was chosen.
        is_refused: whether it is.
    """
    cost = costs(
        parameters, hidden, environment, query, state, answering(parameters, query.network, target, is_refused)
    )
    lost_s = is_refused * looked_up(parameters.patience_s, query.network)
    return cost._replace(
        latency_s=cost.latency_s + lost_s,
        device_j=cost.device_j + lost_s * (parameters.device.idle_w + looked_up(parameters.trying_w, target)),
    )


def answering(parameters: WorldParameters, network: Numbers, target: Numbers, is_refused: Numbers) -> Numbers:
    """The target that answers: the network's reference target where a choice is refused."""
    return target + is_refused * (looked_up(parameters.reference_targets, network) - target)


def expected(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    target: Numbers,
) -> Costs:
    """What it costs on average over what nobody can know beforehand; arguments as for ``costs``."""
    return costs(parameters, hidden, environment, calm(query), state, target)


def calm(query: SimulatedQuery) -> SimulatedQuery:
    """The same queries without what nobody can know of a single one: noise, jitter, the luck of the queue."""
    return query._replace(latency_noise=1.0, energy_noise=1.0, surprise_s=[0.0 for _ in query.surprise_s])


def sensed_query(
    parameters: WorldParameters, hidden: Hidden, environment: Numbers, query: SimulatedQuery
) -> SimulatedQuery:
    """The same queries as the device knows them: what it senses, with hidden factors and the server's queue left out.

    ``expected`` of it, with factors of 1 for ``hidden``, is the profile's forecast.
    """
    return query._replace(
        cpu_strain=query.cpu_strain / hidden.cpu_strain[environment],
        memory_strain=query.memory_strain / hidden.memory_strain[environment],
        move_j=[each / hidden.radio[environment, link] for link, each in enumerate(query.move_j)],
        queue_s=[parameters.usual_queue_s * is_cloud for is_cloud in parameters.in_cloud],
        send_j=[each / hidden.radio[environment, link] for link, each in enumerate(query.send_j)],
    )


def transition(
    parameters: WorldParameters, query: SimulatedQuery, state: State, cost: Costs, answered: Numbers = 0
) -> State:
    """What the choice leaves behind for the next query; the target that answered counts where opening it costs."""
    span_s = most(query.gap_s, cost.latency_s)
    unused_s = span_s - cost.latency_s
    beside_w = parameters.device.idle_w + query.co_runner_w
    power_w = (cost.device_j - parameters.device.idle_w * cost.latency_s) / span_s + beside_w
    rest_s = [
        _rest_s(rested_s, span_s, unused_s, is_used) for rested_s, is_used in zip(state.rest_s, cost.uses, strict=True)
    ]
    return State(
        thermal.warmed_c(state.temperature_c, power_w, span_s, parameters.thermal, parameters.scenario.air_c),
        battery.drained(state.battery, power_w, span_s, parameters.capacity_j),
        rest_s,
        None if state.opened is None else with_opened(state.opened, parameters.openings.pair(query.network, answered)),
    )


def _rest_s(rest_s: Numbers, span_s: Numbers, unused_s: Numbers, is_used: Numbers) -> Numbers:
    """How long a radio has rested at the next query: since the answer, if it was used."""
    return is_used * unused_s + (1.0 - is_used) * (rest_s + span_s)
