"""Worlds whose networks may be cut: what a target in two parts costs is what is forecast, and where it wins."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from autoscale import make_agent, run_query
from autoscale.agents.base import Choice
from autoscale.errors import InvalidInput, ProfileError
from autoscale.profiles.model_profile_codec import network_text
from autoscale.profiles.networks import load_network
from autoscale.profiles.remotes import make_remotes
from autoscale.query.target import Target
from autoscale.splitting import advise
from autoscale_envs import SimWorld, WorldOptions
from autoscale_envs.evaluation.evaluate_app import app
from autoscale_envs.worlds.dynamics import initial
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.view import View
from autoscale_envs.worlds.world import BatchedWorld
from autoscale_runtime.models.splitting.cuts import find_cuts
from tests.envs.worlds.test_forecast import simulated

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
CLOUD = {"cloud": "gpu-server"}


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network's file with its cuts."""
    whole = find_cuts(LIGHT / "light_bvlc_alexnet.onnx").whole
    path = tmp_path_factory.mktemp("networks") / "alexnet.toml"
    path.write_text(network_text(replace(whole, name="alexnet"), "counted"))
    return path


def world_of(alexnet: Path, device: str = "mi8pro", **others: object) -> WorldOptions:
    options = WorldOptions(device=device, networks=(alexnet,), remotes=CLOUD, splits=True, latency_s=0.05)
    return replace(options, **others)  # type: ignore[arg-type]


def oracles(parameters: WorldParameters) -> Counter[Target]:
    """The best targets of a hundred queries in 16 environments."""
    world, found = BatchedWorld(parameters, [*range(16)]), Counter[Target]()
    for _ in range(6):
        best = world.best(*world.weighed())
        found.update(parameters.targets[index] for index in best.tolist())
        world.step(best)
    return found


def test_a_network_s_file_keeps_its_cuts(alexnet: Path, tmp_path: Path) -> None:
    whole, found = find_cuts(LIGHT / "light_bvlc_alexnet.onnx").whole, load_network(alexnet)
    assert [each.after for each in found.cuts] == [each.after for each in whole.cuts]
    for mine, theirs in zip(found.cuts, whole.cuts, strict=True):
        assert mine.crossing_bytes == theirs.crossing_bytes
        for end in ("head", "tail"):
            part, other = getattr(mine, end), getattr(theirs, end)
            assert (part.macs, part.conv, part.output_bytes) == (other.macs, other.conv, other.output_bytes)
            assert part.values_by_kind == {kind: count for kind, count in other.values_by_kind.items() if count}
    for wrong, says in (("cuts.0", "after N nodes"), ("cuts.30.body", "unknown key 'body'"), ("cuts.x", "is no cut")):
        path = tmp_path / alexnet.name
        path.write_text(alexnet.read_text() + f"\n[{wrong}]\n")
        with pytest.raises(ProfileError, match=says):
            load_network(path)


@pytest.mark.parametrize("device", ["mi8pro", "pixel9"])
def test_what_a_cut_costs_is_what_is_forecast(alexnet: Path, device: str) -> None:
    parameters = make_parameters(world_of(alexnet, device, hidden_sigma=0.0))
    truth, [network] = simulated(parameters), parameters.networks
    names = {str(each): index for index, each in enumerate(parameters.targets) if each.cut}
    assert len(names) > 3
    remotes = make_remotes(CLOUD, {})
    for precision in ("fp32", "int8"):
        within = parameters.whole
        advice = advise(network, precision, parameters.device, remotes, parameters.goals[0], "dvfs", within=within)
        for each in advice.splits:
            index = names.pop(str(each.whole.target))
            for figure, wanted in (
                ("latency_s", truth.latency_s),
                ("energy_j", truth.device_j),
                ("remote_j", truth.remote_j),
            ):
                told = getattr(each.whole, figure).mid
                assert np.ravel(wanted)[index] == pytest.approx(told, rel=1e-9), (figure, each.whole.target)
    assert all("fp16" in name for name in names)


