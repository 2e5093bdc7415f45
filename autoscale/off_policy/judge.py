"""What a policy would have cost on queries that another one decided."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autoscale.agents.base import Agent
from autoscale.agents.reward import expected_reward
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput
from autoscale.off_policy.estimators import Estimate, effective_queries, estimated
from autoscale.off_policy.logged import LoggedQuery
from autoscale.off_policy.outcome_model import fit_outcomes
from autoscale.off_policy.overlap import LEAST_EFFECTIVE, uncovered
from autoscale.query.target import Target

_UNSEEN: Final = 3.0
"""Misses of the greatest weight that the high end has room for, the rule of three: of n queries none misses, with a
chance of 5 %, where 3 of n would (Hanley and Lippman-Hand, JAMA 249:1743, 1983).
"""

_UNLIKE: Final = ", whose probabilities do not add up to that"

MakeAgent = Callable[[Sequence[Target]], Agent]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the log says of one policy.

    Attributes:
        queries: that it was judged on.
        effective_queries: how many of the policy's own they are worth.
        objective: estimator to the mean objective of a query: joules, grams or seconds; empty where refused.
        missed: estimator to the fraction that misses its goal, likewise.
        reward: estimator to the mean reward, likewise; what one number compares policies by.
        uncovered: targets that the policy would use and the log does not cover: the policy's share of each, and how
            often the log chose it.
    """

    queries: int
    effective_queries: float
    objective: dict[str, Estimate] = field(default_factory=dict)
    missed: dict[str, Estimate] = field(default_factory=dict)
    reward: dict[str, Estimate] = field(default_factory=dict)
    uncovered: dict[Target, tuple[float, int]] = field(default_factory=dict)

    @property
    def refusal(self) -> str | None:
        """Why there is no estimate; None where there is one."""
        if self.uncovered:
            targets = [
                f"{target} (policy {share:.1%}, log {tried} of {self.queries}{_UNLIKE * (tried > 0)})"
                for target, (share, tried) in self.uncovered.items()
            ]
            return f"the log does not cover {', '.join(targets)}"
        if self.objective:
            return None
        return f"{self.queries} queries are worth {self.effective_queries:.0f} of the policy's own, too few to tell"


def judge(make_agent: MakeAgent, queries: Iterable[LoggedQuery], *, learns: bool = False) -> Judgement:
    """Judge a policy on a log.

    Args:
        make_agent: makes the agent for some targets.
        queries: in the order in which they were decided; those of one tuple of targets are judged together, which for
            one device is all of them.
        learns: whether the agent learns from each query after it was asked for its choice, as it would have; else it
            stays as it was made.

    Raises:
        InvalidInput: no queries, or of more than one objective.
    """
    listed = list(queries)
    if not listed:
        raise InvalidInput("there are no queries to judge by; allowed: one or more that keep what stood to be chosen")
    objectives = sorted({each.context.goal.objective for each in listed})
    if len(objectives) > 1:
        raise InvalidInput(f"the queries minimise {objectives}; allowed: one objective at a time")
    groups: dict[tuple[Target, ...], list[LoggedQuery]] = {}
    for each in listed:
        groups.setdefault(each.targets, []).append(each)
    return _joined([_evidence(make_agent(targets), own, learns) for targets, own in groups.items()])


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Of the queries of one tuple of targets; all arrays of shape (queries,), in ``figures`` (3, queries).

    Attributes:
        weights: the policy's chance of what was chosen over the logged one.
        figures: name to the values, what the model expects of the policy, and what it says of what was chosen.
        uncovered: as in a judgement.
    """

    weights: Floats
    figures: dict[str, Floats]
    uncovered: dict[Target, tuple[float, int]]


def _evidence(agent: Agent, queries: Sequence[LoggedQuery], learns: bool) -> _Evidence:
    chances, chosen = _chances(agent, queries, learns), np.array([each.chosen for each in queries])
    at = (np.arange(len(queries)), chosen)
    weights = chances[at] / np.array([each.probability for each in queries])
    objective = np.array([each.outcome.objective_value(each.context.goal) for each in queries])
    missed = np.array([float(each.is_missed) for each in queries])
    reference = np.array([each.context.reference for each in queries])
    modelled = fit_outcomes(queries, objective, missed)
    rewards = expected_reward(modelled.objective, reference[:, None], modelled.is_missed)
    values = {
        "objective": (objective, modelled.objective),
        "missed": (missed, modelled.is_missed),
        "reward": (expected_reward(objective, reference, missed), rewards),
    }
    figures = {
        name: np.array([value, (chances * model).sum(axis=1), model[at]]) for name, (value, model) in values.items()
    }
    targets = agent.targets
    lacking = {targets[index]: each for index, each in uncovered(chances, chosen, weights).items()}
    return _Evidence(weights, figures, lacking)


def _chances(agent: Agent, queries: Sequence[LoggedQuery], learns: bool) -> Floats:
    """Of every target for every query, shape (queries, targets)."""
    rows = []
    for each in queries:
        rows.append(agent.probabilities(each.context))
        if learns:
            agent.learn(each.context, each.chosen, each.outcome, each.reward)
    return np.array(rows)


def _joined(parts: Sequence[_Evidence]) -> Judgement:
    weights = np.concatenate([each.weights for each in parts])
    worth, lacking = effective_queries(weights), dict[Target, tuple[float, int]]()
    for each in parts:
        for target, (share, tried) in each.uncovered.items():
            so_far, before = lacking.get(target, (0.0, 0))
            lacking[target] = so_far + share * each.weights.size / weights.size, before + tried
    if lacking or worth < LEAST_EFFECTIVE:
        return Judgement(weights.size, worth, uncovered=lacking)
    figures = {name: np.concatenate([each.figures[name] for each in parts], axis=1) for name in parts[0].figures}
    found = {name: estimated(weights, *rows) for name, rows in figures.items()}
    unseen = _UNSEEN * float(weights.max()) / weights.size
    missed = {
        name: Estimate(each.mean, each.low, each.high + unseen).within(0.0, 1.0)
        for name, each in found["missed"].items()
    }
    objective = {name: each.within(0.0, math.inf) for name, each in found["objective"].items()}
    return Judgement(weights.size, worth, objective, missed, found["reward"])
