"""A world's targets: the device's by clock or by threads, and those of the remotes that the user names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from autoscale.agents.base import Choice, make_agent
from autoscale.agents.features import ABSENT, FEATURES, Encoder
from autoscale.agents.reward import reward
from autoscale.checks import check_world
from autoscale.errors import AutoScaleError, InvalidInput, InvalidTarget, ProfileError, UnknownName
from autoscale.loop import run_query
from autoscale.profiles import device_names, load_device
from autoscale.profiles.link_trace import LinkTrace
from autoscale.profiles.model_profile_codec import network_text
from autoscale.profiles.networks import load_network
from autoscale.profiles.remotes import USUAL_REMOTES, Profile, parse_remotes
from autoscale.profiles.shipped import devices_folder
from autoscale_envs import SimWorld, Training, WorldOptions, train
from autoscale_envs.evaluation.batch import Batch
from autoscale_envs.gym.env import EdgeInferenceEnv
from autoscale_envs.gym.registration import EDGE_INFERENCE
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.worlds.parameters import make_parameters

REMOTES: tuple[Mapping[str, Profile], ...] = (
    {},
    {"cloud": "gpu-server"},
    {"edge": "laptop"},
    {"edge:tablet": "tab-s6", "cloud:east": "xeon-p100", "cloud:west:gpu/fp16": "gpu-server", "edge:pi": "rpi5"},
)


def targets_of(**options) -> list[str]:
    return [str(target) for target in make_parameters(WorldOptions(**options)).targets]


@pytest.mark.parametrize("device", device_names())
def test_threads_are_one_two_four_and_all_cores(device: str) -> None:
    profile = load_device(device)
    cores = profile.processors["cpu"].cores
    counts = sorted({1, 2, 4, 8, 16, 32, 64} & {*range(cores + 1)} | {cores})
    expected = [f"device:cpu/{each}@{count}t" for each in profile.processors["cpu"].precisions for count in counts]
    named = targets_of(device=device, settings="threads", remotes={})
    assert named[: len(expected)] == expected
    assert not any("@" in name for name in named[len(expected) :])


def test_the_usual_remotes_are_the_papers() -> None:
    paper = [
        *(f"edge:tab-s6:{each}" for each in ("cpu/fp32", "gpu/fp16", "npu/int8")),
        "cloud:cpu/fp32",
        "cloud:gpu/fp32",
    ]
    assert targets_of()[-5:] == targets_of(remotes=USUAL_REMOTES)[-5:] == paper


def test_a_remote_is_a_link_or_one_target_there() -> None:
    assert targets_of(settings="threads", remotes={"cloud": "xeon-p100"})[-2:] == ["cloud:cpu/fp32", "cloud:gpu/fp32"]
    assert targets_of(remotes={"edge:pi:cpu/int8": "rpi5"})[61:] == ["edge:pi:cpu/int8"]
    both = {"cloud:gpu/fp32": "gpu-server", "cloud:cpu/int8": "gpu-server"}
    assert targets_of(remotes=both)[61:] == ["cloud:gpu/fp32", "cloud:cpu/int8"]


@pytest.mark.parametrize("form", ["name", "file", "path", "object"])
def test_a_profile_is_a_name_a_file_or_itself(form: str) -> None:
    file = devices_folder() / "gpu-server.toml"
    forms: dict[str, Profile] = {"name": "gpu-server", "file": str(file), "path": file, "object": load_device(file)}
    world = make_parameters(WorldOptions(remotes={"cloud": forms[form]}))
    assert [remote.machine.name for remote in world.remotes] == ["gpu-server"]
    assert len(world.targets) == 61 + 6


def test_a_device_of_ones_own_is_a_profile_too() -> None:
    phone = load_device("mi8pro")
    small = replace(phone, processors={"cpu": replace(phone.processors["cpu"], cores=2, precisions=("fp32",))})
    assert targets_of(device=small, settings="threads", remotes={}) == ["device:cpu/fp32@1t", "device:cpu/fp32@2t"]


@pytest.mark.parametrize("settings", ["dvfs", "threads"])
@pytest.mark.parametrize("remotes", REMOTES)
def test_every_one_is_a_world(settings: str, remotes: Mapping[str, Profile]) -> None:
    world = SimWorld(WorldOptions(scenario="D4", settings=settings, remotes=remotes, objective="carbon"), seed=0)
    check_world(world, range(len(world.targets)))
    agent = make_agent("corrector", world.targets)
    assert all(run_query(world, agent, None, "AUTO")[2].outcome.latency_s > 0.0 for _ in range(20))


@pytest.mark.parametrize("remotes", REMOTES)
def test_rows_and_rewards_are_the_engines(remotes: Mapping[str, Profile]) -> None:
    env = EdgeInferenceEnv(scenario="D3", settings="threads", remotes=remotes)
    world = SimWorld(env.parameters, seed=5)
    observation, _ = env.reset(seed=5)
    for step in range(80):
        context, target = world.observe(), step % len(world.targets)
        assert {*context.observation.links} == {each.link for each in world.targets if each.is_remote}
        np.testing.assert_allclose(observation, Encoder()(context), atol=1e-6)
        outcome = world.perform(None, context, Choice(target, 1.0)).outcome
        observation, earned, *_, info = env.step(target)
        assert earned == pytest.approx(reward(outcome, context.goal, context.reference), rel=1e-12)
        assert info["carbon_g"] == pytest.approx(outcome.decisive_carbon_g, rel=1e-12)


def test_a_place_without_remotes_is_absent() -> None:
    observation, _ = EdgeInferenceEnv(remotes={"edge": "laptop"}).reset(seed=0)
    row = dict(zip(FEATURES, observation.tolist(), strict=True))
    assert {name for name, value in row.items() if value == ABSENT and not name.startswith("min_")} == {
        *(f"cloud_{each}" for each in ("rssi_dbm", "round_trip_s", "uplink_bps", "downlink_bps")),
        "cloud_intensity_g_per_kwh",
    }


@pytest.mark.parametrize("remotes", REMOTES)
def test_sub_environments_are_the_scalar_ones_to_the_last_bit(remotes: Mapping[str, Profile]) -> None:
    settings = {"device": "s10e", "scenario": "D4", "settings": "threads", "remotes": remotes, "oracle": True}
    vector, scalars = EdgeInferenceVectorEnv(3, **settings), [EdgeInferenceEnv(**settings) for _ in range(3)]
    observations, _ = vector.reset(seed=7)
    assert (observations == [env.reset(seed=7 + i)[0] for i, env in enumerate(scalars)]).all()
    rng = np.random.default_rng(0)
    for _ in range(100):
        actions = rng.integers(0, len(vector.targets), 3)
        observations, rewards, *_, infos = vector.step(actions)
        for i, env in enumerate(scalars):
            observation, earned, *_, info = env.step(actions[i])
            assert (observations[i] == observation).all() and rewards[i] == earned
            assert info["oracle_action"] == infos["oracle_action"][i] and info["carbon_g"] == infos["carbon_g"][i]


@pytest.mark.parametrize("remotes", REMOTES)
def test_in_lockstep_they_are_what_they_are_alone(remotes: Mapping[str, Profile]) -> None:
    world = make_parameters(WorldOptions(settings="threads", remotes=remotes, objective="carbon"))
    batch, alone = Batch(world, [4]), SimWorld(world, 4)
    for number in range(70):
        contexts = [each.observe() for each in (batch.worlds[0], alone)]
        assert contexts[0].observation == contexts[1].observation
        assert contexts[0].forecast.carbon_g.tolist() == contexts[1].forecast.carbon_g.tolist()
        choice = Choice(number % len(world.targets), 1.0)
        outcomes = [each.perform(None, contexts[0], choice).outcome for each in (batch.worlds[0], alone)]
        assert outcomes[0] == outcomes[1]
        batch.step()


def test_gymnasium_finds_nothing_wrong_with_them() -> None:
    settings = {"settings": "threads", "remotes": {"cloud": load_device("gpu-server")}, "device": "laptop"}
    check_env(gymnasium.make(EDGE_INFERENCE, queries=30, **settings).unwrapped, skip_render_check=True)
    vector = gymnasium.make_vec(EDGE_INFERENCE, num_envs=2, vectorization_mode="vector_entry_point", **settings)
    observations, _ = vector.reset(seed=0)
    assert vector.observation_space.contains(observations)
    assert str(vector.unwrapped.targets[-1]).startswith("cloud:gpu/")


def test_each_link_wanders_by_itself() -> None:
    """Two of the same kind to the same place, and two machines of the same kind with hidden factors of their own."""
    world = SimWorld(WorldOptions(scenario="D3", remotes={"cloud:a": "gpu-server", "cloud:b": "gpu-server"}), seed=0)
    signals = np.array([[link.rssi_dbm for link in world.observe().observation.links.values()]])
    for _ in range(200):
        context = world.observe()
        signals = np.vstack([signals, [link.rssi_dbm for link in context.observation.links.values()]])
        world.perform(None, context, Choice(0, 1.0))
    assert abs(np.corrcoef(signals.T)[0, 1]) < 0.3
    truth = world.truth()
    first, second = (
        truth.latency_s[[str(each).startswith(name) for each in world.targets]] for name in ("cloud:a", "cloud:b")
    )
    assert not np.isclose(first, second, rtol=1e-3).any()


def test_an_outage_takes_every_cloud_and_no_edge() -> None:
    trace = LinkTrace(np.array([0.0, 5.0]), np.array([20e6, 0.0]))
    env = EdgeInferenceEnv(remotes=REMOTES[3], trace=trace, settings="threads")
    env.reset(seed=0)
    is_cloud, masks = np.array([target.place == "cloud" for target in env.targets]), []
    for _ in range(60):
        masks.append(env.action_masks())
        env.step(0)
    assert all(mask[~is_cloud].all() and len({*mask[is_cloud]}) == 1 for mask in masks)
    assert {bool(mask[is_cloud][0]) for mask in masks} == {True, False}


def test_fewer_threads_take_longer_draw_less_and_share_better() -> None:
    """By the laws that the profile names: Amdahl's, watts a core, and a fair scheduler beside a co-runner."""
    world = make_parameters(WorldOptions(settings="threads", remotes={}, hidden_sigma=0.0, networks=("resnet-50",)))
    cpu = [i for i, each in enumerate(world.targets) if str(each).startswith("device:cpu/fp32")]
    costs = world.costs
    latency_s, power_w = costs.latency_s[0, cpu], (costs.busy_w + costs.cores * costs.core_w)[0, cpu]
    assert (np.diff(latency_s) < 0.0).all() and (np.diff(power_w) > 0.0).all()
    alone, beside = (SimWorld(replace_scenario(world, name), seed=0).truth().latency_s[cpu] for name in ("S1", "S2"))
    assert (np.diff(beside / alone) > 0.0).all()


