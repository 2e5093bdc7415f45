"""``autoscale evaluate --records``: agents judged on what was logged, beside the simulator's truth."""

import json
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from autoscale import Record, make_agent, run_query
from autoscale.agents.policies import save_policy
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import read_logged_queries
from autoscale.query.considered import Considered
from autoscale_envs import WorldOptions
from autoscale_envs.evaluation.evaluate_command import evaluate
from autoscale_envs.fleet.plan import FleetPlan
from autoscale_envs.fleet.simulate import simulate
from autoscale_envs.training.train_command import train_command
from autoscale_envs.worlds.sim_world import SimWorld
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.collector.service import collect

QUERIES = 500


AGENT = """
import numpy as np
from autoscale import Agent, Choice


class Exploring(Agent):
    name = "exploring"

    def select(self, context):
        chances = self.probabilities(context)
        index = int(self.rng.choice(chances.size, p=chances))
        return Choice(index, float(chances[index]))

    def probabilities(self, context):
        chances = np.zeros(len(self.targets))
        chances[context.admitted] = 0.4 / context.admitted.size
        chances[context.forecast.best(context.goal, context.admitted)] += 0.6
        return chances
"""
"""A user's module: the forecast's best, and with a chance of 0.4 any."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of a simulated phone's queries, by way of a device's log, the wire and a collector."""
    folder = tmp_path_factory.mktemp("judging")
    world = SimWorld(WorldOptions(device="mi8pro", scenario="D3", settings="threads"), seed=0)
    own: dict[str, Any] = {}
    exec(AGENT, own)
    agent = own["Exploring"](world.targets)
    with LedgerWriter(folder / "log") as log:
        for number in range(QUERIES):
            _, context, decision = run_query(world, agent, None, "AUTO")
            kept = Considered(world.targets, context) if number else None
            log.append(
                Record(
                    1.75e9 + number,
                    "mi8pro",
                    context.model.name,
                    context.goal,
                    context.observation,
                    decision,
                    considered=kept,
                )
            )
    with collect(folder / "ledger") as collector, Uploader(folder / "log", collector.address) as uploader:
        assert uploader.upload().accepted == QUERIES
    return folder / "ledger"


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, ["--records", *map(str, arguments)])


