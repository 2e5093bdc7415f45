import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import autoscale_envs  # noqa: F401 - importing it registers the environments
from autoscale.agents.base import Choice
from autoscale.agents.features import FEATURES, Encoder
from autoscale.agents.reward import reward
from autoscale.errors import InvalidGoal, InvalidInput, InvalidTarget, ProfileError, TraceError, UnknownName
from autoscale.profiles.link_trace import LinkTrace
from autoscale_envs.gym.env import EdgeInferenceEnv
from autoscale_envs.gym.registration import EDGE_INFERENCE, register
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.variance.scenarios import SCENARIOS
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.sim_world import SimWorld

NPU = 60


@pytest.fixture
def env() -> Iterator[EdgeInferenceEnv]:
    made = EdgeInferenceEnv(scenario="D4", queries=20, oracle=True)
    yield made
    made.close()


def test_gymnasium_finds_nothing_wrong() -> None:
    check_env(gymnasium.make(EDGE_INFERENCE, render_mode="rgb_array", queries=30).unwrapped)


def test_stable_baselines_finds_nothing_wrong(env: EdgeInferenceEnv) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env)


def test_registering_twice_is_registering_once() -> None:
    register()
    assert gymnasium.spec(EDGE_INFERENCE).vector_entry_point == "autoscale_envs.gym.vector:EdgeInferenceVectorEnv"


def test_gymnasium_can_import_it_by_name() -> None:
    """Gymnasium 1.x has no plugins: a fresh interpreter imports the package that the id names."""
    code = f"import gymnasium; print(gymnasium.make('autoscale_envs:{EDGE_INFERENCE}').reset(seed=0)[0].shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == f"({len(FEATURES)},)"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_make_vec_gives_the_native_environment() -> None:
    env = gymnasium.make_vec(EDGE_INFERENCE, num_envs=3, vectorization_mode="vector_entry_point", device="s10e")
    assert isinstance(env.unwrapped, EdgeInferenceVectorEnv)
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    env.close()


def test_the_paper_has_66_targets(env: EdgeInferenceEnv) -> None:
    places = [target.place for target in env.targets]
    assert [places.count(place) for place in ("device", "edge", "cloud")] == [61, 3, 2]
    assert env.action_space.n == 66


def test_reset_has_no_options(env: EdgeInferenceEnv) -> None:
    with pytest.raises(InvalidInput, match=r"options of reset are .*allowed: none"):
        env.reset(options={"scenario": "D4"})


def test_an_episode_is_truncated_at_its_end(env: EdgeInferenceEnv) -> None:
    env.reset(seed=0)
    ends = [env.step(NPU)[2:4] for _ in range(20)]
    assert ends == [(False, False)] * 19 + [(False, True)]


def test_info_says_what_happened(env: EdgeInferenceEnv) -> None:
    env.reset(seed=0)
    *_, info = env.step(NPU)
    assert info["target"] == "device:npu/int8"
    assert info["energy_j"] > 0 and info["latency_s"] > 0 and info["carbon_g"] > 0
    assert isinstance(info["qos_violation"], bool)
    assert 0 <= info["oracle_action"] < 66


@pytest.mark.parametrize("action", [1.5, "60", None])
def test_an_action_is_an_integer(env: EdgeInferenceEnv, action: Any) -> None:
    env.reset(seed=0)
    with pytest.raises(InvalidTarget, match=r"action is .*; allowed: an integer"):
        env.step(action)
    assert env.step(np.array(60))[4]["target"] == "device:npu/int8"


@pytest.mark.parametrize("action", [-1, 66, 10**9])
def test_an_action_out_of_range_changes_nothing(env: EdgeInferenceEnv, action: int) -> None:
    env.reset(seed=0)
    first = env.oracle_action()
    with pytest.raises(InvalidTarget, match="0 to 65"):
        env.step(action)
    assert env.oracle_action() == first


