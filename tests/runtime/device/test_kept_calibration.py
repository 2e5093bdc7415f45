"""What a session came to know of its own targets serves the next one, while all that it rests on is the same."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import grpc
import numpy as np
import pytest

from autoscale.agents.corrector import Corrector
from autoscale.errors import FeedError
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.cpu import cpu_targets
from autoscale_runtime.backends.onnxruntime import OnnxRunner, OnnxRuntime
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.calibration import RECALLED, Calibration
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.server.server import serve
from autoscale_runtime.session import Session
from tests.runtime.session_parts import (
    PATIENT,
    QUIET,
    Liar,
    answer,
    bundle,
    lying,
    network,
    repository,
    rows,
    written,
)
from tests.waiting import LONGEST_WAIT_S


@pytest.fixture
def options(tmp_path: Path) -> SessionOptions:
    return replace(QUIET, calibration=tmp_path / "kept.json")


def opened(model: Bundle, options: SessionOptions, rows_asked: int = 3) -> tuple[Calibration, list[Array]]:
    with Session(model, PATIENT, options=options) as session:
        outputs = session.run(None, {"x": rows(rows_asked)})
        return session.calibration, outputs


def kept(options: SessionOptions) -> dict[str, dict[str, object]]:
    told: dict[str, dict[str, object]] = json.loads(Path(str(options.calibration)).read_text())
    return told


def test_the_second_session_asks_nobody(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    first, outputs = opened(model, options)
    told = kept(options)
    again, same = opened(model, options)
    assert len(told["targets"]) == len(first.lessons) == len(again.lessons)
    assert again.reference == first.reference
    opened(model, replace(options, target="device:cpu/int8@1t"))
    assert kept(options) == told
    assert first.energy_j > again.energy_j == 0.0
    assert {i for i, _ in again.lessons} == {i for i, _ in first.lessons}
    assert all(outcome.energy_j.device > 0.0 for _, outcome in again.lessons)
    np.testing.assert_allclose(same[0], outputs[0], rtol=0.05, atol=0.05)  # in whichever precision


class Counting(Corrector):
    """Counts what it is taught of each target."""

    def learn(self, context: Context, index: int, outcome: Outcome, reward: float, *further: Any) -> None:
        self.lessons[str(self.targets[index])] += 1
        super().learn(context, index, outcome, reward, *further)

    lessons: Counter[str]


def taught(model: Bundle, options: SessionOptions) -> Counter[str]:
    with Session(model, PATIENT, options=options) as session:
        agent = Counting(session.targets)
        agent.lessons = Counter()
        session.agent = agent
        session.warm_up({"x": rows(3)})
    return agent.lessons


def test_what_was_kept_counts_as_more_than_one_figure(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    met = taught(model, options)
    assert {*met.values()} == {1}
    assert taught(model, options) == {target: RECALLED for target in met}


def test_a_target_that_was_distrusted_stays_so(
    tmp_path: Path, options: SessionOptions, caplog: pytest.LogCaptureFixture
) -> None:
    model = bundle(tmp_path, int8_seed=1)
    first, _ = opened(model, options)
    caplog.clear()
    again, _ = opened(model, options)
    assert again.distrusted == first.distrusted
    assert {each.precision for each in again.distrusted} == {"int8"}
    assert "left out" in caplog.text


def test_another_model_size_or_meter_is_another_calibration(tmp_path: Path, options: SessionOptions) -> None:
    opened(bundle(tmp_path / "a"), options)
    told = kept(options)
    for model, asked, other in (
        (bundle(tmp_path / "b", int8_seed=2), 3, options),
        (bundle(tmp_path / "a"), 300, options),
        (mislabelled(bundle(tmp_path / "a")), 3, options),
        (bundle(tmp_path / "a"), 3, replace(options, power_table="mi8pro")),
    ):
        opened(model, other, asked)
        assert kept(options)["of"] != told["of"]


def mislabelled(model: Bundle) -> Bundle:
    fp32, int8 = model.variants
    return replace(model, variants=(replace(fp32, precision="int8"), replace(int8, precision="fp32")))


@pytest.mark.parametrize("text", ["", "{}", '{"of": 1', '{"of": {}, "targets": {"x": 1}}', "\x00", '{"a":' * 9999])
def test_a_damaged_file_is_made_anew(tmp_path: Path, options: SessionOptions, text: str) -> None:
    Path(str(options.calibration)).write_text(text)
    found, _ = opened(bundle(tmp_path), options)
    assert len(found.lessons) == len(kept(options)["targets"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency_s", 0.0),
        ("latency_s", -1.0),
        ("cpu_s", float("nan")),
        pytest.param("cpu_s", 10**400, id="huge"),
        ("energy_j", "1"),
        ("distrusted", "all of them"),
    ],
)
def test_figures_that_none_could_have_measured_are_made_anew(
    tmp_path: Path, options: SessionOptions, key: str, value: object
) -> None:
    model = bundle(tmp_path)
    opened(model, options)
    told = kept(options)
    for each in told["targets"].values():
        each[key] = value  # type: ignore[index]
    Path(str(options.calibration)).write_text(json.dumps(told))
    opened(model, options)
    assert all(each[key] != value for each in kept(options)["targets"].values())  # type: ignore[index]


def test_a_model_or_policy_at_the_path_by_mistake_is_left_alone(
    tmp_path: Path, options: SessionOptions, caplog: pytest.LogCaptureFixture
) -> None:
    model = bundle(tmp_path)
    for path in (model.variants[0].path, tmp_path / "pipe"):
        if path.name == "pipe":
            os.mkfifo(path)
        before = None if path.is_fifo() else path.read_bytes()
        found, _ = opened(model, replace(options, calibration=path))
        assert found.lessons
        assert path.is_fifo() or path.read_bytes() == before
    assert caplog.text.count("left alone") == 2


def test_what_was_loaded_from_files_that_are_others_now_is_not_kept(tmp_path: Path, options: SessionOptions) -> None:
    folder = tmp_path / "prepared"
    model = bundle(tmp_path / "a").write(folder)
    with Session(model, PATIENT, options=options) as session:
        written(folder / "int8.onnx", network(seed=1, is_int8=True))
        session.run(None, {"x": rows(3)})
    assert not Path(str(options.calibration)).exists()
    opened(bundle(tmp_path / "a").write(tmp_path / "other"), options)
    found, _ = opened(model, options)  # a bundle that was read before its file became another
    assert {each.precision for each in found.distrusted} == {"int8"}
    bare = Bundle.read(written(tmp_path / "bare.onnx", network()))
    with Session(bare, PATIENT, options=options) as session:
        bare.variants[0].path.unlink()
        session.run(None, {"x": rows(3)})


class Tuned(OnnxRuntime):
    """ONNX Runtime, set up in a way that tells nothing of itself but an attribute."""

    def __init__(self, level: int) -> None:
        self.level = level


def test_an_engine_that_is_set_up_otherwise_is_another(tmp_path: Path, options: SessionOptions) -> None:
    model, told = bundle(tmp_path), []
    for level in (1, 1, 2):
        opened(model, replace(options, backends={"onnxruntime": Tuned(level)}))
        told.append(Path(str(options.calibration)).read_text())
    assert told[0] == told[1] != told[2]


class Driven(OnnxRuntime):
    """With an NPU whose driver is exchanged from one session to the next."""

    says: ClassVar[Path]

    def targets(self, precision: str) -> list[Target]:
        return [*super().targets(precision), Target("device", "npu", precision)]

    def load(self, path: Path, target: Target) -> OnnxRunner:
        is_cpu = target.processor == "cpu"
        return super().load(path if is_cpu else self.says, target if is_cpu else cpu_targets("fp32")[0])


def test_a_driver_may_be_another_than_the_last(tmp_path: Path, options: SessionOptions) -> None:
    options = replace(options, backends={"onnxruntime": Driven()})
    right, wrong = (written(tmp_path / f"{seed}.onnx", network(seed=seed)) for seed in (0, 1))
    model = Bundle.read(right)
    for says in (wrong, right, wrong):
        Driven.says = says
        found, _ = opened(model, options)
        assert {each.processor for each in found.distrusted} == ({"npu"} if says == wrong else set())


class Runs(OnnxRuntime):
    """Counts the runs of each target that it loaded."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def load(self, path: Path, target: Target) -> OnnxRunner:
        runner = super().load(path, target)
        run, self.counts[str(target)] = runner.run, 0

        def counted(*asked: Any) -> Answer:
            self.counts[str(target)] += 1
            return run(*asked)

        runner.run = counted  # type: ignore[assignment, method-assign]  # of this one runner
        return runner


