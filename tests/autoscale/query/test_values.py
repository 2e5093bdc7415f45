"""Goals, observations, models, outcomes, rewards, units and carbon: ranges and arithmetic."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoscale import units
from autoscale.agents.reward import MISS_PENALTY, reward, reward_of
from autoscale.errors import InvalidGoal, InvalidInput, InvalidObservation, ModelError
from autoscale.query.forecast import Floats, Forecast, best_targets
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.record import ANSWERED, Attempt, Decision
from autoscale.query.target import Target

nan, inf = math.nan, math.inf
amounts = st.floats(0.0, 1e12)
splits = st.builds(Split, amounts, amounts, amounts)


@pytest.mark.parametrize("latency_s", [nan, 0.0, -0.05, -inf])
def test_a_goal_needs_a_limit_above_zero(latency_s: float) -> None:
    with pytest.raises(InvalidGoal, match=r"latency_s is .*allowed: seconds above 0"):
        Goal(latency_s=latency_s)


@pytest.mark.parametrize("min_accuracy", [nan, -0.1, 1.1, 65.0])
def test_a_goal_needs_a_fraction(min_accuracy: float) -> None:
    with pytest.raises(InvalidGoal, match=r"min_accuracy is .*from 0 to 1"):
        Goal(min_accuracy=min_accuracy)


def test_a_goal_refuses_unknown_names() -> None:
    with pytest.raises(InvalidGoal, match=r"unknown objective 'enery' .did you mean 'energy'"):
        Goal("enery")
    with pytest.raises(InvalidGoal, match=r"unknown inference mode 'ONLY_DEVICE'.*'ONLY_IN_CLOUD'"):
        Goal(mode="ONLY_DEVICE")  # type: ignore[arg-type]  # what a command line gives
    assert Goal(mode="AUTO").mode is InferenceMode.AUTO  # type: ignore[arg-type]  # likewise
    assert Goal(latency_s=inf).latency_s == inf


def test_modes_say_where_a_query_may_go() -> None:
    device, edge = Target.parse("device:cpu/fp32"), Target.parse("edge:cpu/fp32")
    allowed = {mode: (mode.prefers(device), mode.prefers(edge), mode.may_fall_back) for mode in InferenceMode}
    assert allowed == {
        InferenceMode.AUTO: (True, True, True),
        InferenceMode.PREFER_ON_DEVICE: (True, False, True),
        InferenceMode.ONLY_ON_DEVICE: (True, False, False),
        InferenceMode.PREFER_IN_CLOUD: (False, True, True),
        InferenceMode.ONLY_IN_CLOUD: (False, True, False),
    }


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Observation(cpu_load=nan), "cpu_load"),
        (lambda: Observation(cpu_load=1.01), "cpu_load"),
        (lambda: Observation(memory_load=-0.01), "memory_load"),
        (lambda: Observation(temperature_c=-300.0), "temperature_c"),
        (lambda: Observation(battery=80.0), "battery"),
        (lambda: Observation(intensity_g_per_kwh={"cloud": -1.0}), "intensity_g_per_kwh of cloud"),
        (lambda: LinkState(rssi_dbm=60.0), "rssi_dbm"),
        (lambda: LinkState(round_trip_s=-1.0), "round_trip_s"),
        (lambda: LinkState(uplink_bps=nan), "uplink_bps"),
        (lambda: LinkState(downlink_bps=-1.0), "downlink_bps"),
    ],
)
def test_an_observation_outside_its_range_is_refused(make: Callable[[], object], name: str) -> None:
    with pytest.raises(InvalidObservation, match=f"{name} is .*; allowed: .*or None where it is not sensed"):
        make()


def test_what_is_not_sensed_is_absent() -> None:
    nothing = Observation()
    assert nothing.cpu_load is nothing.battery is None
    assert nothing.link("cloud") == LinkState()


def test_an_observation_can_be_copied_pickled_and_unfolded() -> None:
    seen = Observation(cpu_load=0.5, links={"cloud": LinkState(rssi_dbm=-60.0)})
    assert copy.deepcopy(seen) == pickle.loads(pickle.dumps(seen)) == seen
    assert asdict(seen)["links"]["cloud"]["rssi_dbm"] == -60.0


def test_a_model_profile_refuses_impossible_counts() -> None:
    with pytest.raises(ModelError, match="macs is -1"):
        ModelProfile("m", macs=-1)
    with pytest.raises(ModelError, match=r"unknown precision 'int9'.*did you mean 'int8'"):
        ModelProfile("m", accuracies={"int9": Accuracy(0.5, "x")})
    with pytest.raises(ModelError, match="accuracy is 76"):
        Accuracy(76.0, "percent")
    assert ModelProfile("m", accuracies={"int8": Accuracy(0.5, "x")}).accuracy("int8") == 0.5
    assert ModelProfile("m").accuracy("int8") is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Outcome(nan),
        lambda: Outcome(-0.1),
        lambda: Outcome(inf),
        lambda: Outcome(0.1, energy_j=Split(device=nan)),
        lambda: Outcome(0.1, energy_j=Split(network=-1.0)),
        lambda: Outcome(0.1, energy_j=Split(device=-1.0, remote=2.0)),
        lambda: Outcome(0.1, carbon_operational_g=Split(remote=nan)),
        lambda: Outcome(0.1, carbon_embodied_g=Split(device=inf)),
        lambda: Outcome(0.1, accuracy=nan),
        lambda: Outcome(0.1, accuracy=76.0),
    ],
)
def test_an_outcome_is_made_of_finite_amounts(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput, match="allowed"):
        make()


@given(splits, splits)
def test_splits_add_part_by_part(first: Split, second: Split) -> None:
    both = first + second
    assert (both.device, both.network) == (first.device + second.device, first.network + second.network)
    assert both.total == pytest.approx(first.total + second.total)
    assert first + second == second + first


@given(amounts, splits, splits, splits)
def test_objectives_are_the_devices_energy_everybodys_carbon_or_time(
    latency_s: float, energy_j: Split, operational: Split, embodied: Split
) -> None:
    outcome = Outcome(latency_s, energy_j, operational, embodied)
    assert outcome.objective_value(Goal("energy")) == energy_j.device
    assert outcome.objective_value(Goal("carbon")) == operational.total + embodied.total
    assert outcome.objective_value(Goal("latency")) == latency_s


def test_an_answer_is_late_after_the_limit_and_not_at_it() -> None:
    assert not Outcome(0.05).is_late(Goal(latency_s=0.05))
    assert Outcome(0.0500001).is_late(Goal(latency_s=0.05))
    assert not Outcome(1e9).is_late(Goal(latency_s=inf))


def test_unknown_accuracy_is_no_miss() -> None:
    goal = Goal(min_accuracy=0.65)
    missed = [Outcome(0.01, accuracy=accuracy).misses_accuracy(goal) for accuracy in (0.64, 0.65, None)]
    assert missed == [True, False, False]


references = st.floats(1e-3, 1e3)
sane = st.floats(0.0, MISS_PENALTY)
"""Energies up to ten times the reference's."""


