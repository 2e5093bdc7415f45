"""Networks that the rows of a device's file alone know: they are played where they were measured, and nowhere else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from autoscale.agents.base import Choice
from autoscale.checks import check_world
from autoscale.errors import InvalidInput, ProfileError, UnknownName
from autoscale.interval import Interval
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.measured import MeasuredRow, measured_lines
from autoscale.profiles.shipped import devices_folder
from autoscale.query.target import Target
from autoscale_envs import SimWorld, Training, WorldOptions, train
from autoscale_envs.evaluation.evaluate_command import evaluate
from autoscale_envs.gym.env import EdgeInferenceEnv
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.worlds.parameters import make_parameters

ROWS = (("mine", "cpu/int8@4t#tflite", 0.5), ("mine", "cpu/fp16@2t#armnn", 0.2), ("other", "cpu/int8@4t#tflite", 0.7))
MEASURED = tuple(
    MeasuredRow(
        network, Target.parse(f"device:{target}"), Interval.about(0.02, 0.05), Interval.exactly(joules), source="a"
    )
    for network, target, joules in ROWS
)
BOARD = replace(load_device("rpi5"), measured=MEASURED)


def world_of(*networks: str, device: DeviceProfile = BOARD, **options) -> SimWorld:
    return SimWorld(WorldOptions(device, networks=networks, hidden_sigma=0.0, **options), seed=0)


def test_a_network_is_played_on_its_rows_and_costs_what_they_say() -> None:
    world = world_of("mine")
    played = [str(world.targets[index]) for index in world.observe().admitted]
    assert {"device:cpu/int8@4t#tflite", "device:cpu/fp16@2t#armnn"} <= {*played}
    assert not any(target.startswith(("cloud", "edge", "device:cpu/fp32")) for target in played)
    told, at = world.observe().forecast, world.targets.index(MEASURED[1].target)
    assert (told.latency_s[at], told.energy_j[at]) == pytest.approx((0.02, 0.2))
    assert world.targets[world.oracle()].precision == "fp16"
    (note,) = world.parameters.notes()
    assert f"'mine' is known by its measured rows alone: played on {len(played)} of {len(world.targets)}" in note
    check_world(world, range(12))


def test_networks_of_both_kinds_are_asked_in_turn() -> None:
    world = world_of("mine", "other", "mobilenet-v2", scenario="D5")
    seen = {}
    for _ in range(300):
        context = world.observe()
        seen[context.model.name] = len(context.admitted)
        world.perform(None, context, Choice(int(context.admitted[0]), 1.0))
    assert seen["other"] < seen["mine"] < seen["mobilenet-v2"] == len(world.targets)
    assert train(Training("q-learning", WorldOptions(BOARD, networks=("mine", "mobilenet-v2"))), 50) is not None
    with pytest.raises(InvalidInput, match="knows no masks"):
        train(Training("dqn", WorldOptions(BOARD, networks=("mine",))), 50)


def test_an_action_that_is_not_covered_is_a_failed_attempt() -> None:
    env = EdgeInferenceEnv(device=BOARD, networks=("mine",), hidden_sigma=0.0)
    _, info = env.reset(seed=0)
    refused, own = int(np.flatnonzero(info["action_mask"] == 0)[-1]), int(np.flatnonzero(info["action_mask"])[0])
    *_, info = env.step(refused)
    assert info["did_fallback"] and info["qos_violation"] and info["latency_s"] > 0.1
    *_, info = env.step(own)
    assert not info["did_fallback"]
    many = EdgeInferenceVectorEnv(3, device=BOARD, networks=("mine",), hidden_sigma=0.0)
    many.reset(seed=0)
    *_, infos = many.step(np.array([refused, own, own]))
    assert infos["did_fallback"].tolist() == [True, False, False]
    assert np.isfinite(infos["energy_j"]).all()


def test_a_name_that_nothing_knows_and_a_device_without_speeds_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'mine'"):
        WorldOptions(BOARD, networks=("mien",))
    bare = replace(BOARD, processors={"cpu": replace(BOARD.processors["cpu"], speed=None)})
    assert len(world_of("mine", device=bare).observe().admitted) >= 2
    with pytest.raises(ProfileError, match="is missing; it is needed"):
        make_parameters(WorldOptions(bare, networks=("mobilenet-v1",)))


def test_evaluate_plays_them_and_says_where(tmp_path: Path) -> None:
    text = (devices_folder() / "rpi5.toml").read_text().replace('name = "rpi5"', 'name = "board"')
    text = text.replace("[sources]", '[sources]\nplug = "a plug"', 1)
    (tmp_path / "board.toml").write_text("\n".join([text, *measured_lines(MEASURED, {"a": "plug"})]))
    app = typer.Typer()
    app.command()(evaluate)
    told = ("--device", str(tmp_path / "board.toml"), "--networks", "mine,Mobilenet V2", "--scenario", "S1")
    short = ("--agents", "corrector,device-best", "--seeds", "1", "--queries", "6", "--jobs", "1", "--json", "-")
    result = CliRunner().invoke(app, [*told, *short])
    assert result.exit_code == 0, result.output
    assert "'mine' is known by its measured rows alone: played on" in result.stderr
    assert "MobileNet" not in result.stderr
