"""Lanes are worlds like any other: same seed, same choices, same outcomes, to the last bit."""

import numpy as np
import pytest

from autoscale.agents.base import Agent, make_agent
from autoscale.loop import run_query
from autoscale_envs.evaluation.lanes import Lanes, LaneWorld
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.world import SimWorld

SEEDS = [11, 12]
QUERIES = 70
"""More than a block of random numbers holds."""


@pytest.fixture(scope="module", params=[("mi8pro", "D4", "energy"), ("laptop", "D3", "carbon")])
def tables(request: pytest.FixtureRequest) -> WorldParameters:
    device, scenario, objective = request.param
    return make_parameters(WorldOptions(device, scenario, objective, networks=("mobilenet-v2", "resnet-50")))


def alone(tables: WorldParameters, name: str, seed: int) -> list[object]:
    """What an agent does in a world of its own, all that it is shown, and all that it costs."""
    world, agent = SimWorld(tables, seed), make_agent(name, tables.targets, seed)
    return [_seen(world, agent) for _ in range(QUERIES)]


def _seen(world: SimWorld, agent: Agent) -> object:
    truth, best = world.truth(), world.oracle()
    _, context, decision = run_query(world, agent, None, "AUTO")
    forecast = context.forecast
    assert forecast is not None
    figures = (forecast.latency_s.tolist(), forecast.energy_j.tolist(), forecast.carbon_g.tolist())
    return context.model.name, context.observation, context.reference, figures, decision, best, truth.latency_s[best]


def test_a_lane_is_the_world_with_its_seed(tables: WorldParameters) -> None:
    names = ("q-learning", "cost-model", "cloud")
    pairs = [(name, seed) for name in names for seed in SEEDS]
    lanes = Lanes(tables, [seed for _, seed in pairs])
    agents = [make_agent(name, tables.targets, seed) for name, seed in pairs]
    expected = [alone(tables, name, seed) for name, seed in pairs]
    for number in range(QUERIES):
        for lane, (world, agent) in enumerate(zip(lanes.worlds, agents, strict=True)):
            *mine, decision, best = _in_lane(world, agent)
            *theirs, their_decision, their_best, _ = expected[lane][number]  # type: ignore[misc]  # a tuple, see _seen
            assert mine == theirs
            assert decision == their_decision
            assert best == their_best
        lanes.advance()


def _in_lane(world: LaneWorld, agent: Agent) -> tuple[object, ...]:
    best = world.oracle()
    _, context, decision = run_query(world, agent, None, "AUTO")
    forecast = context.forecast
    assert forecast is not None
    figures = (forecast.latency_s.tolist(), forecast.energy_j.tolist(), forecast.carbon_g.tolist())
    return context.model.name, context.observation, context.reference, figures, decision, best


def test_a_turn_says_what_the_outcome_said(tables: WorldParameters) -> None:
    lanes = Lanes(tables, SEEDS)
    agents = [make_agent("cost-model", tables.targets, seed) for seed in SEEDS]
    for _ in range(5):
        taken = [run_query(world, agent, None, "AUTO")[2] for world, agent in zip(lanes.worlds, agents, strict=True)]
        turn = lanes.advance()
        assert turn.device_j.tolist() == [each.outcome.energy_j.device for each in taken]
        assert turn.score.reward == pytest.approx([each.reward for each in taken], rel=1e-12)


def test_lanes_of_one_seed_meet_the_same_queries_whatever_their_agents_do(tables: WorldParameters) -> None:
    lanes = Lanes(tables, [7, 7])
    local, cloud = make_agent("device-cpu-fp32", tables.targets), make_agent("cloud", tables.targets)
    for _ in range(QUERIES):
        seen = []
        for world, agent in zip(lanes.worlds, (local, cloud), strict=True):
            context = world.observe()
            world.take(agent.select(context))
            seen.append((context.model.name, context.observation.cpu_load, context.observation.links))
        assert seen[0] == seen[1]
        lanes.advance()


def test_a_world_without_noise_does_what_the_oracle_expects(tables: WorldParameters) -> None:
    lanes = Lanes(tables, SEEDS, noisy=False)
    agents = [make_agent("cost-model", tables.targets, seed) for seed in SEEDS]
    for _ in range(10):
        for world, agent in zip(lanes.worlds, agents, strict=True):
            world.take(agent.select(world.observe()))
        turn = lanes.advance()
        expected = turn.truth.objective[np.arange(len(SEEDS)), turn.chosen]
        assert turn.objective == pytest.approx(expected, rel=1e-12)
