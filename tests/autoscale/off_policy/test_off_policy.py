"""Policies judged on another's log, in worlds whose truth is known."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from autoscale import Agent, Choice, Context, Goal, Outcome, Target, make_agent
from autoscale.agents.fixed import Cloud, DeviceBest
from autoscale.errors import InvalidInput
from autoscale.off_policy.estimators import (
    effective_queries,
    estimated,
    student_quantile,
)
from autoscale.off_policy.judge import Judgement, judge
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Split

TARGETS = tuple(map(Target.parse, ("device:cpu/fp32", "device:npu/int8", "cloud:gpu/fp32")))
EXPECTED_J = np.array([0.05, 0.02, 0.09])
FORECAST = Forecast(np.array([0.03, 0.02, 0.04]), EXPECTED_J, EXPECTED_J, np.full(3, 0.7))
TRUE_J = np.array([0.06, 0.025, 0.05])
LATE = np.array([0.1, 0.3, 0.0])


class Fixed(Agent):
    """Chooses by probabilities that never change."""

    name = "by-chance"

    def __init__(self, targets: Sequence[Target], chances: Sequence[float]) -> None:
        super().__init__(targets)
        self.chances = np.array(chances)

    def select(self, context: Context) -> Choice:
        index = int(self.rng.choice(3, p=self.chances))
        return Choice(index, float(self.chances[index]))

    def probabilities(self, context: Context) -> np.ndarray:
        return self.chances


def log(chances: Sequence[float], count: int, seed: int, *, forecast: Forecast | None = FORECAST) -> list[LoggedQuery]:
    """Queries of two sizes, the large ones rarely sent to the NPU: plain means of what went there mislead."""
    dice, found = np.random.default_rng(seed), []
    for _ in range(count):
        size = float(dice.choice([0.5, 3.0]))
        own = np.array(chances) * (np.array([1.0, 0.2, 1.0]) if size > 1.0 else 1.0)
        own /= own.sum()
        index = int(dice.choice(3, p=own))
        joules = float(TRUE_J[index] * size * dice.lognormal(0.0, 0.3))
        latency_s = 0.06 if dice.random() < LATE[index] else 0.02
        scaled = (
            None
            if forecast is None
            else Forecast(
                *(
                    np.array(each)
                    for each in (forecast.latency_s, forecast.energy_j * size, forecast.carbon_g, forecast.accuracy)
                )
            )
        )
        context = Context(
            ModelProfile("net"),
            Observation(),
            Goal(),
            np.arange(3),
            (lambda kept=scaled: kept) if scaled else None,
            0.05,
        )
        found.append(LoggedQuery(TARGETS, context, index, float(own[index]), Outcome(latency_s, Split(joules))))
    return found


def truth(chances: Sequence[float]) -> tuple[float, float]:
    """Mean joules and misses of a policy, over both sizes."""
    policy = np.array(chances)
    return float(policy @ TRUE_J) * 1.75 * math.exp(0.3**2 / 2.0), float(policy @ LATE)


@pytest.mark.parametrize("forecast", [FORECAST, None], ids=["forecast", "no-forecast"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(forecast: Forecast | None) -> None:
    policy = [0.1, 0.7, 0.2]
    joules, missed = truth(policy)
    held = {name: [0, 0] for name in ("ips", "snips", "doubly_robust")}
    for seed in range(100):
        found = judge(lambda targets: Fixed(targets, policy), log([0.4, 0.3, 0.3], 400, seed, forecast=forecast))
        for name, counts in held.items():
            counts[0] += found.objective[name].low <= joules <= found.objective[name].high
            counts[1] += found.missed[name].low <= missed <= found.missed[name].high
    assert all(88 <= each <= 100 for counts in held.values() for each in counts), held


def test_what_is_rare_may_not_have_happened() -> None:
    held, chance = 0, 0.02
    for seed in range(100):
        dice, queries = np.random.default_rng(seed), log([0.4, 0.3, 0.3], 200, seed)
        rare = [
            replace(each, outcome=Outcome(0.06 if dice.random() < chance else 0.02, Split(0.1))) for each in queries
        ]
        held += judge(Cloud, rare).missed["snips"].high >= chance
    assert held >= 90, "most of these logs show no miss in the cloud at all"


def test_a_model_of_the_outcome_makes_the_interval_narrow() -> None:
    found = judge(lambda targets: Fixed(targets, [0.1, 0.7, 0.2]), log([0.4, 0.3, 0.3], 2000, 0))
    width = {name: each.high - each.low for name, each in found.objective.items()}
    assert width["doubly_robust"] < 0.6 * width["ips"]
    mean = {name: each.mean for name, each in found.objective.items()}
    assert mean == pytest.approx(dict.fromkeys(mean, truth([0.1, 0.7, 0.2])[0]), rel=0.15)


def test_what_the_log_never_tried_is_refused_by_name() -> None:
    found = judge(DeviceBest, log([0.5, 0.5, 0.0], 500, 0))
    assert found.refusal is None
    found = judge(Cloud, log([0.5, 0.5, 0.0], 500, 0))
    assert found.refusal == "the log does not cover cloud:gpu/fp32 (policy 100.0%, log 0 of 500)"
    assert not found.objective


def test_probabilities_that_the_log_only_pretends_are_found_out() -> None:
    queries = [each for each in log([0.4, 0.3, 0.3], 3000, 0) if each.chosen != 2 or each.outcome.latency_s > 1.0]
    some = log([0.4, 0.3, 0.3], 3000, 1)
    rare = [each for each in some if each.chosen == 2][:20]  # as if the rest had been lost
    found = judge(Cloud, [*queries, *rare])
    assert list(found.uncovered) == [TARGETS[2]]


def test_a_log_of_which_half_never_explored_is_found_out() -> None:
    half = [replace(each, chosen=0, probability=1.0) for each in log([0.4, 0.3, 0.3], 800, 1)]
    found = judge(Cloud, [*log([0.4, 0.3, 0.3], 800, 0), *half])
    assert found.refusal is not None and "do not add up" in found.refusal
    low = [replace(each, probability=each.probability / 2.0) for each in log([0.4, 0.3, 0.3], 800, 0)]
    assert list(judge(Cloud, low).uncovered) == [TARGETS[2]], "probabilities too low weigh too much"


def test_a_forecast_of_nonsense_costs_no_less_than_nothing() -> None:
    wild = Forecast(FORECAST.latency_s, np.array([1e9, 1.0, 1e-9]), EXPECTED_J, FORECAST.accuracy)
    found = judge(Cloud, log([0.4, 0.3, 0.3], 400, 0, forecast=wild))
    assert all(each.low >= 0.0 for each in found.objective.values())


def test_too_few_queries_tell_nothing() -> None:
    found = judge(Cloud, log([0.4, 0.3, 0.3], 40, 0))
    assert found.refusal is not None and "too few" in found.refusal


def test_an_agent_that_learns_gets_better_along_the_log() -> None:
    queries = log([0.4, 0.3, 0.3], 800, 0)
    still = judge(lambda targets: make_agent("q-learning", targets), queries)
    learning = judge(lambda targets: make_agent("q-learning", targets), queries, learns=True)
    assert learning.reward["doubly_robust"].mean > still.reward["doubly_robust"].mean


def test_formulas_by_hand() -> None:
    weights, values = np.array([2.0, 0.0, 1.0]), np.array([1.0, 5.0, 4.0])
    found = estimated(weights, values, expected=np.full(3, 3.0), modelled=np.array([1.0, 1.0, 3.0]))
    means = {name: each.mean for name, each in found.items()}
    assert means == pytest.approx({"ips": 2.0, "snips": 2.0, "doubly_robust": 3.0 + (0.0 + 0.0 + 1.0) / 3.0})
    assert effective_queries(weights) == pytest.approx(9.0 / 5.0)


@pytest.mark.parametrize("freedom", [3.0, 4.5, 10.0, 29.0, 300.0])
def test_students_points(freedom: float) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


def test_bad_input_is_named() -> None:
    good = log([0.4, 0.3, 0.3], 1, 0)[0]
    with pytest.raises(InvalidInput, match="no queries"):
        judge(Cloud, [])
    with pytest.raises(InvalidInput, match=r"probability is 0.0; allowed: above 0"):
        LoggedQuery(TARGETS, good.context, good.chosen, 0.0, good.outcome)
    with pytest.raises(InvalidInput, match="chosen is 7"):
        LoggedQuery(TARGETS, good.context, 7, 0.5, good.outcome)
    other = Context(ModelProfile("net"), Observation(), Goal("carbon"), np.arange(3))
    with pytest.raises(InvalidInput, match=r"\['carbon', 'energy'\]"):
        judge(Cloud, [good, LoggedQuery(TARGETS, other, 0, 0.5, good.outcome)])


def test_a_judgement_without_estimates_says_why() -> None:
    assert Judgement(3, 1.0).refusal == "3 queries are worth 1 of the policy's own, too few to tell"
