"""Each learner learns: in a world whose best answer is known it finds that answer, soon, and finds it again."""

from dataclasses import replace

import numpy as np
import pytest

from autoscale.agents.base import Choice
from autoscale.agents.corrector import Corrector
from autoscale.agents.q_learning import QLearning, QLearningOptions
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from tests.autoscale.agents.toy_parts import FEW, MANY, NETWORKS, Run, ToyWorld

SEEDS = range(3)
STATES = 16
"""Two networks, two loads, two signals of each link."""


def greedy_share(world: ToyWorld, agent: QLearning) -> float:
    """Share of queries in which the greedy choice is the known best, or as good within 5 %."""
    learned = QLearning(world.targets, QLearningOptions(epsilon=0.0))
    learned.restore(agent.state())
    return float(Run(world, learned, 200).right.mean())


@pytest.mark.parametrize(("targets", "queries"), [(FEW, 400), (MANY, 2500)])
def test_q_learning_finds_the_right_targets(targets: tuple[Target, ...], queries: int) -> None:
    """Untried targets look better than tried ones at first, so it takes each state's targets in turn: 16 x targets."""
    for seed in SEEDS:
        world, agent = ToyWorld(targets, seed=seed), QLearning(targets, seed=seed)
        Run(world, agent, queries)
        assert greedy_share(world, agent) >= 0.9


def test_q_learning_knows_nothing_at_first() -> None:
    world, agent = ToyWorld(MANY), QLearning(MANY)
    assert Run(world, agent, 100).right.mean() < 0.2


def test_q_learning_starts_well_from_a_good_forecast() -> None:
    world, agent = ToyWorld(MANY), QLearning(MANY, QLearningOptions(initial="forecast"))
    assert Run(world, agent, 100).right.mean() > 0.75


def test_corrector_is_right_at_once_where_the_forecast_is() -> None:
    """But for targets so close to the limit that it waits to see them in time."""
    runs = [Run(ToyWorld(MANY, seed=seed), Corrector(MANY, seed), 100) for seed in range(12)]
    assert np.mean([run.right for run in runs]) > 0.85
    assert np.mean([run.late for run in runs]) < 0.0075


@pytest.mark.parametrize("targets", [FEW, MANY])
def test_corrector_corrects_a_forecast_within_tens_of_queries(targets: tuple[Target, ...]) -> None:
    runs = [Run(ToyWorld(targets, error=0.3, noise=0.05, seed=s), Corrector(targets, s), 500) for s in SEEDS]
    settled = slice(50, None)
    cost = sum(run.cost_j[settled].sum() for run in runs) / sum(run.least[settled].sum() for run in runs)
    late = np.mean([run.late[settled].mean() for run in runs])
    assert cost < 1.12
    assert late < 0.02


def test_corrector_leaves_a_place_that_became_slow_and_returns_when_it_recovered() -> None:
    world, agent = ToyWorld(FEW, error=0.1, noise=0.05), Corrector(FEW)
    edge = [target.place == "edge" for target in FEW]
    share = [np.isin(Run(world, agent, 600).picks[300:], np.flatnonzero(edge)).mean()]
    world.slowdown = np.where(edge, 5.0, 1.0)
    slow = Run(world, agent, 600)
    share.append(np.isin(slow.picks[100:], np.flatnonzero(edge)).mean())
    world.slowdown = np.ones(len(FEW))
    share.append(np.isin(Run(world, agent, 1200).picks[800:], np.flatnonzero(edge)).mean())
    assert share[0] > 0.15
    assert share[1] < 0.05
    assert share[2] > 0.5 * share[0]
    assert slow.late[100:].mean() < 0.03


@pytest.mark.parametrize("known", [0, 30])
def test_one_failure_does_not_exile_a_good_target(known: int) -> None:
    """The best target fails once, tenfold; it is chosen again before long, at once where it was known to be good."""
    waits = [_wait_after_failure(seed, known) for seed in range(5)]
    assert max(waits) < 200
    assert np.median(waits) < (10 if known else 120)


def _wait_after_failure(seed: int, known: int) -> int:
    """Queries until the best target is chosen again after it failed, ``known`` successes before."""
    world, agent = ToyWorld(FEW, seed=seed), Corrector(FEW, seed)
    context = world.observe(NETWORKS[0])
    best = world.best(context)
    for _ in range(known):
        _teach(world, agent, context, best)
    world.slowdown[best] = 10.0
    _teach(world, agent, context, best)
    world.slowdown[best] = 1.0
    waited = 0
    while (index := agent.select(context).index) != best and waited < 1000:
        _teach(world, agent, context, index)
        waited += 1
    return waited


def _teach(world: ToyWorld, agent: Corrector, context: Context, index: int) -> None:
    outcome = world.perform(context.model, context, Choice(index, 1.0)).outcome
    agent.learn(context, index, outcome, 0.0)


