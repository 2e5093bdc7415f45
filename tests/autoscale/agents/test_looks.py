"""What the corrector looks at."""

import numpy as np
import pytest

from autoscale.agents.base import make_agent
from autoscale.agents.correction.exploring import LATE_LOOKS, LOOKS_EVERY, late_looks, looks
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from tests.autoscale.agents.toy_parts import FEW

LATENCY_S = np.array([0.03, 0.04, 0.0525, 0.08, 0.03])
ENERGY_J = np.array([0.4, 0.3, 0.1, 0.05, 0.5])
EVERYTHING = np.arange(len(FEW))


def test_what_is_told_to_be_just_late_and_far_cheaper_is_looked_at() -> None:
    """It is told 5 % above the limit, and is 5 % below it; a look costs half a late answer, so not all find it soon."""
    assert np.mean([_share_of_the_cheap_one(seed) > 0.8 for seed in range(9)]) > 0.5


def _share_of_the_cheap_one(seed: int) -> float:
    forecast = Forecast(LATENCY_S, ENERGY_J, 1e-4 * ENERGY_J, np.full(len(FEW), np.nan))
    truth_s = LATENCY_S * np.where(EVERYTHING == 2, 0.9, 1.0)
    agent, rng, picks = make_agent("corrector", FEW, seed), np.random.default_rng(seed), []
    for _ in range(150):
        context = Context(ModelProfile("net"), Observation(), Goal(latency_s=0.05), EVERYTHING, lambda: forecast)
        picks.append(agent.select(context).index)
        luck = np.exp(0.03 * rng.standard_normal(2))
        outcome = Outcome(float(truth_s[picks[-1]] * luck[0]), Split(device=float(ENERGY_J[picks[-1]] * luck[1])))
        agent.learn(context, picks[-1], outcome, 0.0)
    return float(np.mean(np.array(picks[100:]) == 2))


@pytest.mark.parametrize("on_time", [0.5, 0.9, 0.99, 0.999])
def test_looks_cost_no_more_late_answers_than_the_goal_allows(on_time: float) -> None:
    most = [late_looks(on_time, True, queries) for queries in range(1000)]
    assert max(most) <= 1.0 - on_time
    assert min(most[::8]) > 0.0
    assert np.mean(most[500:]) / LOOKS_EVERY <= min(LATE_LOOKS, 0.5 * (1.0 - on_time))


def test_what_may_have_changed_may_be_in_time_too() -> None:
    """A target is known well, to be cheap and late; the longer ago that was seen, the more a look at it is worth."""
    cost, none = np.array([0.0, -0.5]), np.zeros(2)
    told = (np.full(2, 1e-9), np.array([True, False]), None, np.array([0.0, 1.0]), np.array([-1.0, 0.4]), none, False)
    looked = [looks(0, cost, *told, np.arange(2), 100.0, 1.0, np.array([0.0, each])) for each in (0.0, 0.5, 1.0)]
    assert looked[0] is None
    assert looked[1] is not None and looked[2] is not None
    assert 0.0 < looked[1][1] < looked[2][1] <= 1.0