def replace_scenario(world, name: str):
    return make_parameters(replace(world.options, scenario=name))


def test_a_hot_device_slows_down_whatever_its_targets_set() -> None:
    world = SimWorld(
        WorldOptions(settings="threads", remotes={}, networks=("inception-v1",), hidden_sigma=0.0, gap_s=0.05), seed=0
    )
    most = world.parameters.reference_target
    assert str(world.targets[most]) == "device:cpu/fp32@4t"
    latencies_s = [world.perform(None, world.observe(), Choice(most, 1.0)).outcome.latency_s for _ in range(20_000)]
    assert np.mean(latencies_s[-500:]) > 1.05 * np.mean(latencies_s[:500])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"settings": "thread"}, UnknownName, "threads"),
        ({"settings": "DVFS"}, InvalidInput, "dvfs"),
        ({"remotes": {"clod": "gpu-server"}}, InvalidTarget, "clod"),
        ({"remotes": {"device": "gpu-server"}}, InvalidTarget, "'device' is no remote"),
        ({"remotes": {"cloud:gpu/fp32@2t": "gpu-server"}}, InvalidTarget, "no remote"),
        ({"remotes": {"cloud": "gpu-servr"}}, UnknownName, "gpu-server"),
        ({"remotes": {"cloud:npu/int8": "gpu-server"}}, InvalidTarget, "gpu/int8"),
        ({"remotes": {"cloud": 3}}, InvalidInput, "a name, a .toml file"),
        ({"remotes": "cloud"}, InvalidInput, "a mapping"),
        ({"remotes": {1: "rpi5"}}, InvalidTarget, "a remote's name is 1, of type int"),
        ({"networks": (None,)}, InvalidInput, "a network is None"),
        ({"hidden_sigma": "0.1"}, InvalidInput, "hidden_sigma is '0.1', of type str"),
        ({"gap_s": None}, InvalidInput, "gap_s is None"),
        ({"queries": 1.5}, InvalidInput, "queries is 1.5, of type float; allowed: a whole number"),
        ({"links": {"edge:tab": "lte"}}, InvalidInput, r"allowed: 'edge', 'cloud', 'edge:tab-s6'$"),
        ({"remotes": {"cloud:cpu/fp32": "gpu-server", "cloud:gpu/fp32": "xeon-p100"}}, InvalidInput, "allowed: one"),
        ({"remotes": {"cloud": "nowhere.toml"}}, ProfileError, "nowhere.toml"),
        ({"remotes": {}, "links": {"edge:tablet": "wifi"}}, InvalidInput, "edge:tablet"),
        ({"remotes": {"edge": "tab-s6"}, "trace": "link.csv"}, InvalidInput, "no remote is there"),
    ],
)
def test_what_cannot_be_is_named(options, error: type[AutoScaleError], message: str) -> None:
    with pytest.raises(error, match=message):
        make_parameters(WorldOptions(**options))