@pytest.mark.parametrize("objective", ["energy", "carbon", "latency"])
def test_reward_and_observation_are_the_engines(objective: str) -> None:
    env = EdgeInferenceEnv(scenario="D2", objective=objective, min_accuracy=0.7)
    world = SimWorld(env.parameters, seed=5)
    observation, _ = env.reset(seed=5)
    for step in range(150):
        context = world.observe()
        np.testing.assert_allclose(observation, Encoder()(context), atol=1e-6)
        outcome = world.perform(None, context, Choice(step % 66, 1.0)).outcome
        observation, earned, *_, info = env.step(step % 66)
        assert earned == pytest.approx(reward(outcome, context.goal, context.reference), rel=1e-12)
        assert info["energy_j"] == outcome.energy_j.device
        assert info["carbon_g"] == pytest.approx(outcome.decisive_carbon_g, rel=1e-12)
        assert info["qos_violation"] == outcome.is_late(context.goal)
        assert info["accuracy_violation"] == outcome.misses_accuracy(context.goal)


def test_observations_stay_in_their_box() -> None:
    for scenario in SCENARIOS:
        env = EdgeInferenceEnv(scenario=scenario, links={"cloud": "lte"})
        env.reset(seed=1)
        for step in range(70):
            assert env.observation_space.contains(env.step(step % 66)[0])
    assert env.observation_space.shape == (len(FEATURES),)


def test_an_outage_masks_the_cloud() -> None:
    env = EdgeInferenceEnv(trace=LinkTrace(np.array([0.0, 5.0]), np.array([20e6, 0.0])), trace_end="loop")
    env.reset(seed=0)
    seen = set()
    for _ in range(60):
        mask = env.action_masks()
        seen.add(bool(mask[65]))
        assert mask[:64].all() and mask[64] == mask[65]
        assert mask[65] or env.oracle_action() < 64
        env.step(NPU)
    assert seen == {True, False}


def outage() -> LinkTrace:
    return LinkTrace(np.array([0.0, 20.0, 40.0]), np.array([2e7, 0.0, 2e7]), np.full(3, 0.01), np.full(3, -55.0))


def test_who_knows_no_masks_lives_through_an_outage() -> None:
    env = EdgeInferenceEnv(trace=outage(), oracle=True)
    _, info = env.reset(seed=0)
    failed = 0
    for _ in range(200):
        is_refused = not info["action_mask"][65]
        _, reward, _, _, info = env.step(65)
        assert info["did_fallback"] == is_refused
        failed += is_refused
        if is_refused:
            assert info["qos_violation"] and reward < -10.0, "it costs a miss, and what was spent in vain"
            assert info["latency_s"] > 0.05
    assert 0 < failed < 200


def test_the_same_in_the_loop_is_a_failed_attempt_and_a_fallback() -> None:
    world = SimWorld(WorldOptions(trace=outage()), seed=0)
    cloud = len(world.targets) - 1
    performances = [world.perform(None, world.observe(), Choice(cloud, 1.0)) for _ in range(100)]
    failed = [each for each in performances if len(each.attempts) > 1]
    assert 0 < len(failed) < 100
    first, second = failed[0].attempts
    assert (first.reason, first.error, str(second.target)) == (
        *("its link is down", "TargetUnavailable"),
        "device:cpu/fp32@2649.6MHz",
    )
    assert failed[0].outcome.latency_s == pytest.approx(first.latency_s + second.latency_s)


@pytest.mark.parametrize("settings", [{}, {"scenario": "D8"}])
def test_the_mask_is_where_libraries_look_for_it(settings: Any) -> None:
    env = EdgeInferenceEnv(**settings)
    _, info = env.reset(seed=3)
    for _ in range(100):
        assert info["action_mask"].dtype == np.int8
        assert (info["action_mask"] == env.action_masks()).all()
        assert env.action_space.sample(mask=info["action_mask"]) < 66
        *_, info = env.step(NPU)


@pytest.mark.parametrize(("end", "stays_up"), [("loop", True), ("hold", True), ("stop", False)])
def test_a_short_trace_loops_holds_or_stops(end: str, stays_up: bool) -> None:
    env = EdgeInferenceEnv(trace=LinkTrace(np.array([0.0, 1.0]), np.array([20e6, 10e6])), trace_end=end)
    env.reset(seed=0)
    for _ in range(50):
        env.step(NPU)
    assert env.action_masks()[65] == stays_up


