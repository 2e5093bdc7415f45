"""One cell of the grid: every contestant's runs, side by side."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter_ns
from typing import Any

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice, checked_choice
from autoscale.arrays import Floats, Indices
from autoscale.loop import run_query
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale_envs.evaluation.batch import Batch, BatchStep
from autoscale_envs.evaluation.contestants import CLOUD, REFERENCE, makers
from autoscale_envs.evaluation.metrics import (
    Flags,
    Scores,
    Trial,
    as_good,
    curves,
    excess_of,
    recovery,
    scores_of,
)
from autoscale_envs.evaluation.own_agent import blaming
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.measured.contestants import ORACLE
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters


@dataclass(frozen=True)
class Result:
    """What one contestant did in one cell.

    Attributes:
        scores: one value a run.
        curves: see ``metrics.curves``, shape (runs, visits).
        recovery: see ``metrics.recovery``, one a run.
        learns: whether it has anything to learn.
        places: ``place:processor``, with ``, cut`` of a network in two, to the share of judged queries sent there.
        select_ns: median time to choose.
        learn_ns: median time to learn; 0 where there is nothing to.
        table_bytes: what it remembers at the end, the largest of its runs.
    """

    scores: Scores
    curves: Floats
    recovery: Floats
    learns: bool
    places: dict[str, float]
    select_ns: float
    learn_ns: float
    table_bytes: int


class Stopwatch(Agent):
    """Times another agent, and answers for it: what it does wrong is told with the name it was asked for by.

    Args:
        agent: whom.
        asked: the name it takes part by.

    Attributes:
        learns: whether the agent has anything to learn.
    """

    name = "stopwatch"

    def __init__(self, agent: Agent, asked: str) -> None:
        super().__init__(agent.targets)
        self.agent, self.asked = agent, asked
        self.learns = type(agent).learn is not Agent.learn
        self.select_ns: list[int] = []
        self.learn_ns: list[int] = []

    def select(self, context: Context) -> Choice:
        """The agent's choice.

        Raises:
            InvalidTarget: it is none of the targets.
            InvalidInput: it is made with no probability.
            RuntimeError: the agent's code raised.
        """
        with blaming(self.asked):
            start = perf_counter_ns()
            choice = self.agent.select(context)
            self.select_ns.append(perf_counter_ns() - start)
        return checked_choice(self.asked, choice, len(self.targets))

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Let the agent learn.

        Raises:
            RuntimeError: its code raised.
        """
        with blaming(self.asked):
            start = perf_counter_ns()
            self.agent.learn(context, index, outcome, reward, next_context)
            self.learn_ns.append(perf_counter_ns() - start)

    def state(self) -> Arrays:
        """The agent's."""
        return self.agent.state()


def rollout(plan: Plan, cell: Cell, first: int = 0, runs: int | None = None) -> dict[str, Result]:
    """Every contestant's result in one cell; the same whenever and wherever it is computed, but for the times.

    Args:
        plan: the comparison.
        cell: which of its cells.
        first: of the cell's runs the first one, counted from 0.
        runs: how many; None for all that follow. ``joined`` makes one result of several parts of a cell.

    Raises:
        AutoScaleError: a contestant cannot be made, or cannot choose in this world.
    """
    with _one_thread():
        return _rollout(plan, cell, plan.run_seeds(cell)[first:][:runs])


def joined(parts: Sequence[Result]) -> Result:
    """One contestant's result in one cell, of parts of as many runs each."""
    visits = min(each.curves.shape[1] for each in parts)
    return Result(
        Scores._make(np.concatenate(each) for each in zip(*(part.scores for part in parts), strict=True)),
        np.concatenate([each.curves[:, :visits] for each in parts]),
        np.concatenate([each.recovery for each in parts]),
        parts[0].learns,
        mean_places(parts),
        _median(each.select_ns for each in parts),
        _median(each.learn_ns for each in parts),
        max(each.table_bytes for each in parts),
    )