def test_a_link_of_ones_own_for_one_remote() -> None:
    world = make_parameters(
        WorldOptions(remotes={"cloud": "gpu-server", "cloud:far": "xeon-p100"}, links={"cloud:far": "lte"})
    )
    assert [link.name for link in world.links] == ["wifi", "lte"]


@pytest.mark.parametrize("text", ["cloud", "=gpu-server", "cloud=", "cloud=a,cloud=b", "cloud=a,,edge=b"])
def test_remotes_are_written_as_names_and_profiles(text: str) -> None:
    with pytest.raises(InvalidInput, match="allowed"):
        parse_remotes(text)
    assert parse_remotes("none") == {} and parse_remotes(" ") is None


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = (devices_folder() / "rpi5.toml").read_text().replace('name = "rpi5"', 'name = "board"', 1)
    (tmp_path / "board.toml").write_text(text)
    named = targets_of(device=str(tmp_path / "board.toml"), remotes={"edge:board": tmp_path / "board.toml"})
    assert named[-1].startswith("edge:board:cpu/")


def test_networks_come_from_files_of_either_kind(tmp_path: Path) -> None:
    """What an inspection writes, and the manifest of a bundle; beside one that ships."""
    bundle = Path(__file__).parents[2] / "golden" / "bundle" / "model.toml"
    file = tmp_path / "net.toml"
    file.write_text(network_text(replace(load_network("resnet-50"), name="net"), "a test"))
    for networks in ((str(file), str(bundle), "mobilenet-v2"), (file, bundle, "mobilenet-v2")):
        world = SimWorld(WorldOptions(networks=networks, settings="threads"), seed=0)
        own, bundled, shipped = world.parameters.networks
        assert (own.name, own.macs, shipped.name) == ("net", load_network("resnet-50").macs, "mobilenet-v2")
        assert bundled == load_network(bundle)
        check_world(world, range(10))
        assert train(Training("q-learning", WorldOptions(networks=networks)), 50) is not None
    with pytest.raises(ProfileError, match=r"nowhere\.toml"):
        make_parameters(WorldOptions(networks=("nowhere.toml",)))