def test_who_warms_up_has_the_first_runs_behind_him_though_a_file_tells_of_the_targets(
    tmp_path: Path, options: SessionOptions
) -> None:
    model, x = bundle(tmp_path), {"x": rows(3)}
    opened(model, replace(options, backends={"onnxruntime": Runs()}))
    runs = Runs()
    options = replace(options, backends={"onnxruntime": runs})
    with Session(model, PATIENT, options=options) as session:
        session.warm_up(x)
        assert {*runs.counts.values()} == {1}
        assert {Target.parse(each).precision for each in runs.counts} == {"fp32", "int8"}
        assert session.calibration.energy_j == 0.0
    runs.counts.clear()
    with Session(model, PATIENT, options=options) as session:
        session.run(None, x)
        assert sum(runs.counts.values()) == 1, "a query waits for nobody else's"


def test_joules_of_a_power_table_are_those_of_the_table_as_it_is(tmp_path: Path, options: SessionOptions) -> None:
    model, table = bundle(tmp_path), tmp_path / "laptop.toml"
    text = (Path(__file__).parents[3] / "devices" / "laptop.toml").read_text()
    table.write_text(text)
    options = replace(options, power_table=table)
    opened(model, options)
    told = kept(options)
    table.write_text(text.replace("value = 4.5,", "value = 40.5,").replace("high = 9 }", "high = 90 }"))
    again, _ = opened(model, options)
    assert kept(options) == told
    before_j = {each["latency_s"]: each["energy_j"] for each in told["targets"].values()}  # type: ignore[index]
    assert all(outcome.energy_j.device > before_j[outcome.latency_s] for _, outcome in again.lessons)


