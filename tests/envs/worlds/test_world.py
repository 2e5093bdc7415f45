import numpy as np
import pytest

from autoscale.agents.base import Choice, make_agent
from autoscale.agents.reward import MISS_PENALTY
from autoscale.checks import check_world
from autoscale.errors import InvalidTarget
from autoscale.loop import run_query
from autoscale.profiles import device_names, load_device
from autoscale_envs.variance.scenarios import SCENARIOS
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

SERVERS = {name for name in device_names() if load_device(name).kind == "server"}


def parameters_of(**options) -> WorldParameters:
    return make_parameters(WorldOptions(**options))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_is_a_world(scenario: str) -> None:
    world = SimWorld(parameters_of(scenario=scenario), seed=0)
    check_world(world, range(2 * len(world.targets)))


@pytest.mark.parametrize("device", sorted(set(device_names()) - SERVERS))
def test_every_device_makes_a_world(device: str) -> None:
    world = SimWorld(parameters_of(device=device, scenario="D4", objective="carbon"), seed=0)
    check_world(world, range(len(world.targets)))


@pytest.mark.parametrize("name", ["q-learning", "corrector", "device-best", "cloud", "connected-edge"])
def test_agents_live_in_it(name: str) -> None:
    world = SimWorld(parameters_of(scenario="D4"), seed=1)
    agent = make_agent(name, world.targets)
    late = [run_query(world, agent, None, "AUTO")[2].outcome.latency_s for _ in range(50)]
    assert np.isfinite(late).all()


def test_the_oracle_is_the_best_of_the_truth() -> None:
    world = SimWorld(parameters_of(scenario="D4"), seed=2)
    for _ in range(30):
        context, best = world.observe(), world.oracle()
        assert best == world.truth().best(context.goal, context.admitted)
        world.perform(None, context, Choice(best, 1.0))


def test_the_truth_is_what_outcomes_are_on_average() -> None:
    parameters = parameters_of(scenario="S1", networks=("mobilenet-v1",))
    world, ratios = SimWorld(parameters, seed=3), []
    for index in range(2000):
        context, truth = world.observe(), world.truth()
        target = (60, 61, 65)[index % 3]
        outcome = world.perform(None, context, Choice(target, 1.0)).outcome
        ratios.append((outcome.latency_s / truth.latency_s[target], outcome.energy_j.device / truth.energy_j[target]))
    assert np.mean(ratios, axis=0) == pytest.approx(1.0, abs=0.01)


def test_hidden_factors_mislead_the_profile() -> None:
    """An agent that trusts the profile blindly takes other targets than the oracle, and pays for it."""

    def misled(sigma: float) -> tuple[float, float]:
        cost, other = [], []
        for device in ("mi8pro", "moto-x-force"):
            parameters = parameters_of(device=device, hidden_sigma=sigma)
            for seed in range(4):
                world = SimWorld(parameters, seed)
                for _ in range(60):
                    context, truth, ideal = world.observe(), world.truth(), world.oracle()
                    chosen = context.forecast.best(context.goal, context.admitted)
                    late = truth.latency_s[chosen] > context.goal.latency_s >= truth.latency_s[ideal]
                    cost.append(truth.energy_j[chosen] / truth.energy_j[ideal] - 1.0 + MISS_PENALTY * late)
                    other.append(chosen != ideal)
                    world.perform(None, context, Choice(ideal, 1.0))
        return float(np.mean(cost)), float(np.mean(other))

    assert misled(0.0) < (0.005, 0.1)
    waste, other = misled(0.15)
    assert waste > 0.01 and other > 0.15


def test_a_target_that_is_none_is_refused() -> None:
    world = SimWorld(parameters_of(), seed=0)
    with pytest.raises(InvalidTarget, match="0 to 65"):
        world.perform(None, world.observe(), Choice(66, 1.0))