def test_one_and_many_environments_agree_to_the_last_bit(alexnet: Path) -> None:
    for scenario in ("S1", "D3"):
        world = BatchedWorld(make_parameters(world_of(alexnet, scenario=scenario, cold_start=True)), [1, 2, 3])
        for _ in range(3):
            many = world.costs_everywhere()
            for number in range(3):
                view = View(world, number)
                for target in range(0, len(world.parameters.targets), 3):
                    one = view.cost_of(target)
                    assert one.latency_s == many.latency_s[number, target]
                    assert one.device_j == many.device_j[number, target]
            world.step(np.full(3, len(world.parameters.targets) - 1))


def test_where_it_pays_and_where_it_does_not(alexnet: Path) -> None:
    here = oracles(make_parameters(world_of(alexnet, "pixel9", remotes={})))
    best, times = here.most_common(1)[0]
    assert best.head is not None
    assert (best.processor, best.head.processor) == ("cpu", "npu")
    assert times > 0.8 * here.total()
    wifi, lte = (
        oracles(make_parameters(world_of(alexnet, "moto-x-force", links={"cloud": link}))) for link in ("wifi", "lte")
    )
    assert sum(count for each, count in wifi.items() if each.cut and each.is_remote) > 0.3 * wifi.total()
    assert not any(each.cut and each.is_remote for each in lte)


def test_an_agent_is_offered_a_cut_where_it_is_expected_to_pay(alexnet: Path) -> None:
    world = SimWorld(world_of(alexnet, "pixel9", remotes={}), seed=0)
    agent, chosen = make_agent("corrector", world.targets), Counter[bool]()
    for _ in range(60):
        context = world.observe()
        assert context.forecast is not None
        whole = [index for index in context.admitted.tolist() if not world.targets[index].cut]
        for index in context.admitted.tolist():
            if world.targets[index].cut:
                assert context.forecast.best(context.goal, [*whole, index]) == index
        chosen[run_query(world, agent, None, "AUTO")[2].selected.cut is not None] += 1
    assert chosen[True] > 30


def test_of_a_network_without_cuts_there_are_none_and_by_default_of_none(alexnet: Path) -> None:
    assert not any(each.cut for each in SimWorld(world_of(alexnet, splits=False), 0).targets)
    both = make_parameters(world_of(alexnet, networks=(alexnet, "mobilenet-v1"), remotes={}))
    cut = [index for index, each in enumerate(both.targets) if each.cut]
    assert cut
    assert both.covered[0][cut].all()
    assert not both.covered[1][cut].any()
    assert any("mobilenet-v1" in note and "tells of no cut" in note for note in both.notes())
    none = make_parameters(world_of(alexnet, networks=("mobilenet-v1",)))
    assert [each for each in none.notes() if "no file tells of a cut" in each]
    world = SimWorld(both, seed=0)
    while world.observe().model.name != "mobilenet-v1":
        world.perform(None, world.observe(), Choice(0, 1.0))
    answered = world.perform(None, world.observe(), Choice(cut[0], 1.0)).attempts
    assert [each.target for each in answered] == [both.targets[cut[0]], both.targets[both.reference_targets[1]]]
    with pytest.raises(InvalidInput, match="splits"):
        WorldOptions(splits="yes")  # type: ignore[arg-type]


def test_the_command_evaluates_with_cuts(alexnet: Path) -> None:
    asked = ["--networks", str(alexnet), "--device", "pixel9", "--scenario", "S1", "--queries", "20", "--seeds", "1"]
    result = CliRunner().invoke(app, [*asked, "--agents", "device-best", "--splits", "--json", "-"])
    assert result.exit_code == 0, result.output
    assert "device:cpu, cut" in result.stdout


def test_both_parts_are_opened(alexnet: Path) -> None:
    parameters = make_parameters(world_of(alexnet, cold_start=True))
    opened = initial(parameters, np.ones(1)).opened
    assert opened is not None
    assert opened.shape == (1, parameters.openings.count)
    for index, each in enumerate(parameters.targets):
        parts = [each.head, None if each.is_remote else each.whole] if each.cut else []
        own = [parameters.targets.index(part) for part in parts if part is not None]
        if own:
            assert parameters.openings.seconds[index] == pytest.approx(parameters.openings.seconds[own].sum())
