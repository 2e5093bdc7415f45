"""An engine at frequency steps: targets of a session, which run at the step and leave the machine as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.query.target import Target
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.checks import check_backend
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.backends.stepped import Stepped
from autoscale_runtime.host.cpu_frequency import CpuFrequency
from tests.runtime.host.cpufreq_parts import LIMITS, Tree
from tests.runtime.session_parts import network, rows, written

STEPS = ["device:cpu/fp32@500MHz", "device:cpu/fp32@1000MHz"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "net.onnx", network())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


class Watched(OnnxRuntime):
    """Notes the limits under which queries run."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.seen: list[dict[str, tuple[int, ...]]] = []

    def load(self, path: Path, target: Target) -> Any:
        runner = super().load(path, target)
        bare = runner.run

        def run(*arguments: Any) -> Any:
            self.seen.append(self.tree.limits())
            return bare(*arguments)

        runner.run = run  # type: ignore[method-assign]
        return runner


def test_it_conforms(path: Path, tree: Tree) -> None:
    feeds = {"x": rows(2)}
    with Session(path) as session:
        expected = dict(zip(("logits", "hidden"), session.run(["logits", "hidden"], feeds), strict=True))
    check_backend(Stepped(OnnxRuntime(), tree.made()), path, feeds, expected)
    assert tree.is_back()


def test_a_session_has_the_steps_runs_at_them_and_leaves_the_machine_as_it_was(path: Path, tree: Tree) -> None:
    engine = Watched(tree)
    options = SessionOptions(sensors=(), target=STEPS[0], backends={"onnxruntime": Stepped(engine, tree.made())})
    with Session(path, options=options) as session:
        for _ in range(3):
            outputs = session.run(None, {"x": rows(2)})
            assert str(session.last.selected) == STEPS[0]
            assert session.last.outcome.energy_j.device > 0.0
            assert tree.is_back()
    assert dict.fromkeys(LIMITS, (500_000, 500_000)) in engine.seen
    with Session(path, options=SessionOptions(sensors=())) as plain:
        np.testing.assert_allclose(outputs[0], plain.run(None, {"x": rows(2)})[0], rtol=1e-5, atol=1e-6)


def test_beside_the_threads_the_steps_are_to_be_chosen(path: Path, tree: Tree) -> None:
    options = SessionOptions(sensors=(), backends={"onnxruntime": Stepped(OnnxRuntime(), tree.made())})
    with Session(path, options=options) as session:
        assert [str(each) for each in session.targets if each.frequency_hz] == STEPS
        for _ in range(20):
            session.run(None, {"x": rows(2)})
    assert tree.is_back()


def test_where_no_step_can_be_set_there_is_none(path: Path, tmp_path: Path) -> None:
    stepped = Stepped(OnnxRuntime(), CpuFrequency(tmp_path / "nowhere", tmp_path / "note"))
    assert stepped.targets("fp32") == OnnxRuntime().targets("fp32")
    assert all(isinstance(each, Target) for each in stepped.targets("fp32"))
