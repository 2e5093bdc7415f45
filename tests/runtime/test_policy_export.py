"""An exported policy chooses as the agent does, with ONNX Runtime alone."""

import json
import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import typer
from typer.testing import CliRunner

from autoscale import Agent, Context, Goal, Observation, Target, make_agent, run_query
from autoscale.agents.correction.exploring import draw
from autoscale.agents.policies import save_policy
from autoscale.errors import InvalidInput, PolicyError
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale_envs import WorldOptions
from autoscale_envs.worlds.sim_world import SimWorld
from autoscale_runtime.policy_export import export_policy
from autoscale_runtime.policy_export.export_command import export_command
from autoscale_runtime.policy_export.interface import feeds_of

STRANGER = ModelProfile("a network it has not met", conv=3)


def worlds(seed: int) -> SimWorld:
    options = WorldOptions(device="s10e", scenario="D3", settings=("dvfs", "threads")[seed % 2], hidden_sigma=0.3)
    return SimWorld(options, seed=seed)


def _let_change(agent: Agent, world: SimWorld) -> None:
    """A network is three times slower on a processor, which others do not show."""
    context = world.observe()
    for _ in range(40):
        outcome = world.perform(None, context, agent.select(context)).outcome
        agent.learn(context, int(context.admitted[0]), replace(outcome, latency_s=3.0 * outcome.latency_s), 0.0)


def _many(count: int) -> tuple[Target, ...]:
    return tuple(Target.parse(f"device:cpu/fp32@{100 + each}MHz") for each in range(count))


@pytest.mark.parametrize("objective", ["energy", "carbon", "latency"])
@pytest.mark.parametrize("on_time", [0.5, 0.99])
def test_choices_and_probabilities_are_the_agents(tmp_path: Path, objective: str, on_time: float) -> None:
    world, dice = worlds(int(on_time == 0.5)), np.random.default_rng(0)
    agent = make_agent("corrector", world.targets)
    for _ in range(300):
        run_query(world, agent, None, "AUTO")
    _let_change(agent, world)
    if on_time == 0.99:
        known = (world.observe().model.name, STRANGER.name)
        agent.start_from({name: dice.normal(0.0, 0.3, (3, len(world.targets))) for name in known})
    told, exported = export_policy(agent, tmp_path / "p.onnx", Goal(objective, on_time=on_time)), deepcopy(agent)
    session, nothing = onnxruntime.InferenceSession(tmp_path / "p.onnx"), np.full(len(world.targets), math.nan)
    for number in range(150):
        seen, forecast = world.observe(), world.observe().forecast
        assert forecast is not None
        if number % 5 == 1:  # a forecast that tells nothing, of a network that nobody knows
            forecast = Forecast(*(np.full(len(world.targets), each) for each in (0.02, 0.1, 1e-5, math.nan)))
        if number % 5 == 3:  # one that tells the latency alone
            forecast = Forecast(forecast.latency_s, nothing, nothing, forecast.accuracy)
        if number % 7 == 2:  # and one with holes
            unknown = dice.random((2, len(world.targets))) < 0.3
            odd = float(dice.choice([math.nan, math.inf, 0.0, 1e-12]))
            figures = np.where(unknown, odd, (forecast.latency_s, forecast.energy_j))
            forecast = Forecast(*figures, forecast.carbon_g, forecast.accuracy)
        limit_s, floor = dice.choice([0.005, 0.03, 0.05, math.inf]), dice.choice([None, 0.7, 1.0])
        context = Context(
            seen.model if number % 3 else STRANGER,
            seen.observation if number % 4 else Observation(),
            Goal(objective, latency_s=float(limit_s), min_accuracy=floor, on_time=on_time),
            np.sort(dice.choice(seen.admitted, dice.integers(1, seen.admitted.size + 1), replace=False)),
            lambda known=forecast: known,
        )
        # As it was, since what it chooses counts against its looks; a copy, since once asked it knows the network.
        chances, uniform = deepcopy(exported).probabilities(context), float(dice.random())

        target, probability = session.run(None, feeds_of(context, world.targets, told["networks"], uniform))
        assert int(target) == draw(chances.cumsum(), uniform)
        assert float(probability) == pytest.approx(chances[int(target)], abs=1e-9)
        world.perform(None, seen, agent.select(seen))


@pytest.mark.parametrize("targets", [35, 66])
def test_where_nothing_tells_targets_apart_the_first_is_the_best_of_both(tmp_path: Path, targets: int) -> None:
    """Runtimes round the last of 35 figures otherwise than the first 32, by which another one was the least."""
    agent = make_agent("corrector", _many(targets))
    told = export_policy(agent, tmp_path / "p.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx")
    for figure in np.geomspace(0.001, 1.0, 30).tolist():
        flat = Forecast(*(np.full(targets, each) for each in (figure, 3.0 * figure, 1e-5, math.nan)))
        context = Context(STRANGER, Observation(), Goal(), np.arange(targets), lambda known=flat: known)
        target, probability = session.run(None, feeds_of(context, agent.targets, told["networks"], 0.0))
        assert int(target) == 0
        assert float(probability) == pytest.approx(deepcopy(agent).probabilities(context)[0], abs=1e-9)


def test_the_json_says_how_to_ask(tmp_path: Path) -> None:
    world = worlds(0)
    told = export_policy(make_agent("corrector", world.targets), tmp_path / "p.onnx")
    assert json.loads((tmp_path / "p.json").read_text()) == told
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx")
    assert [each.name for each in session.get_inputs()] == list(told["inputs"])
    assert [each.name for each in session.get_outputs()] == list(told["outputs"])
    assert told["targets"] == [str(each) for each in world.targets]
    assert [each["name"] for each in told["observation"]][:3] == ["cpu_load", "memory_load", "temperature_c"]


def test_the_command(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(export_command)
    world = worlds(1)
    save_policy(make_agent("corrector", world.targets), tmp_path / "p.npz")
    save_policy(make_agent("q-learning", world.targets), tmp_path / "q.npz")
    done = CliRunner().invoke(app, [str(tmp_path / "p.npz"), str(tmp_path / "p.onnx")])
    assert done.exit_code == 0, done.output
    assert f"{len(world.targets)} targets, 0 networks" in done.output
    done = CliRunner().invoke(app, [str(tmp_path / "q.npz"), str(tmp_path / "q.onnx")])
    assert str(done.exception) == "agent 'q-learning' has no graph; allowed: ['corrector']"
    assert not (tmp_path / "q.onnx").exists()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    agent = make_agent("corrector", worlds(1).targets)
    with pytest.raises(InvalidInput, match=r"allowed: a file that ends in .onnx"):
        export_policy(agent, tmp_path / "p.json")
    with pytest.raises(PolicyError, match="cannot be written"):
        export_policy(agent, tmp_path / "none" / "p.onnx")