@given(sane, sane, references)
def test_late_is_always_worse_than_in_time(late_j: float, in_time_j: float, reference: float) -> None:
    assume(in_time_j < MISS_PENALTY or late_j > 0.0)
    late = reward(Outcome(0.06, Split(device=late_j * reference)), Goal(), reference)
    in_time = reward(Outcome(0.04, Split(device=in_time_j * reference)), Goal(), reference)
    assert late <= in_time or late == pytest.approx(in_time)


@given(amounts, amounts, references)
def test_less_is_better(first_j: float, second_j: float, reference: float) -> None:
    rewards = [reward(Outcome(0.01, Split(device=energy_j)), Goal(), reference) for energy_j in (first_j, second_j)]
    assert (rewards[0] > rewards[1]) <= (first_j < second_j)


def test_a_miss_of_accuracy_costs_as_much_as_a_late_answer() -> None:
    goal = Goal(min_accuracy=0.7)
    assert reward(Outcome(0.01, Split(device=1.0), accuracy=0.6), goal) == -1.0 - MISS_PENALTY
    assert reward(Outcome(0.09, Split(device=1.0), accuracy=0.6), goal) == -1.0 - MISS_PENALTY


@given(st.floats(-1e15, 1e15))
def test_conversions_have_inverses(value: float) -> None:
    assert units.j_from_kwh(units.kwh_from_j(value)) == pytest.approx(value)
    assert units.bps_from_mbps(units.mbps_from_bps(value)) == pytest.approx(value)
    assert units.s_from_ms(units.ms_from_s(value)) == pytest.approx(value)


