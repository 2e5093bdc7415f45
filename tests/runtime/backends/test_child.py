"""Drivers that take their process with them, or hang: tried in a child, left out, and told in one line."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from autoscale.errors import FeedError, TargetUnavailable, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends import child
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.child import ChildRunner
from autoscale_runtime.backends.engines import Engine
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.device.options import SessionOptions
from tests.runtime.session_parts import network, rows, written

NPU = Target("device", "npu", "fp32")
FLOATS = np.dtype(np.float32)


class Fine(Backend):
    """Gives the sum of its input on an NPU that is none."""

    name: ClassVar[str] = "fine"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    may_kill: ClassVar[bool] = True

    @classmethod
    def is_available(cls) -> bool:
        return True

    def targets(self, precision: str) -> list[Target]:
        return [Target("device", "npu", precision)]

    def load(self, path: Path, target: Target) -> Runner:
        return Sum()


class Sum(Runner):
    inputs = (TensorSpec("x", FLOATS, (None, 16)),)
    outputs = (TensorSpec("sum", FLOATS, ()),)
    coverage = 0.5

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        print("drivers print what they like")
        return Answer([np.asarray(feeds["x"].sum())])


class DiesOpening(Fine):
    name = "dies-opening"

    def load(self, path: Path, target: Target) -> Runner:
        os.abort()


class DiesRunning(Fine):
    name = "dies-running"

    def load(self, path: Path, target: Target) -> Runner:
        return Fatal()


class Fatal(Sum):
    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        os.abort()


class Hangs(Fine):
    name = "hangs"

    def load(self, path: Path, target: Target) -> Runner:
        time.sleep(3600.0)
        raise AssertionError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "net.onnx", network())


def test_a_backend_in_a_child_answers_as_it_does_here(path: Path) -> None:
    runner = ChildRunner(f"{__name__}:Fine", path, NPU)
    assert runner.inputs == Sum.inputs
    assert runner.coverage == 0.5
    assert runner.run(None, {"x": rows(3)}).outputs[0] == pytest.approx(rows(3).sum())
    with pytest.raises(FeedError, match="no input is named 'z'"):
        runner.run(None, {"z": rows(3)})
    runner.close()
    runner.close()
    with pytest.raises(TargetUnavailable):
        runner.run(None, {"x": rows(3)})


def test_a_child_that_dies_answers_no_more(path: Path) -> None:
    runner = ChildRunner(f"{__name__}:DiesRunning", path, NPU)
    for _ in range(2):
        with pytest.raises(TargetUnavailable, match="ended"):
            runner.run(None, {"x": rows(3)})
    runner.close()


@pytest.mark.parametrize("backend", [DiesOpening(), DiesRunning()])
def test_a_driver_that_kills_its_process_is_left_out_and_remembered(
    backend: Backend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(backend.name, backend, False)
    with pytest.raises(UnsupportedModel, match=r"when it was tried, its process ended by signal 6"):
        engine.load(path, NPU)
    monkeypatch.setattr(child, "_started", None)
    with pytest.raises(UnsupportedModel, match="its process ended by signal 6"):
        engine.load(path, NPU)


def test_a_driver_that_hangs_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LOADING_S", 0.5)
    with pytest.raises(UnsupportedModel, match=r"no answer within 0\.5 s"):
        Engine("hangs", Hangs(), False).load(path, NPU)


def test_a_session_goes_on_without_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = SessionOptions(sensors=(), backends={"openvino": DiesRunning()})
    with Session(path, options=options) as session:
        session.run(None, {"x": rows(3)})
        assert {each.processor for each in session.targets} == {"cpu"}
    assert "engine 'openvino' is left out" in caplog.text
    assert "signal 6" in caplog.text


def test_coverage_is_in_the_decision(path: Path) -> None:
    with Session(
        path, options=SessionOptions(sensors=(), target="device:npu/fp32#openvino", backends={"openvino": Half()})
    ) as session:
        session.run(None, {"x": rows(3)})
        assert session.last is not None
        assert session.last.coverage == 0.5


class Half(Fine):
    """As the network answers, half of it on the NPU."""

    def load(self, path: Path, target: Target) -> Runner:
        from autoscale_runtime.backends.onnxruntime import OnnxRuntime

        runner = OnnxRuntime().load(path, Target("device", "cpu", target.precision, threads=1))
        runner.coverage = 0.5
        return runner
