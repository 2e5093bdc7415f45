"""Worlds in lockstep are like any other: same seed, same choices, same outcomes, to the last bit."""

import numpy as np
import pytest

from autoscale.agents.base import Agent, make_agent
from autoscale.loop import run_query
from autoscale_envs.evaluation.batch import Batch
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

SEEDS = [11, 12]
QUERIES = 70
"""More than a block of random numbers holds."""


@pytest.fixture(scope="module", params=[("mi8pro", "D4", "energy"), ("laptop", "D3", "carbon")])
def parameters(request: pytest.FixtureRequest) -> WorldParameters:
    device, scenario, objective = request.param
    return make_parameters(WorldOptions(device, scenario, objective, networks=("mobilenet-v2", "resnet-50")))


def alone(parameters: WorldParameters, name: str, seed: int) -> list[object]:
    """What an agent does in a world of its own, all that it is shown, and all that it costs."""
    world, agent = SimWorld(parameters, seed), make_agent(name, parameters.targets, seed)
    return [_seen(world, agent) for _ in range(QUERIES)]


def _seen(world: SimWorld, agent: Agent) -> object:
    truth, best = world.truth(), world.oracle()
    _, context, decision = run_query(world, agent, None, "AUTO")
    forecast = context.forecast
    assert forecast is not None
    figures = (forecast.latency_s.tolist(), forecast.energy_j.tolist(), forecast.carbon_g.tolist())
    return context.model.name, context.observation, context.reference, figures, decision, best, truth.latency_s[best]


def test_each_is_the_world_with_its_seed(parameters: WorldParameters) -> None:
    names = ("q-learning", "corrector", "cloud")
    pairs = [(name, seed) for name in names for seed in SEEDS]
    batch = Batch(parameters, [seed for _, seed in pairs])
    agents = [make_agent(name, parameters.targets, seed) for name, seed in pairs]
    expected = [alone(parameters, name, seed) for name, seed in pairs]
    for number in range(QUERIES):
        for at, (world, agent) in enumerate(zip(batch.worlds, agents, strict=True)):
            *mine, decision, best = _in_batch(world, agent)
            *theirs, their_decision, their_best, _ = expected[at][number]  # type: ignore[misc]  # a tuple, see _seen
            assert mine == theirs
            assert decision == their_decision
            assert best == their_best
        batch.step()


def _in_batch(world: SimWorld, agent: Agent) -> tuple[object, ...]:
    best = world.oracle()
    _, context, decision = run_query(world, agent, None, "AUTO")
    forecast = context.forecast
    assert forecast is not None
    figures = (forecast.latency_s.tolist(), forecast.energy_j.tolist(), forecast.carbon_g.tolist())
    return context.model.name, context.observation, context.reference, figures, decision, best


def test_a_step_says_what_the_outcome_was(parameters: WorldParameters) -> None:
    batch = Batch(parameters, SEEDS)
    agents = [make_agent("corrector", parameters.targets, seed) for seed in SEEDS]
    for _ in range(5):
        taken = [run_query(world, agent, None, "AUTO")[2] for world, agent in zip(batch.worlds, agents, strict=True)]
        step = batch.step()
        assert step.device_j.tolist() == [each.outcome.energy_j.device for each in taken]
        assert step.score.reward == pytest.approx([each.reward for each in taken], rel=1e-12)


def test_those_of_one_seed_meet_the_same_queries_whatever_their_agents_do(parameters: WorldParameters) -> None:
    batch = Batch(parameters, [7, 7])
    local, cloud = make_agent("device-cpu-fp32", parameters.targets), make_agent("cloud", parameters.targets)
    for _ in range(QUERIES):
        seen = []
        for seat, world, agent in zip(batch.seats, batch.worlds, (local, cloud), strict=True):
            context = world.observe()
            seat.choose(agent.select(context).index)
            seen.append((context.model.name, context.observation.cpu_load, context.observation.links))
        assert seen[0] == seen[1]
        batch.step()


def test_a_world_without_noise_does_what_the_oracle_expects(parameters: WorldParameters) -> None:
    batch = Batch(parameters, SEEDS, noisy=False)
    agents = [make_agent("corrector", parameters.targets, seed) for seed in SEEDS]
    for _ in range(10):
        for seat, world, agent in zip(batch.seats, batch.worlds, agents, strict=True):
            seat.choose(agent.select(world.observe()).index)
        step = batch.step()
        expected = step.truth.objective[np.arange(len(SEEDS)), step.chosen]
        assert step.score.objective == pytest.approx(expected, rel=1e-12)
