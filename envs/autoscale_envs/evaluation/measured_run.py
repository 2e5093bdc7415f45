"""One run of every contestant through a measured world."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from autoscale.agents.base import Agent
from autoscale.arrays import Floats, Indices
from autoscale.loop import run_query
from autoscale_envs.evaluation.contestants import PAPER, PaperQLearning
from autoscale_envs.evaluation.measured_plan import MeasuredCell, MeasuredPlan
from autoscale_envs.evaluation.metrics import Flags, as_good, excess_of
from autoscale_envs.evaluation.own_agent import agent_of
from autoscale_envs.evaluation.rollout import Stopwatch
from autoscale_envs.measured.contestants import rule
from autoscale_envs.measured.forecast import profile_forecasts
from autoscale_envs.measured.table import MeasuredTable
from autoscale_envs.measured.world import MeasuredWorld, truth_of


class Judged(NamedTuple):
    """What became of a contestant's choices, arrays of shape (networks, queries).

    Attributes:
        chosen: index of the target.
        excess: see ``metrics.excess_of``, of what was to be expected.
        gap: the same without the rule for misses: the expected objective beyond the oracle's.
        exact: it was the oracle's choice.
        near: it was as good.
        late: the answer came after the limit.
        inaccurate: it was less accurate than asked.
    """

    chosen: Indices
    excess: Floats
    gap: Floats
    exact: Flags
    near: Flags
    late: Flags
    inaccurate: Flags


@dataclass(frozen=True)
class MeasuredResult:
    """What one contestant did in one run.

    Attributes:
        judged: of all its queries.
        learns: whether it has anything to learn.
        select_ns: median time to choose.
        learn_ns: median time to learn; 0 where there is nothing to.
        table_bytes: what it remembers at the end.
    """

    judged: Judged
    learns: bool
    select_ns: float
    learn_ns: float
    table_bytes: int


def measured_run(plan: MeasuredPlan, cell: MeasuredCell) -> dict[str, MeasuredResult]:
    """Every contestant's result in one run; the same whenever and wherever it is computed, but for the times.

    Raises:
        AutoScaleError: a contestant cannot be made, or cannot choose in this world.
    """
    return {name: _one(plan, cell, name) for name in plan.lineup(cell.device)}


def _one(plan: MeasuredPlan, cell: MeasuredCell, name: str) -> MeasuredResult:
    table, seed = plan.tables[cell.device].held_to(plan.goal), plan.seed_of(cell)
    forecasts = None if plan.profile is None else profile_forecasts(plan.profile, table)
    world = MeasuredWorld(table, plan.goal, seed, forecasts, noisy=plan.noisy)
    agent = Stopwatch(_agent(name, world, seed), name)
    shape = len(table.networks), plan.queries
    chosen, late = np.zeros(shape, np.intp), np.zeros(shape, np.bool_)
    for _ in range(chosen.size):
        at = world.network, world.visit
        _, context, decision = run_query(world, agent, None, "AUTO")
        chosen[at] = table.targets.index(decision.chosen)
        late[at] = decision.outcome.is_late(context.goal)
    return MeasuredResult(
        _judged(plan, table, chosen, late),
        agent.learns,
        float(np.median(agent.select_ns)),
        float(np.median(agent.learn_ns or [0])),
        sum(array.nbytes for array in agent.state().values()),
    )


def _agent(name: str, world: MeasuredWorld, seed: int) -> Agent:
    if name == PAPER:
        return PaperQLearning(world.targets, seed=seed)
    return rule(name, world) or agent_of(name, world.targets, seed)


def _judged(plan: MeasuredPlan, table: MeasuredTable, chosen: Indices, late: Flags) -> Judged:
    goal, own = plan.goal, np.arange(len(chosen))[:, None]
    truths = [truth_of(table, network) for network in range(len(chosen))]
    value = np.stack([truth.objective(goal) for truth in truths])
    floor = -np.inf if goal.min_accuracy is None else goal.min_accuracy
    is_accurate = ~(table.accuracy < floor)
    meets = np.stack([truth.latency_s for truth in truths]) <= goal.latency_s
    meets &= is_accurate
    measured = [np.flatnonzero(~np.isnan(row)) for row in table.energy_j]
    best = np.array([[truth.best(goal, own)] for truth, own in zip(truths, measured, strict=True)])
    pairs = value[own, chosen], value[own, best], meets[own, chosen], meets[own, best]
    return Judged(
        chosen,
        excess_of(*pairs),
        pairs[0] / pairs[1] - 1.0,
        chosen == best,
        as_good(*pairs),
        late,
        ~is_accurate[own, chosen],
    )
