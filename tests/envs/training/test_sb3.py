"""SB3 trains on the native vector environment, and its policies come out as arrays that choose the same."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from torch import nn

from autoscale.agents.base import Choice
from autoscale.agents.features import Encoder
from autoscale.errors import InvalidInput
from autoscale.profiles.link_trace import LinkTrace
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.training.sb3 import NativeVecEnv, frozen
from autoscale_envs.training.train import Training, make_learner
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def env() -> Iterator[NativeVecEnv]:
    env = NativeVecEnv(EdgeInferenceVectorEnv(4, scenario="D3", queries=5), seed=0)
    yield env
    env.close()


def test_it_is_the_native_environment_that_begins_anew_at_once(env: NativeVecEnv) -> None:
    native, actions = EdgeInferenceVectorEnv(4, scenario="D3", queries=5), np.array([60, 61, 62, 63])
    rows, _ = native.reset(seed=0)
    assert np.array_equal(np.asarray(env.reset()), rows)
    for query in range(12):
        rows, rewards, _, truncated, _ = native.step(actions)
        seen, earned, done, infos = env.step(actions)
        assert np.allclose(earned, -np.log(-rewards), rtol=1e-5)
        assert np.array_equal(done, truncated)
        if query % 5 == 4:
            assert done.all()
            assert np.array_equal([info["terminal_observation"] for info in infos], rows)
            assert all(info["TimeLimit.truncated"] for info in infos)
            rows, _ = native.reset(options={"reset_mask": done})
        else:
            assert infos == [{}] * 4
        assert np.array_equal(np.asarray(seen), rows)


def test_rewards_are_as_they_are_when_asked_for() -> None:
    env = NativeVecEnv(EdgeInferenceVectorEnv(2), seed=0, log_rewards=False)
    env.reset()
    assert (env.step(np.zeros(2, dtype=np.intp))[1] < 0.0).all()


def test_masks_reach_sb3(env: NativeVecEnv) -> None:
    assert np.array_equal(env.env_method("action_masks", indices=[1, 2]), env.env.action_masks()[1:3])
    assert env.has_attr("action_masks")
    assert not env.has_attr("nothing_of_the_kind")
    with pytest.raises(InvalidInput, match="'num_envs' cannot be set"):
        env.set_attr("num_envs", 3)


@pytest.mark.parametrize("kind", [DQN, MaskablePPO])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_arrays_choose_what_predict_does(kind: type, activation: type, env: NativeVecEnv) -> None:
    """On 1000 contexts of the simulator; only where two targets are equal to seven digits may they part."""
    settings = {"learning_starts": 16, "batch_size": 16} if kind is DQN else {"n_steps": 16, "batch_size": 16}
    model = kind("MlpPolicy", env, seed=1, device="cpu", policy_kwargs={"activation_fn": activation}, **settings)
    agent, world = frozen(model.learn(128), env.targets), SimWorld(make_parameters(WorldOptions(scenario="D4")), 5)
    rng, chosen, rows = np.random.default_rng(0), [], []
    for _ in range(1000):
        context = world.observe()
        rows.append(Encoder()(context))
        chosen.append(agent.select(context).index)
        world.perform(None, context, Choice(int(rng.integers(len(world.targets))), 1.0))
    predicted, _ = model.predict(np.stack(rows), deterministic=True)
    agree = (predicted == chosen).sum()
    assert agree >= 998


def test_another_kind_of_network_is_refused(env: NativeVecEnv) -> None:
    model = MaskablePPO(
        "MlpPolicy", env, device="cpu", n_steps=4, batch_size=16, policy_kwargs={"activation_fn": nn.ELU}
    )
    with pytest.raises(InvalidInput, match="allowed: Linear with Tanh or ReLU"):
        frozen(model, env.targets)


@pytest.mark.parametrize("agent", ["dqn", "ppo"])
def test_training_repeats_itself_and_goes_on(agent: str) -> None:
    training = Training(agent, WorldOptions(scenario="D3", queries=50), seed=2)
    first, second = make_learner(training), make_learner(training)
    for learner in (first, second):
        learner.run(2500, lambda done, reward: True)
    assert first.done == second.done >= 2500
    states = first.state(), second.state()
    heads = [learner.agent().state()["head"] for learner in (first, second)]
    assert np.array_equal(heads[0], heads[1])
    resumed = make_learner(training)
    resumed.restore(first.done, states[0])
    assert np.array_equal(resumed.agent().state()["head"], heads[0])
    assert resumed.state().keys() == states[0].keys()
    resumed.run(resumed.done + 2100, lambda done, reward: True)
    assert not np.array_equal(resumed.agent().state()["head"], heads[0])


def test_training_ends_when_asked_to() -> None:
    learner = make_learner(Training("ppo", WorldOptions()))
    learner.run(50_000, lambda done, reward: False)
    assert 1024 <= learner.done < 2048


def test_ppo_learns_to_be_in_time() -> None:
    """Some 30 000 queries take it from three late answers in ten to hardly any."""
    learner, rewards = make_learner(Training("ppo", WorldOptions(scenario="D3"), seed=0)), list[float]()

    def report(done: int, reward: float) -> bool:
        rewards.append(reward)
        return True

    learner.run(30_000, report)
    assert np.mean(rewards[-5:]) > np.mean(rewards[:3]) + 1.0
    world, agent, late = SimWorld(make_parameters(WorldOptions(scenario="D3")), 77), learner.agent(), []
    for _ in range(200):
        context = world.observe()
        performance = world.perform(None, context, agent.select(context))
        late.append(performance.outcome.is_late(context.goal))
    assert np.mean(late) < 0.1


def test_ppo_leaves_a_lost_link_alone_and_dqn_says_it_cannot() -> None:
    outage = LinkTrace(np.array([0.0, 5.0, 15.0]), np.array([20e6, 0.0, 5e6]))
    learner = make_learner(Training("ppo", WorldOptions(trace=outage)))
    learner.run(2500, lambda done, reward: True)
    assert learner.done >= 2500
    with pytest.raises(InvalidInput, match=r"'dqn' .* knows no masks"):
        make_learner(Training("dqn", WorldOptions(trace=outage)))
