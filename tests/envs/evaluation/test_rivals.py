"""Rivals in the same run: static orders, a fallback list, deep agents trained for it; and what their curves say."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from autoscale.agents.base import make_agent
from autoscale.errors import MissingExtra
from autoscale.loop import run_query
from autoscale_envs import SimWorld, WorldOptions
from autoscale_envs.evaluation.contestants import RIVALS, check_contestants, rivals
from autoscale_envs.evaluation.deep import DEEP, with_trained
from autoscale_envs.evaluation.evaluate_app import app
from autoscale_envs.evaluation.learning import learning_curve, stretches
from autoscale_envs.evaluation.plan import Plan
from autoscale_envs.evaluation.rollout import joined, rollout

SMALL = Plan(("mi8pro",), ("S1",), ("mobilenet-v1", "mobilebert"), seeds=2, queries=12, warm_up=6, in_turn=True)


def test_a_curve_has_interquartile_means_with_intervals() -> None:
    rng = np.random.default_rng(0)
    curves = [np.linspace(1.0, 0.0, 60) + rng.normal(0.0, 0.05, (8, 60)) for _ in range(3)]
    found = learning_curve([curves[0], curves[1][:, :50], curves[2]])
    assert (found[0].first, found[-1].last) == (1, 50)
    assert [each.first for each in found[1:]] == [each.last + 1 for each in found[:-1]]
    assert all(part.excess.low <= part.excess.mean <= part.excess.high for part in found)
    assert found[0].excess.low > found[-1].excess.high
    assert stretches(1) == [(0, 1)]


def test_static_orders_and_a_list_do_what_people_do() -> None:
    world = SimWorld(WorldOptions(device="mi8pro", networks=("mobilenet-v1",)), seed=0)
    forecast = world.observe().forecast
    assert forecast is not None
    fastest = make_agent("fastest", world.targets).select(world.observe()).index
    assert forecast.latency_s[fastest] == forecast.latency_s.min()
    ordered = world.targets[make_agent("npu-gpu-cpu", world.targets).select(world.observe()).index]
    assert (ordered.place, ordered.processor) == ("device", "npu")


def test_the_list_is_left_downwards_and_begun_again() -> None:
    world = SimWorld(WorldOptions(device="mi8pro", networks=("mobilenet-v1",), latency_s=1e-4), seed=0)
    agent, kinds = make_agent("fallback-list", world.targets), []
    for _ in range(110):
        _, _, decision = run_query(world, agent, None, "AUTO")
        kinds.append((decision.chosen.place, decision.chosen.processor))
    assert kinds[:3] == [("device", "npu"), ("device", "gpu"), ("device", "cpu")]
    assert kinds[4] == ("edge", "npu") or kinds[3][0] == "edge"
    assert kinds[20][0] == "cloud"
    assert kinds[50:].count(("device", "npu")) >= 1, "after a while from the top again"


@pytest.mark.skipif(find_spec("stable_baselines3") is None, reason="stable-baselines3 is not installed")
def test_deep_agents_are_trained_for_the_comparison(tmp_path: Path) -> None:
    plan = with_trained(replace(SMALL, agents=("opt",)), DEEP, tmp_path, {"dqn": 2500, "ppo": 2100})
    check_contestants(plan)
    found = rollout(plan, plan.cells()[0])
    assert {*DEEP} <= {*found}
    assert found["dqn"].learn_ns == 0.0, "they stay as they are"


def test_a_rival_whose_package_lacks_is_left_out_aloud() -> None:
    found, lacks = rivals()
    assert {*found, *lacks} == {*RIVALS}
    if find_spec("vowpalwabbit") is None:
        assert "autoscale-inference[vw]" in lacks["vw-squarecb"]
        with pytest.raises(MissingExtra, match=r"autoscale-inference\[vw\]"):
            check_contestants(replace(SMALL, agents=("vw-squarecb",)))


def test_parts_of_a_cell_joined_are_the_cell() -> None:
    plan = replace(SMALL, agents=("lin-ts",), queries=14)
    (cell,) = plan.cells()
    whole, parts = rollout(plan, cell), [rollout(plan, cell, first, 1) for first in (0, 1)]
    for name, mine in whole.items():
        found = joined([each[name] for each in parts])
        assert np.array_equal(found.scores, mine.scores)
        visits = found.curves.shape[1]  # as far as every part goes
        assert np.array_equal(found.curves, mine.curves[:, :visits], equal_nan=True)
        assert found.places == pytest.approx(mine.places)
    near = whole["lin-ts"].scores.networks_within_5pct
    assert {*near.tolist()} <= {0.0, 0.5, 1.0}, "of two networks"


def test_one_command_one_table(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names = ["npu-gpu-cpu", "fastest", "fallback-list", "q-learning-paper", "lin-ucb", "lin-ts", "corrector"]
    names += ["vw-squarecb"] if find_spec("vowpalwabbit") else []
    asked = [
        "run",
        "--device",
        "mi8pro",
        "--scenario",
        "S1",
        "--networks",
        "mobilenet-v1",
        "--seeds",
        "2",
        "--jobs",
        "1",
    ]
    asked += ["--queries", "12", "--in-turn", "--agents", ",".join(names)]
    files = [
        "--plot",
        str(tmp_path / "curves.png"),
        "--json",
        str(tmp_path / "rows.json"),
        "--csv",
        str(tmp_path / "r.csv"),
    ]
    done = CliRunner().invoke(app, [*asked, *files])
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert {*names} <= {*row["agents"]}
    curve = row["agents"]["lin-ts"]["learning_curve"]
    assert {*curve[0]} == {"first", "last", "iqm", "low", "high"}
    assert "learning_curve" not in (tmp_path / "r.csv").read_text()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