def judged(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json", "-")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_rows_that_keep_nothing_are_counted(ledger: Path) -> None:
    log = read_logged_queries(ledger)
    assert (log.rows, log.skipped, len(log.queries)) == (QUERIES, {"considered": 1}, QUERIES - 1)


def test_the_policy_that_logged_is_judged_as_it_was(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own.py").write_text(AGENT)
    monkeypatch.syspath_prepend(tmp_path)
    found = judged(ledger, "--agents", "my_own:Exploring")
    row, logged = found["agents"]["my_own:Exploring"], found["logged"]
    assert row["effective_queries"] == pytest.approx(QUERIES - 1)
    assert row["objective"]["snips"]["mean"] == pytest.approx(logged["objective"], rel=1e-6)
    assert row["missed"]["ips"]["mean"] == pytest.approx(logged["missed"], abs=1e-6)


def test_agents_and_policies_have_estimates_or_reasons(ledger: Path, tmp_path: Path) -> None:
    targets = read_logged_queries(ledger).queries[0].targets
    save_policy(make_agent("q-learning", targets), tmp_path / "new.npz")
    found = judged(ledger, "--agents", "q-learning,cloud,knn", "--policy", f"new={tmp_path / 'new.npz'}")
    assert list(found["agents"]) == ["q-learning", "cloud", "knn", "new"]
    for row in found["agents"].values():
        assert row["refused"] or row["objective"]["doubly_robust"]["low"] <= row["objective"]["doubly_robust"]["high"]
    shown = run(ledger, "--agents", "cloud")
    assert "logged" in shown.output
    assert "1 rows skipped: considered is not kept" in shown.output


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_file_with_the_ledgers_columns_is_as_good(ledger: Path, tmp_path: Path, kind: str) -> None:
    table = pq.read_table(next(ledger.rglob("*.parquet")))
    path = tmp_path / f"records.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("\n".join(map(json.dumps, table.to_pylist())))
    assert len(read_logged_queries(path).queries) == len(read_logged_queries(ledger).queries)


HELD = {"targets": ["device:cpu/fp32", "device:npu/int8"], "energy_uj": [90, 60], "reference": 1e-4}
ROW = {
    "model": "m",
    "objective": "energy",
    "chosen": "device:npu/int8",
    "probability_ppb": 500_000_000,
    "latency_us": 900,
    "energy_device_uj": 70,
    "considered": json.dumps(HELD),
}
"""A row as somebody writes it by hand, with no more than is needed."""


@pytest.mark.parametrize(
    ("changed", "skipped"),
    [
        ({}, {}),
        ({"probability_ppb": 0.5}, {"probability": 1}),
        ({"probability_ppb": None}, {"probability": 1}),
        ({"latency_us": None}, {"latency_us": 1}),
        ({"latency_us": -1}, {"latency_us": 1}),
        ({"chosen": None}, {"chosen": 1}),
        ({"considered": json.dumps({**HELD, "reference": None})}, {"considered": 1}),
        ({"considered": json.dumps({**HELD, "reference": 0})}, {"considered": 1}),
        ({"considered": json.dumps({**HELD, "energy_uj": [1]})}, {"considered": 1}),
        ({"considered": "null"}, {"considered": 1}),
        ({"considered": json.dumps({**HELD, "left_out": [7]})}, {"considered": 1}),
        ({"energy_device_uj": None}, {"energy": 1}),
        ({"energy_device_uj": -3}, {"energy": 1}),
        ({"energy_device_uj": 1e300}, {"energy": 1}),
        ({"objective": "carbon", "operational_device_ng": None}, {"carbon": 1}),
        ({"objective": "carbon", "operational_device_ng": 5}, {}),
        ({"objective": "joules"}, {"objective": 1}),
    ],
)
def test_a_row_written_by_hand_judges_or_is_counted(
    tmp_path: Path, changed: dict[str, Any], skipped: dict[str, int]
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in (ROW, ROW | changed)))
    log = read_logged_queries(path)
    assert (log.rows, dict(log.skipped), len(log.queries)) == (2, skipped, 1 + (not skipped))


def test_a_row_that_comes_twice_counts_once(tmp_path: Path) -> None:
    path, place = tmp_path / "own.jsonl", {"device_id": "a", "log_id": 1}
    rows = [ROW | place | {"sequence": each} for each in (0, 1, 1, 0)]
    path.write_text("\n".join(json.dumps(each) for each in rows))
    log = read_logged_queries(path)
    assert (len(log.queries), dict(log.skipped)) == (2, {"repeated": 2})


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("considered", HELD, "in the column 'considered'; allowed: text"),
        ("probability_ppb", "0.5", "string in the column 'probability_ppb'; allowed: numbers"),
        ("model", 7, "int64 in the column 'model'; allowed: text"),
    ],
)
def test_a_column_of_another_kind_is_named(tmp_path: Path, column: str, value: object, told: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(ROW | {column: value}))
    with pytest.raises(InvalidInput, match=told):
        read_logged_queries(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("/nowhere",), "no ledger and no file at '/nowhere'"),
        (("{ledger}", "--seeds", "3"), "--seeds is of runs"),
        (("{ledger}", "--agents", "clod"), "unknown agent 'clod'"),
        (
            ("{ledger}", "--objective", "carbon"),
            "objective is 'carbon'; the log's queries minimise ['energy']",
        ),
        (("{readme}",), "is a '.txt' file; allowed"),
        (("{empty}",), "lacks the columns"),
    ],
)
def test_bad_input_is_named(ledger: Path, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.csv").write_text("model,objective\na,b\n")
    places = {"ledger": ledger, "readme": tmp_path / "a.txt", "empty": tmp_path / "a.csv"}
    done = run(*(each.format(**places) for each in arguments))
    assert done.exit_code != 0
    assert told in str(done.exception)


def test_a_simulated_fleet_judges_others_and_keeps_bad_ones_out(tmp_path: Path) -> None:
    ledger, policy = tmp_path / "ledger", tmp_path / "policy.npz"
    simulate(FleetPlan(devices=25, days=2, queries_per_day=100.0, mix={"mi8pro": 1.0}), ledger)
    found = judged(ledger, "--agents", "cloud")
    assert found["queries"] == found["rows"] > 3000
    assert found["skipped"] == {}
    row, first = found["agents"]["cloud"], read_logged_queries(ledger).queries[0]
    assert row["refused"] or row["objective"]["snips"]["low"] > found["logged"]["objective"]
    assert {each.place for each in first.targets} == {"device", "edge", "cloud"}
    assert all(first.targets[at].place != "edge" for at in first.context.admitted)
    guarded = ["--device", "mi8pro", "--agent", "q-learning", "--queries", "50", "--guard", str(ledger)]
    app = typer.Typer()
    app.command()(train_command)
    trained = CliRunner().invoke(app, [*guarded, "--out", str(policy)])
    assert trained.exit_code, trained.output
    assert "is not written" in str(trained.exception)
    assert not policy.exists()
    simulate(FleetPlan(devices=2, days=3, mix={"mi8pro": 1.0}, policy="cloud"), tmp_path / "cloud")
    alone = judged(tmp_path / "cloud", "--agents", "device-best,cloud")["agents"]
    assert "log 0 of" in alone["device-best"]["refused"], "the phone was there to be chosen"
    assert alone["cloud"]["refused"] is None
    simulate(FleetPlan(devices=2, days=1, considered=False), tmp_path / "small")
    assert "considered" in str(run(tmp_path / "small").exception)
