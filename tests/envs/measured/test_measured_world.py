"""A measured world: what it asks, what it shows, and that its figures are the rows'."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autoscale.agents.base import Choice, make_agent
from autoscale.checks import check_world
from autoscale.errors import InvalidGoal, InvalidTarget, UnknownName
from autoscale.interval import Interval
from autoscale.loop import run_query
from autoscale.profiles import load_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.goal import Goal
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_envs.measured.contestants import rule
from autoscale_envs.measured.forecast import profile_forecasts
from autoscale_envs.measured.table import MeasuredRun, MeasuredTable
from autoscale_envs.measured.world import MeasuredWorld

CPU, GPU, NPU = (Target.parse(each) for each in ("device:cpu/fp32#tflite", "device:gpu/fp16#armnn", "device:npu/int8"))
TABLE = MeasuredTable(
    "board",
    (
        MeasuredRun("board", "small", CPU, 0.008, 0.05, 0.010),
        MeasuredRun("board", "small", CPU, 0.012, 0.07),
        MeasuredRun("board", "small", GPU, 0.006, 0.09),
        MeasuredRun("board", "large", CPU, 0.500, 3.0),
        MeasuredRun("board", "large", GPU, 0.300, 1.0),
        MeasuredRun("board", "large", NPU, 0.400, 0.9, accuracy=0.6),
        MeasuredRun("board", "mobilenet-v1", GPU, 0.020, 0.1, energy_spread=0.2),
    ),
)
NO_LIMIT = Goal(latency_s=math.inf)


def outcomes(world: MeasuredWorld, queries: int) -> list[tuple[str, float, float]]:
    told = []
    for _ in range(queries):
        context = world.observe()
        outcome = world.perform(None, context, Choice(int(context.admitted[0]), 1.0)).outcome
        told.append((context.model.name, outcome.latency_s, outcome.energy_j.device))
    return told


def test_it_is_a_world() -> None:
    check_world(MeasuredWorld(TABLE, NO_LIMIT, seed=3), range(12))


def test_networks_are_asked_in_turn_and_seeds_repeat() -> None:
    first, again, other = (outcomes(MeasuredWorld(TABLE, NO_LIMIT, seed), 9) for seed in (0, 0, 1))
    assert first == again != other
    names = [name for name, *_ in first]
    assert names[:3] * 3 == names
    assert {*names} == {*TABLE.networks}


def test_figures_are_of_one_of_the_runs_and_stray_as_its_queries_did() -> None:
    world = MeasuredWorld(TABLE.only(["small"]), NO_LIMIT)
    figures = np.array([each[1:] for each in outcomes(world, 4000)])
    assert {*np.round(figures[:, 1], 6).tolist()} == {0.05, 0.07}, "joules of a run, as they were measured"
    first = figures[figures[:, 1] < 0.06, 0]
    assert first.mean() == pytest.approx(0.008, rel=0.02)
    assert np.quantile(first, 0.9) == pytest.approx(0.010, rel=0.03)
    assert {*figures[figures[:, 1] > 0.06, 0].tolist()} == {0.012}, "a run without a p90 does not stray"
    assert figures.mean(axis=0).tolist() == pytest.approx([0.010, 0.06], rel=0.03)


def test_without_noise_figures_are_the_means() -> None:
    ((name, *figures),) = {*outcomes(MeasuredWorld(TABLE.only(["small"]), NO_LIMIT, noisy=False), 5)}
    assert (name, figures) == ("small", pytest.approx([0.010, 0.06]))


def test_agents_are_told_what_is_known_and_no_more() -> None:
    world = MeasuredWorld(TABLE, NO_LIMIT)
    contexts = {}
    for _ in TABLE.networks:
        context = world.observe()
        contexts[context.model.name] = context
        world.perform(None, context, Choice(int(context.admitted[0]), 1.0))
    assert contexts["large"].admitted.tolist() == [0, 1, 2]
    assert contexts["small"].admitted.tolist() == [0, 1]
    assert (contexts["small"].model.macs, contexts["mobilenet-v1"].model.conv) == (0, 14)
    figures = np.array([each.forecast.energy_j for each in contexts.values()])  # type: ignore[union-attr]
    assert np.ptp(figures) == 0.0, "one figure for every target of every network"
    with pytest.raises(InvalidTarget, match="'small' was not measured on device:npu/int8"):
        while world.observe().model.name != "small":
            world.perform(None, world.observe(), Choice(int(world.observe().admitted[0]), 1.0))
        world.perform(None, world.observe(), Choice(2, 1.0))


def test_the_profile_tells_what_it_knows_of() -> None:
    forecasts = profile_forecasts(load_device("mi8pro"), TABLE)
    own, unknown = forecasts(TABLE.networks.index("mobilenet-v1")), forecasts(0)
    assert own.latency_s[1] < own.latency_s[0], "the phone's GPU is faster than its CPU in fp32"
    assert np.ptp(unknown.latency_s) == 0.0


def test_a_profiles_own_rows_tell_of_networks_that_do_not_ship() -> None:
    row = MeasuredRow("small", CPU, Interval.exactly(0.02), Interval.exactly(0.4))
    forecast = profile_forecasts(replace(load_device("mi8pro"), measured=(row,)), TABLE)(0)
    assert TABLE.networks[0] == "small"
    assert (forecast.latency_s[0], forecast.energy_j[0]) == (pytest.approx(0.02), pytest.approx(0.4))
    assert np.isfinite(forecast.energy_j).all()


def test_outcomes_say_that_they_were_measured() -> None:
    world = MeasuredWorld(TABLE, NO_LIMIT)
    _, _, decision = run_query(world, make_agent("q-learning", world.targets), None, "AUTO")
    assert {*decision.outcome.methods.values()} == {Method.MEASURED}


@pytest.mark.parametrize(
    ("name", "small", "large"),
    [
        ("opt", CPU, NPU),
        ("fastest", GPU, GPU),
        ("npu-gpu-cpu", GPU, NPU),
        ("engine:tflite", CPU, CPU),
        ("engine:armnn", GPU, GPU),
    ],
)
def test_rules_are_what_they_are_called(name: str, small: Target, large: Target) -> None:
    for network, expected in (("small", small), ("large", large)):
        world = MeasuredWorld(TABLE.only([network]), NO_LIMIT)
        agent = rule(name, world)
        assert agent is not None
        assert world.targets[agent.select(world.observe()).index] == expected


def test_limits_and_accuracy_bind_the_oracle() -> None:
    assert MeasuredWorld(TABLE.only(["large"]), Goal(latency_s=0.35)).oracle() == 1
    large = TABLE.only(["large"])
    assert MeasuredWorld(large, Goal("latency", math.inf, min_accuracy=0.6)).oracle() == 2, "the others' are unknown"
    world = MeasuredWorld(large, Goal(latency_s=math.inf, min_accuracy=0.6))
    context = world.observe()
    assert world.perform(None, context, Choice(1, 1.0)).outcome.misses_accuracy(context.goal)
    with pytest.raises(InvalidGoal, match=r"no row of 'small' \(2 of 3 networks of 'board'\) tells an accuracy"):
        MeasuredWorld(TABLE, Goal(min_accuracy=0.5))


def test_an_engine_that_no_target_has_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'armnn'"):
        rule("engine:armn", MeasuredWorld(TABLE, NO_LIMIT))