def mean_places(results: Sequence[Result]) -> dict[str, float]:
    """``place:processor`` to the mean share of judged queries sent there, the largest first."""
    places = {place for each in results for place in each.places}
    shares = {place: sum(each.places.get(place, 0.0) for each in results) / len(results) for place in places}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _rollout(plan: Plan, cell: Cell, seeds: list[int]) -> dict[str, Result]:
    parameters, make = make_parameters(plan.world(cell)), makers(plan, cell)
    batch = Batch(parameters, seeds * len(make), plan.noisy)
    one_each = [(name, seed) for name in make for seed in seeds]
    agents = [
        Stopwatch(make[name](world, seed), name) for world, (name, seed) in zip(batch.worlds, one_each, strict=True)
    ]
    trial, changed = _trial(batch, agents, plan.run_queries)
    trials = dict(zip(make, _split(trial, len(seeds)), strict=True))
    own = [slice(first, first + len(seeds)) for first in range(0, len(agents), len(seeds))]
    return {
        name: _result(parameters, trials, name, agents[mine], changed[mine], plan.run_warm_up)
        for name, mine in zip(make, own, strict=True)
    }


def _one_thread() -> AbstractContextManager[Any]:
    """Keeps the linear algebra of other cells' processes off this one's core: their threads cost ten times the work."""
    if find_spec("threadpoolctl") is None:  # it comes with scikit-learn, and small products are all there is without
        return nullcontext()
    limits: AbstractContextManager[Any] = import_module("threadpoolctl").threadpool_limits(1)
    return limits


def _trial(batch: Batch, agents: Sequence[Stopwatch], queries: int) -> tuple[Trial, Flags]:
    """What every world made of every query, and whether its scenario's change then lay behind it."""
    steps, changed = [], []
    for _ in range(queries):
        for seat, world, agent in zip(batch.seats, batch.worlds, agents, strict=True):
            if agent.learns:
                run_query(world, agent, None, "AUTO")
            else:  # the same loop, but for the outcome that nobody would look at: half of the time
                seat.choose(agent.select(world.observe()).index)
        step = batch.step()
        steps.append(_judged(step))
        changed.append(step.changed)
    return Trial._make(np.stack(each, axis=1) for each in zip(*steps, strict=True)), np.stack(changed, axis=1)


def _judged(step: BatchStep) -> Trial:
    """One query of every world, arrays of shape (worlds,)."""
    (_, value, meets, best), every = step.truth, np.arange(len(step.chosen))
    pairs = value[every, step.chosen], value[every, best], meets[every, step.chosen], meets[every, best]
    exact, (reward, late, inaccurate, cost, _) = step.chosen == best, step.score
    near, excess = as_good(*pairs), excess_of(*pairs)
    return Trial(step.network, step.chosen, step.device_j, cost, reward, late, inaccurate, exact, near, excess)


def _split(trial: Trial, runs: int) -> list[Trial]:
    """By contestant."""
    return [Trial._make(each[start : start + runs] for each in trial) for start in range(0, len(trial.chosen), runs)]


def _result(
    parameters: WorldParameters,
    trials: Mapping[str, Trial],
    name: str,
    watches: Sequence[Stopwatch],
    changed: Flags,
    warm_up: int,
) -> Result:
    trial, oracle = trials[name], trials[ORACLE]
    return Result(
        scores_of(trial, oracle, trials[REFERENCE], trials[CLOUD], warm_up),
        curves(trial),
        recovery(trial.excess, changed),
        watches[0].learns,
        _places(parameters, trial.chosen[:, warm_up:]),
        _median(ns for watch in watches for ns in watch.select_ns),
        _median(ns for watch in watches for ns in watch.learn_ns or (0,)),
        max(sum(array.nbytes for array in watch.state().values()) for watch in watches),
    )


def _places(parameters: WorldParameters, chosen: Indices) -> dict[str, float]:
    counts = Counter(parameters.targets[index] for index in chosen.ravel().tolist())
    shares: dict[str, float] = {}
    for target, count in counts.most_common():
        name = f"{target.place}:{target.processor}" + ", cut" * (target.cut is not None)
        shares[name] = shares.get(name, 0.0) + count / chosen.size
    return shares


def _median(times_ns: Iterable[float]) -> float:
    return float(np.median(np.fromiter(times_ns, dtype=np.float64)))
