"""One policy lives through a day, on real machines that are small: processes, a shaped link, a tiny network."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from autoscale.errors import TargetUnavailable
from autoscale.query.goal import Goal
from autoscale_runtime.demo.day import FAST, OUTAGE, Phase, day
from autoscale_runtime.demo.play import DemoPolicy, Effort, OwnTime, Step, StepResult, Task, play, schedule
from autoscale_runtime.demo.stage import SignalSensor, Stage
from autoscale_runtime.device.commons import another_device, commons
from autoscale_runtime.device.options import SessionOptions
from tests.runtime.demo.demo_parts import Sign, task_in
from tests.runtime.session_parts import repository

OPTIONS = SessionOptions(power_table="mi8pro", meters=("modelled",), timeout_s=2.0)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_in(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(repository(tmp_path_factory.mktemp("repository"))) as stage:
        yield stage


def described(steps: Sequence[Step]) -> list[tuple[str, str, str]]:
    return [(step.phase.name, step.task.network.name, step.sample.label) for step in steps]


def lived(
    policies: Sequence[DemoPolicy], steps: Sequence[Step], stage: Stage, settle_s: float = 0.0
) -> tuple[dict[str, list[StepResult]], dict[str, Effort]]:
    days: dict[str, list[StepResult]] = {each.name: [] for each in policies}
    efforts = play(policies, steps, stage, OPTIONS, lambda name, answered: days[name].append(answered), settle_s)
    return days, efforts


def test_one_seed_is_one_day_and_every_phase_gets_its_share(task: Task) -> None:
    other = Task(Sign(task.network.folder), task.bundle, Goal())
    steps, again = (schedule([task, other], day(3), 5, seed=4) for _ in range(2))
    assert described(steps) == described(again)
    assert [step.phase for step in steps] == [phase for phase in day(3) for _ in range(5)]
    assert {id(step.task) for step in steps} == {id(task), id(other)}
    assert described(schedule([task, other], day(3), 5, seed=5)) != described(steps)


def test_a_day_is_lived_and_nothing_is_lost(task: Task, stage: Stage) -> None:
    steps = schedule([task], [Phase("good", FAST), Phase("outage", OUTAGE), Phase("busy", FAST, 2)], 8, seed=0)
    days, efforts = lived([DemoPolicy("ours", "cloud")], steps, stage, settle_s=0.1)
    answers, effort = days["ours"], efforts["ours"]
    assert [each.step for each in answers] == steps
    assert [each.score for each in answers] == [1.0] * 24
    sources = [each.decision.inference_source for each in answers if each.decision]
    assert sources[:8] == ["in_cloud"] * 8
    assert sources[8:16] == ["on_device"] * 8
    assert len(effort.select_s) == 24
    assert len(effort.learn_s) >= 24
    assert all(each > 0.0 for each in effort.select_s)
    assert effort.warm_up_j > 0.0
    assert stage.link.rate_bps == pytest.approx(FAST.rate_bps, rel=1.0)


def test_what_cannot_be_answered_is_lost_and_the_day_goes_on(task: Task, stage: Stage) -> None:
    steps = schedule([task], [Phase("good", FAST), Phase("outage", OUTAGE)], 2, seed=0)
    cloud = DemoPolicy("cloud", "cloud", "ONLY_IN_CLOUD")
    answers = lived([cloud], steps, stage)[0]["cloud"]
    assert [each.decision is None for each in answers] == [False, False, True, True]
    assert [each.score for each in answers] == [1.0, 1.0, 0.0, 0.0]


def test_policies_live_side_by_side_and_what_two_pin_alike_is_played_once(task: Task, stage: Stage) -> None:
    steps = schedule([task], [Phase("good", FAST)], 4, seed=0)
    here = {"net": "device:cpu/fp32@1t"}
    policies = [DemoPolicy(name, "pinned", "ONLY_ON_DEVICE", pinned=here) for name in ("first", "second")]
    days, efforts = lived([*policies, DemoPolicy("cloud", "cloud")], steps, stage)
    assert days["first"] == days["second"]
    assert (len(efforts["first"].select_s), efforts["second"].select_s) == (4, [])
    assert {each.decision.inference_source for each in days["cloud"] if each.decision} == {"in_cloud"}
    assert [each.step for each in days["cloud"]] == steps


def test_a_policys_own_time_stands_still_between_its_turns() -> None:
    clock = OwnTime()
    assert clock() == 0.0
    with clock.goes():
        assert clock() <= clock()
    passed_s = clock()
    clock.wait_until(0.0)
    assert clock() == passed_s > 0.0
    clock.wait_until(passed_s + 1.0)
    assert clock() == passed_s + 1.0


def test_another_device_has_a_radio_that_rests_by_its_own_time() -> None:
    clock = OwnTime()
    with another_device(clock):
        radio = commons().radio("wifi")
    radio.used(0.0)
    assert radio.now_s() == 0.0


def test_the_stage_senses_its_own_signal(stage: Stage) -> None:
    stage.set_link(FAST)
    assert SignalSensor(stage, "cloud").sense().link("cloud").rssi_dbm == FAST.rssi_dbm


def test_the_stage_leaves_nothing_behind(tmp_path: Path) -> None:
    cores, children = os.sched_getaffinity(0), set(psutil.Process().children())
    with Stage(repository(tmp_path)) as stage:
        stage.set_co_runners(2)
        started = set(psutil.Process().children()) - children
        assert len(started) == 2 + 2 * len(stage.device_cores)
        stage.set_co_runners(0)
        assert len(set(psutil.Process().children()) - children) == 2
        assert os.sched_getaffinity(0) == set(stage.device_cores)
    assert set(psutil.Process().children()) <= children
    assert os.sched_getaffinity(0) == cores


def test_a_stage_that_does_not_come_up_leaves_nothing_behind_either(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cores, children = os.sched_getaffinity(0), set(psutil.Process().children())
    with pytest.raises(TargetUnavailable, match="did not come up"):
        Stage(tmp_path)
    assert "models" in capfd.readouterr().err
    assert os.sched_getaffinity(0) == cores
    assert set(psutil.Process().children()) <= children
