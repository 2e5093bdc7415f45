"""The grid: its cells, its seeds, and the same results whatever computes them."""

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.agents.base import make_agent
from autoscale.agents.policies import save_policy
from autoscale.errors import AutoScaleError, InvalidInput, PolicyError, UnknownName
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.contestants import BASELINES, USUAL, check_contestants, lineup
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.evaluation.report import Row, rows, summary
from autoscale_envs.evaluation.rollout import Result, rollout
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters

SMALL = Plan(
    devices=("s10e",),
    scenarios=("S1", "D3"),
    networks=("mobilenet-v2", "mobilebert"),
    agents=("q-learning", "corrector", "device-best", "connected-edge"),
    seeds=3,
    queries=40,
    warm_up=20,
)


def untimed(made: list[Row]) -> list[Row]:
    """Rows without what the clock says."""
    return [
        {
            **row,
            "agents": {
                name: {k: v for k, v in each.items() if "_us_" not in k} for name, each in row["agents"].items()
            },
        }
        for row in made
    ]


@pytest.fixture(scope="module")
def results() -> dict[Cell, dict[str, Result]]:
    return dict(pool.local(partial(rollout, SMALL), SMALL.cells(), jobs=1))


def test_two_processes_give_what_one_gives(results: dict[Cell, dict[str, Result]]) -> None:
    again = dict(pool.local(partial(rollout, SMALL), SMALL.cells(), jobs=2))
    assert again.keys() == results.keys()
    assert untimed(rows(SMALL, again)) == untimed(rows(SMALL, results))


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install 'autoscale-inference[sweep]'")
@pytest.mark.filterwarnings("ignore")  # ray's own, of its processes and sockets
def test_a_ray_cluster_gives_what_one_process_gives(results: dict[Cell, dict[str, Result]]) -> None:
    again = dict(pool.ray(partial(rollout, SMALL), SMALL.cells(), "local"))
    assert untimed(rows(SMALL, again)) == untimed(rows(SMALL, results))


def test_a_cell_is_the_same_whatever_else_is_in_the_plan(results: dict[Cell, dict[str, Result]]) -> None:
    cell = Cell("s10e", "D3", "mobilebert")
    alone = replace(SMALL, scenarios=("D3",), networks=("mobilebert",), agents=("corrector",), seeds=2)
    mine, theirs = rollout(alone, cell)["corrector"].scores, results[cell]["corrector"].scores
    assert mine.gap_to_oracle.tolist() == theirs.gap_to_oracle[:2].tolist()


def test_another_seed_gives_other_results(results: dict[Cell, dict[str, Result]]) -> None:
    cell = SMALL.cells()[0]
    other = rollout(replace(SMALL, seed=1), cell)
    assert other["cloud"].scores.gap_to_oracle.tolist() != results[cell]["cloud"].scores.gap_to_oracle.tolist()


def test_rows_hold_what_the_contract_names(results: dict[Cell, dict[str, Result]]) -> None:
    made = rows(SMALL, results)
    assert [(row["device"], row["scenario"]) for row in made] == [("s10e", "S1"), ("s10e", "D3")]
    for row in made:
        assert {*row["agents"]} == {*SMALL.agents, *BASELINES}
        for figures in row["agents"].values():
            assert {
                *("ppw_vs_cpu_fp32", "ppw_vs_cloud", "optimal_exact", "optimal_within_1pct", "gap_to_oracle"),
                *("late_fraction", "convergence_queries", "select_us_p50", "learn_us_p50"),
            } <= {*figures}
            assert sum(figures["places"].values()) == pytest.approx(1.0)


def test_baselines_are_what_they_stand_for(results: dict[Cell, dict[str, Result]]) -> None:
    for row in rows(SMALL, results):
        agents: dict[str, dict[str, Any]] = row["agents"]
        assert agents["device-cpu-fp32"]["ppw_vs_cpu_fp32"] == 1.0
        assert agents["cloud"]["ppw_vs_cloud"] == 1.0
        assert agents["opt"]["gap_to_oracle"] == 0.0
        assert agents["opt"]["optimal_exact"] == agents["opt"]["optimal_within_1pct"] == 1.0
        assert {*agents["device-best"]["places"]} <= {"device:cpu", "device:gpu"}
        assert {place.partition(":")[0] for place in agents["connected-edge"]["places"]} == {"edge"}
        assert agents["q-learning"]["table_bytes"] > 400_000
        assert agents["cloud"]["convergence_queries"] is None, "who never learns never converges"


def test_who_is_put_off_by_a_change_and_how_soon_back_is_told() -> None:
    plan = replace(SMALL, scenarios=("D5", "S1"), networks=("mobilenet-v1",), agents=("corrector",), queries=190)
    changed, quiet = rows(plan, {cell: rollout(plan, cell) for cell in plan.cells()})
    assert {figures["recovery_runs"] for figures in quiet["agents"].values()} == {0}
    assert {figures["recovered_within_15"] for figures in quiet["agents"].values()} == {None}
    agents = changed["agents"]
    assert agents["opt"]["recovery_runs"] == 0
    assert agents["device-cpu-fp32"]["recovery_runs"] == plan.seeds
    assert agents["device-cpu-fp32"]["recovery_queries"] is None
    assert agents["device-cpu-fp32"]["recovered_within_15"] == 0.0


