"""Engines side by side: each gives targets of its own, the one that ships is the reference, who errs is out."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from autoscale.agents.base import Agent, Choice
from autoscale.errors import FeedError, InvalidTarget, TargetError
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends.cpu import cpu_targets
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from tests.runtime.backends.plug_in_parts import plugged_in
from tests.runtime.backends.test_backends import write_onnx, write_tflite
from tests.runtime.session_parts import QUIET, bundle, network, rows, written

X = {"x": rows(3)}
PLAIN = [str(target) for target in cpu_targets("fp32")]

ENGINES = '''
import onnxruntime as ort
from autoscale_runtime.backends.cpu import cpu_targets

class Copy(Backend):
    """Answers as ONNX Runtime does, on the CPU."""

    name = "copy"; suffixes = (".onnx",)
    answer = staticmethod(lambda outputs: outputs)
    @classmethod
    def is_available(cls): return True
    def targets(self, precision): return cpu_targets(precision)
    def load(self, path, target):
        assert not target.engine, target
        return Loaded(path, type(self).answer)

class Loaded(Runner):
    inputs = outputs = ()
    def __init__(self, path, answer):
        self.session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.answer = answer
    def run(self, output_names, feeds, timeout_s=None):
        names = output_names or [each.name for each in self.session.get_outputs()]
        if not set(names) <= {each.name for each in self.session.get_outputs()}: raise KeyError(names)
        return Answer(self.answer(self.session.run(names, feeds)))

class Wrong(Copy): answer = staticmethod(lambda outputs: [-each for each in outputs])
class Flat(Copy): answer = staticmethod(lambda outputs: [each.ravel() for each in outputs])
class Short(Copy): answer = staticmethod(lambda outputs: outputs[:1])
class Lists(Copy): answer = staticmethod(lambda outputs: [each.tolist() for each in outputs])
class Nan(Copy): answer = staticmethod(lambda outputs: [each * np.nan for each in outputs])
class Nothing(Copy): answer = staticmethod(lambda outputs: outputs.nothing)
class Wide(Copy): answer = staticmethod(lambda outputs: [each.astype("f8") for each in outputs])

class Slow(Copy):
    @staticmethod
    def answer(outputs):
        time.sleep(0.25)
        return outputs

class Clumsy(Copy):
    def load(self, path, target): raise RuntimeError("no licence")
class Refusing(Copy):
    def load(self, path, target): raise ModelError("not this one")
class Absent(Copy):
    @classmethod
    def is_available(cls): return False
class Unsure(Copy):
    @classmethod
    def is_available(cls): raise OSError("no driver")
class Lost(Copy):
    def targets(self, precision): raise OSError("no device")
class Elsewhere(Copy):
    def targets(self, precision): return [Target("cloud", "gpu", precision), Target("device", "cpu", "fp16")]

class Accelerators(Copy):
    def targets(self, precision): return [Target("device", "gpu", precision), Target("device", "npu", precision)]

class Fickle(Copy):
    """Answers while it is being got to know, and then no more."""

    asked = 0
    @classmethod
    def answer(cls, outputs):
        cls.asked += 1
        if cls.asked > 2 * len(cpu_targets("fp32")): raise RuntimeError("out of memory")
        return outputs
'''
WRONG = ["Wrong", "Flat", "Short", "Lists", "Nan", "Nothing", "Wide"]
USELESS = ["Clumsy", "Refusing", "Absent", "Unsure", "Lost", "Elsewhere"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def right(path: Path) -> list[Array]:
    outputs: list[Array] = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, X)
    return outputs


@pytest.fixture(params=["aaa", "zzz"])
def name(request: pytest.FixtureRequest) -> str:
    """Of the plug-in: before and after those that ship."""
    version: str = request.param
    return version


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator["PlugIn"]:
    with PlugIn(tmp_path) as plug_in:
        yield plug_in


class PlugIn:
    """Installs engines until its block ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[object] = []

    def __enter__(self) -> "PlugIn":
        return self

    def __call__(self, **backends: str) -> None:
        block = plugged_in(self._folder / str(len(self._open)), f"engines{len(self._open)}", ENGINES, **backends)
        block.__enter__()
        self._open.append(block)

    def __exit__(self, *error: object) -> None:
        for block in self._open:
            block.__exit__(None, None, None)  # type: ignore[attr-defined]


class InTurn(Agent):
    """Every admitted target in turn, and what was expected of each at last."""

    name = "in-turn"
    asked = 0

    def select(self, context: Context) -> Choice:
        self.asked += 1
        assert context.forecast is not None
        self.expected_s = dict(zip(map(str, self.targets), context.forecast.latency_s.tolist(), strict=True))
        return Choice(int(context.admitted[self.asked % context.admitted.size]), 1.0)


def targets(session: Session) -> list[str]:
    return [str(target) for target in session.targets]


def used(session: Session, queries: int = 12) -> set[str]:
    """The targets that answered, each time with what ``right`` says."""
    seen = set()
    for _ in range(queries):
        session.run(None, X)
        assert session.last is not None
        seen.add(str(session.last.selected))
    return seen


