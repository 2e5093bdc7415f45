"""``autoscale train --guard``: a policy that may be worse than the one that logged is not written."""

from pathlib import Path

import numpy as np
import pytest

from autoscale import Choice, Target, make_agent
from autoscale.errors import InvalidInput
from autoscale.off_policy.logged import LoggedQuery
from autoscale_envs import WorldOptions
from autoscale_envs.training.guard import check_against, read_guard
from autoscale_envs.worlds.sim_world import SimWorld


def log(queries: int, targets: int | None = None) -> list[LoggedQuery]:
    """Queries of a simulated phone, chosen at random among the first ``targets``."""
    world, dice = (
        SimWorld(WorldOptions(device="mi8pro", scenario="S1", settings="threads"), seed=0),
        np.random.default_rng(0),
    )
    found = []
    for _ in range(queries):
        context = world.observe()
        assert context.forecast is not None
        may = context.admitted if targets is None else context.admitted[:targets]
        choice = Choice(int(dice.choice(may)), 1.0 / may.size)
        outcome = world.perform(None, context, choice).outcome
        found.append(LoggedQuery(world.targets, context, choice.index, choice.probability, outcome))
    return found


def test_a_better_policy_passes_and_one_that_may_be_worse_does_not() -> None:
    queries = log(1200)
    better = check_against(queries, make_agent("q-learning", queries[0].targets))
    assert better.policy is not None
    assert (better.refusal is None) == (better.policy.low >= better.logged.low)
    best = check_against(queries, make_agent("device-best", queries[0].targets))
    assert best.refusal is None, best
    assert best.policy is not None and best.policy.low > best.logged.high


def test_what_the_log_never_tried_does_not_pass() -> None:
    queries = log(300, targets=2)
    verdict = check_against(queries, make_agent("cloud", queries[0].targets))
    assert verdict.policy is None
    assert verdict.refusal is not None and "does not cover cloud:" in verdict.refusal


def test_a_guard_without_queries_is_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no ledger and no file"):
        read_guard(tmp_path / "none", "energy")


def test_other_targets_are_met_by_transfer() -> None:
    queries = log(400)
    other = [each for each in queries[0].targets if each.place == "device"] + [Target.parse("cloud:npu/int8")]
    assert check_against(queries, make_agent("q-learning", other)).queries == 400