def test_a_trace_file_is_read(tmp_path) -> None:
    path = tmp_path / "link.csv"
    path.write_text("time_s,mbps,rtt_ms,rssi_dbm\n0,20,30,-61\n1,20,30,-61\n")
    world = SimWorld(EdgeInferenceEnv(trace=str(path)).parameters)
    link = world.observe().observation.link("cloud")
    assert (link.uplink_bps, link.round_trip_s, link.rssi_dbm) == (20e6, 0.03, -61.0)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"device": "mi8pr"}, UnknownName, "mi8pro"),
        ({"scenario": "S9"}, UnknownName, "S1"),
        ({"objective": "enrgy"}, UnknownName, "energy"),
        ({"networks": ("mobilnet-v1",)}, UnknownName, "mobilenet-v1"),
        ({"networks": "mobilenet-v1"}, InvalidInput, "sequence"),
        ({"links": {"cloud": "wif"}}, UnknownName, "wifi"),
        ({"links": {"clod": "wifi"}}, UnknownName, "cloud"),
        ({"trace": "nowhere.csv"}, TraceError, "nowhere.csv"),
        ({"trace_end": "lop"}, InvalidInput, "loop"),
        ({"hidden_sigma": -0.1}, InvalidInput, "hidden_sigma"),
        ({"hidden_sigma": float("nan")}, InvalidInput, "hidden_sigma"),
        ({"queries": 0}, InvalidInput, "queries"),
        ({"gap_s": 0.0}, InvalidInput, "gap_s"),
        ({"gap_s": 1e300}, InvalidInput, "gap_s is 1e.300; allowed: seconds above 0"),
        ({"min_accuracy": 70}, InvalidGoal, "min_accuracy"),
        ({"latency_s": -1.0}, InvalidGoal, "latency_s"),
        ({"latency_s": 0}, InvalidGoal, "latency_s is 0"),
        ({"sigma_hidden": 0.1}, UnknownName, "hidden_sigma"),
        ({"frameskip": 4}, TypeError, "unexpected keyword argument 'frameskip'"),
        ({"scenario": None}, InvalidInput, "scenario is None, of type NoneType; allowed: one of S1"),
        ({"scenario": "mine.toml"}, ProfileError, "mine.toml cannot be read"),
        ({"device": 3}, InvalidInput, "a device is 3"),
        ({"links": 3}, InvalidInput, "links is 3"),
        ({"links": {"cloud": 3}}, InvalidInput, "link of 'cloud' is 3"),
        ({"networks": 3}, InvalidInput, "networks is 3"),
        ({"networks": {"mobilenet-v1"}}, InvalidInput, "allowed: a sequence of names"),
        ({"hidden_sigma": "a"}, InvalidInput, "hidden_sigma is 'a'"),
        ({"hidden_shares": {"processor": 0.5}}, InvalidInput, "hidden_shares sum to 0.5; allowed: 1"),
        ({"hidden_shares": {"procesor": 1.0}}, UnknownName, "did you mean 'processor'"),
        ({"hidden_shares": 1.0}, InvalidInput, "hidden_shares is 1.0"),
        ({"latency_s": "50ms"}, InvalidInput, "latency_s is '50ms'"),
        ({"min_accuracy": "high"}, InvalidInput, "min_accuracy is 'high'"),
        ({"queries": 10.0}, InvalidInput, "queries is 10.0"),
        ({"queries": True}, InvalidInput, "queries is True"),
        ({"gap_s": None}, InvalidInput, "gap_s is None"),
        ({"render_mode": "human"}, UnknownName, "rgb_array"),
        ({"oracle": "no"}, InvalidInput, "oracle is 'no'"),
    ],
)
def test_bad_settings_are_named(settings, error, message) -> None:
    with pytest.raises(error, match=message):
        EdgeInferenceEnv(**settings)


def test_networks_that_are_told_once_are_kept() -> None:
    made = EdgeInferenceEnv(networks=(name for name in ("mobilenet-v1", "mobilebert")))
    assert [each.name for each in made.parameters.networks] == ["mobilenet-v1", "mobilebert"]


def test_numpys_numbers_and_paths_are_taken(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text('schema = 1\nname = "M1"\n')
    env = EdgeInferenceEnv(
        queries=np.int64(2), gap_s=np.float32(0.5), hidden_sigma=np.float64(0.1), scenario=tmp_path / "mine.toml"
    )
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(2)] == [False, True]


def test_rendering_shows_the_episode() -> None:
    env = EdgeInferenceEnv(render_mode="rgb_array")
    env.reset(seed=0)
    empty = env.render()
    for _ in range(5):
        env.step(NPU)
    full = env.render()
    assert full.dtype == np.uint8 and full.shape == empty.shape == (400, 800, 3)
    assert (full != empty).any()