def test_a_query_that_is_not_the_models_is_refused_as_without_the_file(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    first, _ = opened(model, options)
    told = kept(options)
    with Session(model, PATIENT, options=options) as session:
        with pytest.raises(FeedError):
            session.warm_up({"x": np.zeros((3, 5), np.float32)})
        assert not session.calibration.lessons
        session.run(None, {"x": rows(3)})
        assert len(session.calibration.lessons) == len(first.lessons)
    assert kept(options) == told


@pytest.mark.parametrize("made_s", [0.0, 1e12, float("nan"), "today", None])
def test_after_a_week_or_by_another_clock_it_is_made_anew(
    tmp_path: Path, options: SessionOptions, made_s: object
) -> None:
    model = bundle(tmp_path)
    opened(model, options)
    told: dict[str, object] = {**kept(options), "made_s": made_s}
    Path(str(options.calibration)).write_text(json.dumps(told))
    opened(model, options)
    assert kept(options)["made_s"] not in (made_s, told["made_s"])


def test_what_was_found_beside_other_work_is_not_kept(tmp_path: Path, options: SessionOptions) -> None:
    class Busy(Sensor):
        name = "busy"

        def is_available(self) -> bool:
            return True

        def sense(self) -> Observation:
            return Observation(cpu_load=0.6)

    opened(bundle(tmp_path), replace(options, sensors=(Busy(),)))
    assert not Path(str(options.calibration)).exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(bundle(tmp_path), replace(QUIET, calibration=tmp_path / "none" / "kept.json"))
    assert "cannot be written" in caplog.text


def test_a_remote_is_held_to_the_references_answer_all_the_same(tmp_path: Path, options: SessionOptions) -> None:
    model = bundle(tmp_path)
    opened(model, options)
    x = {"x": rows(3)}
    with Session(model, PATIENT, options=replace(QUIET, target="device:cpu/fp32@1t")) as session:
        right = dict(zip([each.name for each in session.get_outputs()], session.run(None, x), strict=True))
    wrong = right | {"logits": -right["logits"]}
    for truth, is_trusted in ((right, True), (wrong, False)):
        with (
            lying(Liar(answer(**truth))) as address,
            Session(model, PATIENT, remotes={"cloud": address}, options=options) as session,
        ):
            session.warm_up(x)
            found = session.calibration
            assert (Target.parse("cloud:cpu/fp32") not in found.distrusted) == is_trusted
            assert found.energy_j > 0.0


@pytest.mark.parametrize(("limit_s", "queries"), [(LONGEST_WAIT_S, 1), (1e-9, 2)])
def test_a_remote_that_says_what_it_serves_is_met_by_one_query_unless_late_and_by_none_here(
    tmp_path: Path, options: SessionOptions, limit_s: float, queries: int
) -> None:
    x = {"x": rows(3)}
    served = repository(tmp_path)
    model = Bundle.read(written(tmp_path / "net.onnx", network()))
    opened(model, replace(options, backends={"onnxruntime": Runs()}))
    runs = Runs()
    options = replace(options, backends={"onnxruntime": runs})
    with (
        serve(served) as server,
        grpc.insecure_channel(server.address) as channel,
        Session(model, Goal(latency_s=limit_s), remotes={"cloud": server.address}, options=options) as session,
    ):
        session.warm_up(x)
        told = GRPCInferenceServiceStub(channel).ModelStatistics(pb.ModelStatisticsRequest(name="net"))
        answered = sum(each.inference_stats.success.count for each in told.model_stats)
        assert Target.parse("cloud:cpu/fp32") in {session.targets[i] for i, _ in session.calibration.lessons}
    assert {*runs.counts.values()} == {1}, "but for the run that wakes each of them"
    assert answered == queries


def test_a_remote_whose_radio_costs_many_answers_here_is_met_when_a_query_goes_there(tmp_path: Path) -> None:
    model = bundle(tmp_path)
    options = replace(QUIET, power_table="mi8pro", radio="lte")
    x = {"x": rows(3)}
    with Session(model, PATIENT, options=replace(options, target="device:cpu/fp32@1t")) as session:
        right = dict(zip([each.name for each in session.get_outputs()], session.run(None, x), strict=True))
    liar = Liar(answer(**right))
    with lying(liar) as address, Session(model, PATIENT, remotes={"cloud": address}, options=options) as session:
        session.warm_up(x)
        assert liar.queries == 0
        assert session.query(x, goal=Goal(mode="ONLY_IN_CLOUD")).decision.selected.place == "cloud"
        assert liar.queries > 0
