"""Whether a policy may take the place of the one that made a log: not where it may well be worse."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from autoscale.agents.base import Agent
from autoscale.agents.policies import load_policy, save_policy
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import read_logged_queries
from autoscale.off_policy.estimators import Estimate, mean_of
from autoscale.off_policy.judge import judge
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.target import Target


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a log says of a policy beside its own; rewards are means a query, larger is better.

    Attributes:
        queries: that it was judged on.
        policy: the new policy's reward, doubly robust; None where the log cannot tell.
        logged: the reward of the policy that made the log.
        refusal: why the new policy may not take its place; None where it may.
    """

    queries: int
    policy: Estimate | None
    logged: Estimate
    refusal: str | None


def read_guard(path: Path, objective: str) -> list[LoggedQuery]:
    """The queries of a log that a policy for an objective is judged by.

    Raises:
        InvalidInput: there are none.
    """
    log = read_logged_queries(path)
    queries = [each for each in log.queries if each.context.goal.objective == objective]
    if not queries:
        raise InvalidInput(
            f"guard '{path}' has no queries for the objective {objective} that keep what stood to be chosen: "
            f"{log.rows} rows, skipped {dict(log.skipped)}"
        )
    return queries


def check_against(queries: list[LoggedQuery], agent: Agent) -> Verdict:
    """Judge a trained agent as a session would start it: from its policy file, transferred to the log's targets."""
    rewards = np.array([each.reward for each in queries])
    logged = mean_of(rewards)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.npz")
        save_policy(agent, path)
        found = judge(partial(_start, path), queries)
    policy = found.reward.get("doubly_robust")
    if policy is None:
        return Verdict(len(queries), None, logged, found.refusal)
    worse = f"its reward may be as low as {policy.low:.4g} a query; that of the policy that logged, {logged.low:.4g}"
    return Verdict(len(queries), policy, logged, worse if policy.low < logged.low else None)


def _start(path: Path, targets: Sequence[Target]) -> Agent:
    return load_policy(path, targets, adapt=True)