@given(st.integers(0, 10**13))
def test_frequencies_come_back_whole(frequency_hz: int) -> None:
    assert units.hz_from_mhz(units.mhz_from_hz(frequency_hz)) == frequency_hz


@given(st.integers(0, 10**15))
def test_microseconds_come_back_whole(amount: int) -> None:
    assert units.us_from_s(amount / 1e6) == amount


def test_the_best_of_a_forecast() -> None:
    forecast = Forecast(
        latency_s=np.array([0.01, 0.04, 0.09, 0.02]),
        energy_j=np.array([4.0, 2.0, 1.0, 3.0]),
        carbon_g=np.array([1.0, 4.0, 2.0, 3.0]),
        accuracy=np.array([0.9, 0.6, 0.8, np.nan]),
    )
    everything = range(4)
    assert forecast.best(Goal(), everything) == 1
    assert forecast.best(Goal(latency_s=inf), everything) == 2
    assert forecast.best(Goal("carbon"), everything) == forecast.best(Goal("latency"), everything) == 0
    assert forecast.best(Goal(min_accuracy=0.7), everything) == 3, "an unknown accuracy is no miss"
    assert forecast.best(Goal(latency_s=0.001), everything) == 2, "none in time: the best objective all the same"
    assert forecast.best(Goal(min_accuracy=0.95), [0, 1, 2]) == 0, "none accurate enough: the most accurate"
    assert forecast.best(Goal(), [2]) == 2


def test_a_decision_says_where_the_answer_came_from() -> None:
    cloud, edge = Target.parse("cloud:gpu/fp32"), Target.parse("edge:cpu/int8")
    attempts = (Attempt(cloud, 0.1, "timed out", "DeadlineExceeded"), Attempt(edge, 0.02))
    decision = Decision("AUTO", cloud, attempts, None, None, Outcome(0.12), 0.9, -1.0)
    assert (decision.selected, decision.did_fallback, decision.inference_source) == (edge, True, "peer")
    assert attempts[1].reason == ANSWERED


def best_by_hand(latency_s: Floats, energy_j: Floats, accuracy: Floats, may: list[int], goal: Goal) -> int:
    """The rule said in words, one target after the other."""
    floor = 0.0 if goal.min_accuracy is None else goal.min_accuracy
    accurate = [i for i in may if not accuracy[i] < floor]
    in_time = [i for i in accurate if latency_s[i] <= goal.latency_s]
    if not accurate:
        return max(may, key=lambda i: float(accuracy[i]))
    return min(in_time or accurate, key=lambda i: float(energy_j[i]))


@pytest.mark.parametrize("floor", [None, 0.5, 0.99])
def test_the_best_of_many_is_that_of_each(floor: float | None) -> None:
    rng = np.random.default_rng(0)
    latency_s, energy_j = rng.uniform(0.01, 0.1, (2, 300, 6))
    accuracy = np.where(rng.random((300, 6)) < 0.1, np.nan, rng.uniform(0.4, 0.95, (300, 6)))
    admitted = rng.random((300, 6)) < 0.7
    admitted[:, 0] = True
    limits_s = rng.uniform(0.005, 0.1, 300)
    best = best_targets(latency_s, energy_j, accuracy, admitted, limits_s[:, None], floor)
    for i in range(300):
        goal, may = Goal("energy", limits_s[i], floor), np.flatnonzero(admitted[i])
        wanted = best_by_hand(latency_s[i], energy_j[i], accuracy[i], may.tolist(), goal)
        assert best[i] == Forecast(latency_s[i], energy_j[i], energy_j[i], accuracy[i]).best(goal, may) == wanted


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.booleans(), st.booleans()), min_size=1, max_size=5))
def test_rewards_of_many_are_that_of_each(answers: list[tuple[float, bool, bool]]) -> None:
    goal = Goal(latency_s=0.05, min_accuracy=0.5)
    many = reward_of(*(np.array([each[0] for each in answers]), 2.0), *np.array([each[1:] for each in answers]).T)
    for value, (energy_j, is_late, is_inaccurate) in zip(many, answers, strict=True):
        outcome = Outcome(0.1 if is_late else 0.01, Split(energy_j), accuracy=0.4 if is_inaccurate else 0.6)
        assert value == reward(outcome, goal, 2.0)