def test_corrector_explores_little() -> None:
    """Inverse-gap weighting spends a few percent of the best cost on looking around."""
    cost_j = np.mean([Run(ToyWorld(MANY, seed=seed), Corrector(MANY, seed), 600).losses.mean() for seed in SEEDS])
    assert 0.0 < cost_j < 0.06


def test_corrector_lets_one_network_teach_another() -> None:
    """A target that was eight times dearer than forecast for one network is chosen less often for the next."""
    world = ToyWorld(MANY)
    context = world.observe(NETWORKS[0])
    best, forecast = world.best(context), context.forecast
    assert forecast is not None
    other = Context(NETWORKS[1], context.observation, context.goal, context.admitted, lambda: forecast)
    taught, fresh = Corrector(MANY), Corrector(MANY)
    world.slowdown[best] = 8.0
    for _ in range(10):
        _teach(world, taught, context, best)
    assert fresh.select(other).index == best
    assert taught.select(other).index != best


@pytest.mark.parametrize("seed", range(5))
def test_corrector_is_back_soon_after_the_forecast_is_good_again(seed: int) -> None:
    """A link that became bad and recovered: both times the forecast follows after two late answers."""
    world, agent = ToyWorld(FEW, seed=seed), Corrector(FEW, seed)
    context = world.observe(NETWORKS[0])
    best, forecast = world.best(context), context.forecast
    assert forecast is not None
    slow = np.where(np.arange(len(FEW)) == best, 20.0, 1.0)
    scaled = replace(forecast, latency_s=forecast.latency_s * slow, energy_j=forecast.energy_j * slow)
    bad = Context(NETWORKS[0], context.observation, context.goal, context.admitted, lambda: scaled)
    for _ in range(30):
        _teach(world, agent, context, best)
    world.slowdown = slow
    for _ in range(2):
        _teach(world, agent, context, best)
    picks = []
    for _ in range(60):
        picks.append(agent.select(bad).index)
        _teach(world, agent, bad, picks[-1])
    assert picks.count(best) <= 2
    world.slowdown = np.ones(len(FEW))
    picks = []
    for _ in range(80):
        picks.append(agent.select(context).index)
        _teach(world, agent, context, picks[-1])
    assert best in picks[:40]
    assert picks.count(best) > 20


def test_told_nothing_it_learns_how_unlike_processors_are_and_not_from_settings_that_are_alike() -> None:
    agent, cpu, gpu = Corrector(MANY), range(8), 50
    goal, seen, everything = Goal(latency_s=1.0), Observation(), np.arange(len(MANY))
    for number in range(12):
        context = Context(ModelProfile(f"net-{number}"), seen, goal, everything)
        ratio = 4.0 if number % 2 else 0.25  # of one processor to the other, now this way, now that
        for index, figure in [(gpu, 0.02)] * 20 + [(each, ratio * 0.02) for each in cpu]:
            agent.learn(context, index, Outcome(figure, Split(device=figure)), 0.0)
    fresh = Context(ModelProfile("fresh"), seen, goal, everything)
    for _ in range(20):
        agent.learn(fresh, gpu, Outcome(0.02, Split(device=0.02)), 0.0)
    belief = agent.believe(fresh)
    assert belief.energy_spread[cpu[0]] > 0.8, "a factor of four was as usual as none"
    assert belief.energy_spread[gpu] < 0.3


@pytest.mark.parametrize(("told", "most"), [([np.nan] * 5, 0.1), ([0.1, 0.2, 0.3, 0.4, 1e-12], 0.1)])
def test_energies_that_are_not_told_are_found_out(told: list[float], most: float) -> None:
    """Of no target, where latencies are told all the same; or of one, so little that no logarithm corrects it."""
    goal, everything, excess = Goal(latency_s=1.0), np.arange(5), []
    latency_s, energy_j = np.array([0.01, 0.02, 0.03, 0.04, 0.05]), np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    energy_j = energy_j if np.isfinite(told).all() else energy_j[::-1]
    for seed in SEEDS:
        agent, dice = Corrector(FEW, seed=seed), np.random.default_rng(seed)
        for _ in range(150):
            forecast = Forecast(latency_s, np.array(told), np.array(told), np.full(5, np.nan))
            context = Context(NETWORKS[0], Observation(), goal, everything, lambda known=forecast: known)
            index, luck = agent.select(context).index, np.exp(dice.normal(0.0, 0.05))
            agent.learn(context, index, Outcome(latency_s[index] * luck, Split(energy_j[index] * luck)), 0.0)
            excess.append(energy_j[index] / energy_j.min() - 1.0)
    assert np.mean(np.reshape(excess, (len(SEEDS), -1))[:, 50:]) < most