def test_networks_can_be_asked_in_turn() -> None:
    plan = replace(SMALL, scenarios=("S1",), agents=("corrector",), in_turn=True, seeds=2, queries=20, warm_up=10)
    (cell,) = plan.cells()
    result = rollout(plan, cell)
    assert result["corrector"].curves.shape[0] == 2
    assert 10 <= result["corrector"].curves.shape[1] <= 40
    (row,) = rows(plan, {cell: result})
    figures = row["agents"]["corrector"]
    assert row["in_turn"] and row["networks"] == ["mobilenet-v2", "mobilebert"]
    assert figures["gap_to_oracle_first"] > figures["gap_to_oracle"] >= 0.0
    assert row["agents"]["opt"]["gap_to_oracle_10"] == 0.0


def test_a_row_needs_all_its_networks(results: dict[Cell, dict[str, Result]]) -> None:
    some = {cell: result for cell, result in results.items() if cell != Cell("s10e", "D3", "mobilebert")}
    assert [row["scenario"] for row in rows(SMALL, some)] == ["S1"]
    assert rows(SMALL, {}) == []
    assert summary({}) == {}


def test_the_summary_is_the_mean_over_all_cells(results: dict[Cell, dict[str, Result]]) -> None:
    ratios = [result["corrector"].scores.ppw_vs_cpu_fp32 for result in results.values()]
    figures = summary(results)["corrector"]
    assert figures["ppw_vs_cpu_fp32"] == pytest.approx(float(np.mean(ratios)))
    assert figures["ppw_vs_cpu_fp32_geomean"] == pytest.approx(float(np.exp(np.mean(np.log(ratios)))))
    assert figures["ppw_vs_cpu_fp32_low"] <= figures["ppw_vs_cpu_fp32_iqm"] <= figures["ppw_vs_cpu_fp32_high"]


def test_a_learner_given_time_beats_every_fixed_choice_of_the_paper() -> None:
    """In a world it can know all of: no hidden factors, no noise."""
    plan = replace(SMALL, scenarios=("S1",), hidden_sigma=0.0, noisy=False, queries=150, warm_up=120)
    agents = summary(dict(pool.local(partial(rollout, plan), plan.cells(), jobs=1)))
    assert agents["corrector"]["gap_to_oracle"] < 0.02
    for fixed in ("device-cpu-fp32", "cloud", "connected-edge"):
        assert agents["q-learning"]["ppw_vs_cpu_fp32"] > agents[fixed]["ppw_vs_cpu_fp32"]


def test_greedy_q_learning_explores_in_the_warm_up_and_never_after() -> None:
    plan = replace(SMALL, agents=("q-learning", "q-learning-greedy"), scenarios=("S1",), queries=200, warm_up=130)
    result = rollout(plan, Cell("s10e", "S1", "mobilenet-v2"))
    explores, greedy = result["q-learning"].scores, result["q-learning-greedy"].scores
    assert greedy.gap_to_oracle.mean() < 0.5 * explores.gap_to_oracle.mean()
    assert greedy.gap_to_oracle_with_learning.mean() > 2.0 * greedy.gap_to_oracle.mean()


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")
def test_predictors_are_fitted_to_the_other_networks() -> None:
    plan = replace(SMALL, agents=("lr", "knn"), seeds=2, queries=10, warm_up=0)
    result = rollout(plan, Cell("s10e", "S1", "mobilenet-v2"))
    assert {*result} == {"lr", "knn", *BASELINES}
    assert result["lr"].scores.gap_to_oracle.max() < 1.0, "a light network is much like the other light ones"
    assert result["lr"].learn_ns == 0.0


def test_a_policy_takes_part_under_its_own_name(tmp_path: Path) -> None:
    targets = make_parameters(WorldOptions(device="s10e")).targets
    save_policy(make_agent("q-learning", targets), tmp_path / "mine-s10e.npz")
    plan = replace(
        SMALL, agents=("cloud",), policies={"mine": str(tmp_path / "mine-{device}.npz")}, queries=5, warm_up=0
    )
    check_contestants(plan)
    assert "mine" in rollout(plan, plan.cells()[0])


def test_a_policy_for_another_device_is_refused_before_anything_runs(tmp_path: Path) -> None:
    save_policy(make_agent("cloud", make_parameters(WorldOptions(device="mi8pro")).targets), tmp_path / "mine.npz")
    with pytest.raises(PolicyError, match="made for"):
        check_contestants(replace(SMALL, policies={"mine": str(tmp_path / "mine.npz")}))
    with pytest.raises(InvalidInput, match="cannot be named 'cloud'"):
        lineup((), {"cloud": "x.npz"})


def test_the_usual_contestants_are_the_papers_and_ours() -> None:
    assert lineup((), {}) == USUAL
    assert lineup(("q-learning",), {}) == ("device-cpu-fp32", "cloud", "q-learning", "opt")
    with pytest.raises(UnknownName, match="did you mean 'q-learning'"):
        lineup(("q-lerning",), {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devices": ("mi8por",)}, "did you mean 'mi8pro'"),
        ({"scenarios": ("D9",)}, "unknown scenario 'D9'"),
        ({"networks": ("resnet50x",)}, "did you mean 'resnet-50'"),
        ({"objective": "energi"}, "did you mean 'energy'"),
        ({"networks": ()}, "networks is empty"),
        ({"seeds": 0}, "seeds is 0; allowed: 1 or more"),
        ({"queries": 1}, "queries is 1"),
        ({"warm_up": 40}, "warm_up is 40; allowed: 0 to 39"),
        ({"hidden_sigma": -0.1}, "hidden_sigma is -0.1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AutoScaleError, match=message):
        replace(SMALL, **change)


def test_no_jobs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="jobs is 0"):
        pool.local(partial(rollout, SMALL), SMALL.cells(), jobs=0)