def same(one: list[Array], other: list[Array]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def in_turn(session: Session) -> InTurn:
    session.agent = agent = InTurn(session.targets)
    return agent


def test_every_engine_gives_targets_of_its_own_and_renames_nothing(path: Path, plug_in: PlugIn, name: str) -> None:
    with Session(path, options=QUIET) as session:
        assert targets(session) == PLAIN
    plug_in(**{name: "Copy"})
    with Session(path, options=QUIET) as session:
        assert targets(session) == [*PLAIN, *(f"{target}#{name}" for target in PLAIN)]
        in_turn(session)
        assert used(session) == {*targets(session)}
        assert str(session.calibration.reference) == PLAIN[-1]
        assert session.calibration.distrusted == {}


def test_two_plug_ins_and_every_variant(tmp_path: Path, plug_in: PlugIn) -> None:
    plug_in(one="Copy", two="Copy")
    with Session(bundle(tmp_path), options=QUIET) as session:
        engines = ("", "#one", "#two")
        wanted = {f"{plain}{engine}" for plain in PLAIN for engine in engines}
        assert {*targets(session)} == wanted | {target.replace("fp32", "int8") for target in wanted}


@pytest.mark.parametrize(("table", "known"), [("mi8pro", {"gpu", "npu"}), ("s10e", {"gpu"}), ("laptop", set())])
def test_accelerators_of_a_plug_in(
    path: Path, right: list[Array], plug_in: PlugIn, table: str, known: set[str]
) -> None:
    """Where the power table lacks one, its joules are a default and say so."""
    plug_in(zzz="Accelerators")
    with Session(path, options=replace(QUIET, power_table=table, meters=("modelled",))) as session:
        assert targets(session) == [*PLAIN, "device:gpu/fp32#zzz", "device:npu/fp32#zzz"]
        agent = in_turn(session)
        for _ in range(2 * len(targets(session))):
            same(session.run(None, X), right)
            assert session.last is not None
            processor, outcome = session.last.selected.processor, session.last.outcome
            method = Method.MODELLED if processor in {"cpu", *known} else Method.DEFAULT
            assert outcome.methods["energy_j.device"] is method
            assert outcome.energy_j.device > 0.0
        assert session.calibration.distrusted == {}
        assert all(expected_s > 0.0 for expected_s in agent.expected_s.values())


@pytest.mark.parametrize("kind", WRONG)
def test_an_engine_that_answers_wrongly_is_left_out_with_one_warning(
    path: Path, right: list[Array], plug_in: PlugIn, name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    plug_in(**{name: kind})
    with Session(path, options=QUIET) as session, caplog.at_level(logging.WARNING, "autoscale"):
        in_turn(session)
        assert used(session) == {*PLAIN}
        same(session.run(None, X), right)
        assert {str(target) for target in session.calibration.distrusted} == {f"{plain}#{name}" for plain in PLAIN}
    [warning] = [record.message for record in caplog.records if "left out" in record.message]
    assert all(f"{plain}#{name}" in warning for plain in PLAIN)


@pytest.mark.parametrize("kind", USELESS)
def test_an_engine_that_is_of_no_use_here_harms_nobody(
    path: Path, right: list[Array], plug_in: PlugIn, name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    plug_in(**{name: kind})
    with Session(path, options=QUIET) as session:
        assert "imported" not in caplog.text
        assert targets(session) == PLAIN
        same(session.run(None, X), right)


def test_one_that_cannot_load_is_reported_once(path: Path, plug_in: PlugIn, caplog: pytest.LogCaptureFixture) -> None:
    plug_in(zzz="Clumsy")
    with caplog.at_level(logging.WARNING, "autoscale"), Session(path, options=QUIET):
        pass
    [warning] = [record.message for record in caplog.records]
    assert "engine 'zzz' is left out" in warning
    assert "no licence" in warning


def test_the_fastest_that_answers_right_is_used(path: Path, plug_in: PlugIn, name: str) -> None:
    plug_in(**{name: "Slow"})
    with Session(path, agent="device-best", options=QUIET) as session:
        assert used(session) <= set(PLAIN)
    with Session(path, agent="device-cpu-fp32", options=QUIET) as session:
        assert used(session) == {PLAIN[-1]}


def test_one_that_fails_later_costs_an_attempt_not_an_answer(path: Path, right: list[Array], plug_in: PlugIn) -> None:
    plug_in(zzz="Fickle")
    with Session(path, Goal(latency_s=10.0), options=QUIET) as session:
        in_turn(session)
        fallen = 0
        for _ in range(3 * len(session.targets)):
            same(session.run(None, X), right)
            assert session.last is not None
            if session.last.did_fallback:
                fallen += 1
                assert "out of memory" in session.last.attempts[0].reason
                assert session.last.selected.engine == ""
        assert fallen == 3 * len(PLAIN)


def test_a_callers_mistake_stays_the_callers_in_every_engine(path: Path, plug_in: PlugIn) -> None:
    plug_in(zzz="Copy")
    with Session(path, options=QUIET) as session:
        in_turn(session)
        used(session, 1)
        for _ in range(8):
            for names, feeds in ((["logit"], X), (None, {"x": X["x"][:, :3]}), (None, {})):
                with pytest.raises(FeedError):
                    session.run(names, feeds)


def test_an_engine_may_be_pinned_by_its_name(path: Path, right: list[Array], plug_in: PlugIn) -> None:
    plug_in(zzz="Copy")
    for pinned, wanted in (
        ("device:cpu/fp32@1t#zzz", "device:cpu/fp32@1t#zzz"),
        ("device:cpu/fp32@1t#onnxruntime", "device:cpu/fp32@1t"),
        ("device:cpu/fp32@1t", "device:cpu/fp32@1t"),
    ):
        with Session(path, options=replace(QUIET, target=pinned)) as session:
            same(session.run(None, X), right)
            assert targets(session) == [wanted]
            assert session.last is not None
            assert session.last.requested == wanted
    for pinned in ("device:cpu/fp32@1t#zz", "device:cpu/fp32@1t#litert", "device:gpu/fp32#zzz"):
        with pytest.raises(InvalidTarget, match=f"unknown target '{pinned}'"):
            Session(path, options=replace(QUIET, target=pinned))


def test_a_pinned_engine_that_fails_is_an_error(path: Path, plug_in: PlugIn) -> None:
    plug_in(zzz="Nothing")
    with (
        Session(path, options=replace(QUIET, target="device:cpu/fp32@1t#zzz")) as session,
        pytest.raises(TargetError, match="engine 'zzz' failed"),
    ):
        session.run(None, X)


ODD = """
class Odd(Backend):
    name = "odd"; suffixes = (".odd",)
    answer = 1.0
    @classmethod
    def is_available(cls): return True
    def targets(self, precision): return [Target("device", "cpu", precision, threads=1)]
    def load(self, path, target): return Says(self.answer)

class Says(Runner):
    inputs = (TensorSpec("x", np.dtype("f4"), (None, 16)),)
    outputs = (TensorSpec("y", np.dtype("f4"), (None, 16)),)
    def __init__(self, factor): self.factor = factor
    def run(self, output_names, feeds, timeout_s=None):
        if self.factor is None: raise RuntimeError("mute")
        return Answer([feeds["x"] * np.float32(self.factor)])

class Minus(Odd): answer = -1.0
class Mute(Odd): answer = None
"""


@pytest.mark.parametrize(
    ("engines", "trusted"),
    [
        ({"a": "Minus", "b": "Odd", "c": "Odd"}, {"b", "c"}),
        ({"a": "Odd", "b": "Odd", "c": "Minus"}, {"a", "b"}),
        ({"a": "Mute", "b": "Odd"}, {"b"}),
        ({"a": "Odd"}, {"a"}),
    ],
)
def test_where_nothing_ships_for_a_format_most_engines_are_right(
    tmp_path: Path, engines: dict[str, str], trusted: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "net.odd"
    model.write_text("odd")
    with (
        plugged_in(tmp_path, "odds", ODD, **engines),
        caplog.at_level(logging.INFO, "autoscale.session"),
        Session(model, options=QUIET) as session,
    ):
        in_turn(session)
        assert used(session) == {f"device:cpu/fp32@1t#{name}" for name in trusted}
        np.testing.assert_array_equal(session.run(None, X)[0], X["x"])
    assert "nothing that ships for this format answers: the reference is device:cpu/fp32@1t#" in caplog.text


def test_two_formats_of_one_precision_are_two_engines(path: Path, tmp_path: Path) -> None:
    """The first variant's engine is printed without its name, whichever is installed."""
    write_onnx(tmp_path / "net.onnx")
    write_tflite(tmp_path / "net.tflite")
    bare = Bundle.read(tmp_path / "net.onnx")
    files = {suffix: Variant("fp32", tmp_path / f"net{suffix}") for suffix in (".onnx", ".tflite")}
    for order, other in (((".onnx", ".tflite"), "litert"), ((".tflite", ".onnx"), "onnxruntime")):
        both = replace(bare, variants=tuple(files[suffix] for suffix in order))
        with Session(both, options=QUIET) as session:
            assert {*targets(session)} == {*PLAIN, *(f"{plain}#{other}" for plain in PLAIN)}
            assert str(Target.parse(targets(session)[0])) in PLAIN


def test_nothing_is_left_open_where_a_session_cannot_be_made(tmp_path: Path, plug_in: PlugIn) -> None:
    plug_in(zzz="Refusing")
    before = set(threading.enumerate())
    broken = bundle(tmp_path)
    (tmp_path / "int8.onnx").write_text("no model")
    with pytest.raises(Exception, match=r"int8\.onnx"):
        Session(broken, options=QUIET)
    assert set(threading.enumerate()) <= before
