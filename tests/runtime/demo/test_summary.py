"""What the day came to: the arithmetic of a row, the document and the table it becomes, and the picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from autoscale.query.outcome import Outcome, Split
from autoscale.query.record import Attempt, Decision
from autoscale.query.target import Target
from autoscale_runtime.demo.day import FAST, OUTAGE, Phase
from autoscale_runtime.demo.hindsight import best_static, clairvoyant
from autoscale_runtime.demo.picture import draw
from autoscale_runtime.demo.play import Effort, Step, StepResult, Task
from autoscale_runtime.demo.summary import day_result, row, to_json, to_table, where
from tests.runtime.demo.demo_parts import Sign, task_in

HERE, THERE = Target.parse("device:cpu/int8@1t"), Target.parse("cloud:cpu/fp32")
GOOD, BAD = Phase("good", FAST), Phase("outage", OUTAGE)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_in(tmp_path_factory.mktemp("task"))


def answered(task: Task, target: Target, latency_s: float, energy_j: float, score: float = 1.0) -> StepResult:
    outcome = Outcome(latency_s, Split(energy_j, remote=9.0), Split(0.002), Split(0.001, remote=0.003))
    decision = Decision("AUTO", target, (Attempt(target, latency_s),), None, None, outcome, 1.0, -1.0)
    return StepResult(Step(GOOD, task, task.network.samples(1, 0)[0]), decision, score)


def lost(task: Task) -> StepResult:
    return StepResult(Step(BAD, task, task.network.samples(1, 0)[0]), None, 0.0)


@pytest.fixture
def day(task: Task) -> list[StepResult]:
    """Two here, one of them late and wrong; one there; one lost."""
    return [
        answered(task, HERE, 0.1, 2.0),
        answered(task, HERE, 0.2, 4.0, score=0.5),
        answered(task, THERE, 0.15, 1.0),
        lost(task),
    ]


def test_a_row_counts_what_was_lost_as_late_and_wrong_and_learning_as_spent(day: list[StepResult]) -> None:
    reference = row(day, 0.0, None)
    assert reference.energy_j_per_query == pytest.approx(7.0 / 4)
    assert reference.ppw == 1.0
    assert reference.lost == 1
    assert reference.latency_p50_s == pytest.approx(0.15)
    assert reference.latency_p95_s == pytest.approx(np.quantile([0.1, 0.15, 0.2], 0.95))
    assert reference.late_fraction == 0.5
    assert reference.accuracy == pytest.approx(2.5 / 4)
    assert reference.carbon_g_per_query == pytest.approx(0.006)
    assert reference.targets == {"device:cpu/int8@1t": 0.5, "cloud:cpu/fp32": 0.25}
    assert reference.network_energy_j_per_query == {"net": pytest.approx(7.0 / 4)}
    ours = row(day, 7.0, reference)
    assert ours.energy_j_per_query == pytest.approx(14.0 / 4)
    assert ours.ppw == pytest.approx(0.5)


def test_the_document_has_the_keys_that_scripts_know(task: Task, day: list[StepResult]) -> None:
    effort = Effort([3e-6, 5e-6, 4e-6], [1e-6, 9e-6], 0.5)
    lived = day_result({"device-cpu-fp32": day, "cloud": day, "autoscale": day}, effort)
    document = json.loads(json.dumps(to_json(lived, lived, 1.5, "modelled", [task])))
    assert document["setup_j"] == 1.5
    assert document["limits_s"] == {"net": 0.15}
    assert document["decision_us"] == {"select_p50": pytest.approx(4.0), "learn_p50": pytest.approx(5.0)}
    for told in (document, document["recorded"]):
        assert (told["queries"], told["learning_j"], told["static_best"]) == (4, 0.5, {"net": str(HERE)})
        assert told["energy_over_static_best"] == pytest.approx(7.5 / 7.0)
        assert [(each["network"], each["phase"], each["queries"]) for each in told["phases"]] == [
            ("net", "good", 3),
            ("net", "outage", 1),
        ]
        assert [each["energy_j"]["autoscale"] for each in told["phases"]] == [7.0, 0.0]
        assert [each["late"]["autoscale"] for each in told["phases"]] == [1, 1]
        for policy in told["policies"].values():
            assert policy.keys() == {
                *("energy_j_per_query", "ppw", "latency_p50_s", "latency_p95_s", "late_fraction"),
                "network_energy_j_per_query",
                *("accuracy", "carbon_g_per_query", "targets"),
            }


def test_hindsight_chooses_a_target_for_each_network_and_a_clairvoyant_for_each_query(task: Task) -> None:
    other = Task(Sign(task.network.folder), task.bundle, task.goal)
    other.network.name = "other"
    here = [answered(task, HERE, 0.1, 3.0), answered(task, HERE, 0.1, 3.0), answered(other, HERE, 0.1, 1.0)]
    there = [answered(task, THERE, 0.1, 1.0), answered(task, THERE, 0.9, 2.0), answered(other, THERE, 0.1, 2.0)]
    lived, targets = best_static({"here": here, "there": there})
    assert targets == {"net": str(THERE), "other": str(HERE)}
    assert lived == [there[0], there[1], here[2]]
    assert clairvoyant({"here": here, "there": there}) == [there[0], here[1], here[2]]


def test_people_read_the_same(day: list[StepResult]) -> None:
    reference = row(day, 0.0, None)
    console = Console(width=120, record=True, quiet=False, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(to_table({"ours": reference}))
    text = console.export_text()
    for figure in ("ours", "1750.0", "1.00x", "150.0", "195.0", "50.0%", "62.5%", "6.000"):
        assert figure in text
    assert where(reference) == "50% device:cpu/int8@1t, 25% cloud:cpu/fp32"


def test_the_picture_is_drawn_of_days_with_losses_too(day: list[StepResult], tmp_path: Path) -> None:
    draw({"ours": day, "other": day}, "ours", tmp_path / "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(PNG)
    assert [each.name for each in tmp_path.iterdir()] == ["day.png"]


def test_a_picture_of_nothing_but_losses_is_one_too(task: Task, tmp_path: Path) -> None:
    draw({"ours": [lost(task)] * 3}, "ours", tmp_path / "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_written_leaves_nothing(day: list[StepResult], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        draw({"ours": day}, "ours", tmp_path / "none" / "day.png")
    assert list(tmp_path.iterdir()) == []
