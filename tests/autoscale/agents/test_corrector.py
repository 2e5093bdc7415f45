"""What the corrector believes is right: in worlds whose answers are known, and as far as it says it is sure."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autoscale.agents.base import make_agent
from autoscale.agents.correction.cost_model_file import upgraded
from autoscale.agents.corrector import MOST_BYTES, Corrector
from autoscale.agents.reward import reward
from autoscale.agents.transfer import transfer
from autoscale.errors import InvalidGoal, InvalidInput, PolicyError
from autoscale.loop import run_query
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from tests.autoscale.agents.toy_parts import FEW, GOAL, MANY, NETWORKS, Floats, Run, ToyWorld


def test_what_it_believes_is_told_before_and_after() -> None:
    world, agent = ToyWorld(FEW, error=0.3, noise=0.05), Corrector(FEW)
    _, context, decision = run_query(world, agent, NETWORKS[0], "AUTO")
    before, after = decision.belief, decision.belief_after
    assert before is not None and after is not None
    index = FEW.index(decision.chosen)
    actual = math.log(decision.outcome.latency_s)
    assert abs(math.log(after.latency_s[index]) - actual) < abs(math.log(before.latency_s[index]) - actual)
    assert after.latency_spread[index] < before.latency_spread[index]
    assert decision.predicted_latency_s == before.latency_s[index]
    assert decision.probability == before.chance[index]
    assert before.chance.sum() == pytest.approx(1.0)
    low, middle, high = decision.latency_quantiles_s or (0.0, 0.0, 0.0)
    assert low < middle < high
    assert middle == pytest.approx(before.latency_s[index])
    assert decision.chance_late == before.chance_late[index]
    assert ((before.chance_late < 0.5) == (before.latency_s < context.goal.latency_s)).all()


@pytest.mark.parametrize("quantity", ["latency", "energy"])
def test_its_intervals_hold_as_often_as_they_say(quantity: str) -> None:
    inside = {0.8: [], 0.95: []}  # type: dict[float, list[bool]]
    for seed in range(4):
        world, agent = ToyWorld(MANY, error=0.15, noise=0.06, seed=seed), Corrector(MANY, seed)
        for number in range(400):
            _, _, decision = run_query(world, agent, NETWORKS[number % 2], "AUTO")
            assert decision.belief is not None
            believed = decision.belief.of(MANY.index(decision.chosen))
            for share, hits in inside.items():
                low, high = 0.5 - share / 2.0, 0.5 + share / 2.0
                if quantity == "latency":
                    ends, actual = [believed.latency_quantile_s(q) for q in (low, high)], decision.outcome.latency_s
                else:
                    ends = [believed.energy_quantile_j(q) for q in (low, high)]
                    actual = decision.outcome.energy_j.device
                hits.append(ends[0] <= actual <= ends[1])
    assert 0.74 < np.mean(inside[0.8]) < 0.88
    assert 0.91 < np.mean(inside[0.95]) < 0.985


def test_one_network_teaches_the_next_what_its_processor_is_like() -> None:
    """The CPU takes twice what is forecast, for every network; of the second it is known before it is asked."""
    world, agent = ToyWorld(MANY, noise=0.02), Corrector(MANY)
    world.slowdown = np.where([target.processor == "cpu" for target in MANY], 2.0, 1.0)
    light, heavy = (world.observe(network) for network in NETWORKS)
    for index in (0, 10, 22, 30, 45):
        truth = world.truth(light)
        agent.learn(light, index, Outcome(float(truth[0, index]), Split(device=float(truth[1, index]))), 0.0)
    believed, forecast = agent.believe(heavy), heavy.forecast
    assert forecast is not None
    ratio = np.log(believed.latency_s / forecast.latency_s)
    cpu = np.array([(target.place, target.processor) == ("device", "cpu") for target in MANY])
    assert 0.25 < ratio[cpu].mean() < 0.75
    assert np.abs(ratio[~cpu]).max() < 0.1


@pytest.mark.parametrize(("on_time", "most"), [(0.99, 0.02), (0.9, 0.11), (0.5, 0.51)])
def test_a_goal_says_how_likely_late_a_choice_may_be(on_time: float, most: float) -> None:
    world, agent = Strict(replace(GOAL, on_time=on_time)), Corrector(MANY)
    for number in range(100):
        _, _, decision = run_query(world, agent, NETWORKS[number % 2], "AUTO")
        belief = decision.belief
        assert belief is not None
        likeliest = belief.chance_late.min()  # where nothing is as likely in time as asked, that is taken
        assert belief.chance_late[belief.is_allowed].max() < max(most, likeliest + 1e-9)
        outside = (belief.chance * belief.chance_late)[~belief.is_allowed].sum()
        assert outside <= 1.02 * (1.0 - on_time)  # a look or a turn outside costs no more late answers than are allowed


def test_no_look_at_what_is_not_accurate_enough() -> None:
    world, agent = Strict(replace(GOAL, min_accuracy=0.7)), Corrector(MANY)
    accuracy = np.where([target.precision == "int8" for target in MANY], 0.6, 0.8)
    for _ in range(100):
        context = world.observe(NETWORKS[0])
        assert context.forecast is not None
        told = replace(context.forecast, accuracy=accuracy)
        context = Context(context.model, context.observation, context.goal, context.admitted, lambda told=told: told)
        assert agent.probabilities(context)[accuracy < 0.7].sum() == 0.0
        world_outcome = world.perform(NETWORKS[0], context, choice := agent.select(context)).outcome
        agent.learn(context, choice.index, world_outcome, 0.0)


class Strict(ToyWorld):
    """A world that asks for a certain chance to be in time."""

    def __init__(self, goal: Goal) -> None:
        super().__init__(MANY, error=0.3, noise=0.1)
        self.goal = goal

    def observe(self, query: ModelProfile) -> Context:
        context = super().observe(query)
        context.goal = self.goal
        return context


@pytest.mark.parametrize("on_time", [0.49, 1.0, math.nan])
def test_a_goal_refuses_a_chance_that_cannot_be(on_time: float) -> None:
    with pytest.raises(InvalidGoal, match="on_time"):
        Goal(on_time=on_time)


def test_it_works_without_any_forecast() -> None:
    blind = Blind(FEW, noise=0.05)
    ours, theirs = (Run(blind, make_agent(name, FEW), 300).losses[40:].mean() for name in ("corrector", "q-learning"))
    assert ours < 0.5 * theirs


def test_told_nothing_it_finds_what_is_in_time() -> None:
    """Targets that have nothing in common, half of them late: only looks at what may be late can tell."""
    ours, theirs = (
        np.mean([_late_in_a_strange_world(name, seed) for seed in range(8)]) for name in ("corrector", "q-learning")
    )
    assert ours < 0.5 * theirs


def test_where_nothing_is_believed_in_time_it_looks_for_what_is() -> None:
    """The forecast takes everything for late; one target, dear, takes 0.4 of what it says, and is in time."""
    world, agent, late = Misjudged(FEW, noise=0.03), Corrector(FEW), []
    for number in range(400):
        _, context, decision = run_query(world, agent, NETWORKS[number % 2], "AUTO")
        late.append(decision.outcome.is_late(context.goal))
    assert np.mean(late[:20]) > 0.5
    assert np.mean(late[-200:]) < 0.05


class Misjudged(ToyWorld):
    """One target is in time; another costs less, and is late."""

    def observe(self, query: ModelProfile) -> Context:
        seen, figures = super().observe(query), np.array([0.2, 0.3, 0.1, 0.3, 0.06])
        told = Forecast(figures, 0.5 * figures, 1e-5 * figures, np.full(5, math.nan))
        return Context(query, seen.observation, GOAL, seen.admitted, lambda: told, reference=0.1)

    def truth(self, context: Context) -> Floats:
        latency_s = np.array([0.2, 0.3, 0.04, 0.3, 0.07])
        return np.stack([latency_s, np.array([0.1, 0.15, 0.12, 0.15, 0.03])])


def _late_in_a_strange_world(name: str, seed: int) -> float:
    """The share of late answers from query 40 of a network on; some target is always in time."""
    dice, count, late = np.random.default_rng(seed), 24, []
    kinds = ("cpu/fp32", "cpu/int8", "gpu/fp32", "gpu/fp16", "npu/int8", "npu/fp16")
    targets = [Target.parse(f"device:{kind}@{step}00MHz") for kind in kinds for step in range(4, 8)]
    latency_s, energy_j = np.exp(dice.normal(-3.2, 0.8, (2, count))), np.exp(dice.normal(-2.0, 0.9, (2, count)))
    agent = make_agent(name, targets, seed)
    flat = Forecast(*(np.full(count, each) for each in (0.05, 0.1, 1e-5, math.nan)))
    for number in range(300):
        network = number % 2
        model = NETWORKS[network]
        context = Context(model, Observation(), GOAL, np.arange(count), lambda: flat, reference=0.1)
        index = agent.select(context).index
        outcome = Outcome(float(latency_s[network, index]), Split(device=float(energy_j[network, index])))
        agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))
        late.append(outcome.is_late(GOAL))
    return float(np.mean(late[80:]))


class Blind(ToyWorld):
    """A world without a forecast."""

    def observe(self, query: ModelProfile) -> Context:
        seen = super().observe(query)
        return Context(seen.model, seen.observation, seen.goal, seen.admitted, reference=seen.reference)


def test_what_it_keeps_is_bounded_whatever_deadlines_and_networks_come() -> None:
    agent, rng = Corrector(MANY), np.random.default_rng(0)
    figures = rng.uniform(0.01, 0.1, (3, len(MANY)))
    forecast = Forecast(*figures, np.full(len(MANY), np.nan))
    for number in range(1300):
        goal = Goal(latency_s=0.05 * (1.0 + 0.01 * rng.uniform()))
        model = ModelProfile(f"network {number}")
        context = Context(model, Observation(), goal, np.arange(len(MANY)), lambda: forecast)
        agent.learn(context, agent.select(context).index, Outcome(0.02, Split(device=0.02)), 0.0)
    state = agent.state()
    assert sum(array.nbytes for name, array in state.items() if name != "networks") < 1.1 * MOST_BYTES
    assert 1000 <= len(state["networks"]) < 1300
    assert state["networks"][-1] == "network 1299"


def test_what_it_keeps_is_bounded_for_more_targets_too() -> None:
    agent, forecast = Corrector(FEW), Forecast(*np.full((4, len(FEW)), 0.04))
    for number in range(2500):
        model = ModelProfile(f"network {number}")
        context = Context(model, Observation(), GOAL, np.arange(len(FEW)), lambda: forecast)
        agent.learn(context, number % len(FEW), Outcome(0.02, Split(device=0.02)), 0.0)
    state = transfer(agent, MANY).state()
    assert sum(array.nbytes for name, array in state.items() if name != "networks") < 1.1 * MOST_BYTES
    assert state["networks"][-1] == "network 2499"


@pytest.mark.parametrize("odd", [math.nan, math.inf, 0.0, -1.0])
def test_a_target_of_unknown_cost_is_no_bargain(odd: float) -> None:
    figures, nothing = np.array([0.04, 0.03, 0.02, 0.01, 0.03]), np.full(5, odd)
    energies = (figures, np.where(np.arange(5) == 2, odd, figures), nothing)
    some, holes, none = (
        Context(
            NETWORKS[0], Observation(), GOAL, np.arange(5), lambda told=each: Forecast(figures, told, told, figures)
        )  # type: ignore[misc]
        for each in energies
    )
    assert [int(Corrector(FEW).probabilities(each).argmax()) for each in (some, holes)] == [3, 3]
    agent = Corrector(FEW)
    for number in range(40):
        agent.learn(none, number % 5, Outcome(0.02, Split(device=0.1 * (1 + number % 5))), 0.0)
    assert agent.probabilities(none).argmax() == 0


@pytest.mark.parametrize("figure", [0.0, 5e-324, 1e30, 1.7e308])
def test_absurd_outcomes_leave_numbers(figure: float) -> None:
    world, agent = ToyWorld(FEW, noise=0.05), Corrector(FEW)
    for number in range(30):
        context = world.observe(NETWORKS[0])
        agent.learn(context, number % len(FEW), Outcome(figure, Split(device=figure)), 0.0)
        assert agent.probabilities(context).sum() == pytest.approx(1.0)
    assert all(np.isfinite(array).all() for name, array in agent.state().items() if name != "networks")


def test_a_cost_model_is_upgraded_network_by_network() -> None:
    beliefs = np.zeros((3, 4, 16, len(FEW)))
    beliefs[1, 0, 2, 1], beliefs[1, 1, 2, 1], beliefs[1, 2, 2, 1] = 10.0, 0.5, 0.3
    beliefs[2, 0, 0, 1], beliefs[2, 2, 0, 1] = 5.0, 0.3
    keys = np.array(["light|energy|0.05", "light|energy|0.1"])
    agent = Corrector(FEW)
    agent.restore({"beliefs": beliefs, "networks": keys})
    world = ToyWorld(FEW)
    context = world.observe(NETWORKS[0])
    forecast = context.forecast
    assert forecast is not None
    ratio = np.log(agent.believe(context).latency_s / forecast.latency_s)
    assert ratio[1] == pytest.approx(0.3, abs=0.05)
    assert ratio[0] > 0.05  # of the same processor
    with pytest.raises(PolicyError, match="'beliefs'"):
        upgraded({"beliefs": beliefs, "networks": keys[:1]}, len(FEW))


def test_the_old_name_is_understood_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="agent 'cost-model' is now 'corrector'"):
        assert isinstance(make_agent("cost-model", FEW), Corrector)


@pytest.mark.parametrize("odd", [math.nan, math.inf, 0.0])
@pytest.mark.parametrize("where", [[1], [0, 2, 4], range(5)])
def test_a_forecast_with_holes_spoils_nothing(odd: float, where: list[int]) -> None:
    world, agent = ToyWorld(FEW, noise=0.05), Corrector(FEW)
    for number in range(60):
        context = world.observe(NETWORKS[number % 2])
        forecast = context.forecast
        assert forecast is not None
        forecast.latency_s[[*where]] = odd
        forecast.energy_j[[*where][:1]] = odd
        choice = agent.select(context)
        assert 0.0 < choice.probability <= 1.0
        agent.learn(context, choice.index, world.perform(context.model, context, choice).outcome, 0.0)
    assert all(np.isfinite(array).all() for name, array in agent.state().items() if name != "networks")


def test_a_world_may_give_lists_and_another_order_of_what_is_admitted() -> None:
    figures, agent = [0.04, 0.03, 0.02, 0.01, 0.03], Corrector(FEW)
    told = Forecast(figures, figures, figures, figures)  # type: ignore[arg-type]
    context = Context(NETWORKS[0], Observation(), GOAL, [4, 2, 0], lambda: told)  # type: ignore[arg-type]
    assert agent.probabilities(context).argmax() == 2
    assert agent.select(context).index in (4, 2, 0)


def test_a_forecast_of_other_targets_is_refused() -> None:
    figures = np.full(4, 0.03)
    context = Context(NETWORKS[0], Observation(), GOAL, np.arange(5), lambda: Forecast(*[figures] * 4))
    with pytest.raises(InvalidInput, match="of 4 targets; allowed: of the agent's 5"):
        Corrector(FEW).select(context)
