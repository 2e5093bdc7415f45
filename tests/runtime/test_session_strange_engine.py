"""An engine of somebody's own in the place of a shipped one: what it breaks costs a target, never an answer."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale import Goal
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.backends.tensors import Array, Feeds
from tests.runtime.session_parts import QUIET, network, rows, written

NPU = Target.parse("device:npu/fp32")
MET = 4
"""Answers after which a strange one begins to be strange, where it does so late."""

Spoil = Callable[[list[Array]], object]


class Strange(Runner):
    """Answers at once what another answers, spoiled after so many times."""

    def __init__(self, inner: Runner, spoil: Spoil, after: int) -> None:
        self.inputs, self.outputs, self.coverage = inner.inputs, inner.outputs, 1.0
        self._inner, self._spoil, self._left = inner, spoil, after

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        self._left -= 1
        answer = self._inner.run(output_names, feeds)
        return answer if self._left >= 0 else self._spoil(answer.outputs)  # type: ignore[return-value]  # strange


class Odd(OnnxRuntime):
    """ONNX Runtime, with an NPU that is strange."""

    def __init__(self, spoil: Spoil, after: int) -> None:
        self._spoil, self._after = spoil, after

    def targets(self, precision: str) -> list[Target]:
        return [*super().targets(precision), *([NPU] if precision == "fp32" else [])]

    def load(self, path: Path, target: Target) -> Runner:
        if target != NPU:
            return super().load(path, target)
        return Strange(super().load(path, Target.parse("device:cpu/fp32@1t")), self._spoil, self._after)


STRANGE: dict[str, Spoil] = {
    "twice": lambda outputs: Answer([2.0 * each for each in outputs]),
    "beside": lambda outputs: Answer([each + 1.0 for each in outputs]),
    "not a number": lambda outputs: Answer([each * np.float32(np.nan) for each in outputs]),
    "too few": lambda outputs: Answer([]),
    "lists": lambda outputs: Answer([each.tolist() for each in outputs]),
    "nothing": lambda outputs: None,
    "its own error": lambda outputs: 1 // 0,
    "the end": lambda outputs: sys.exit(3),
}


CASES = [(how, False) for how in STRANGE] + [(how, True) for how in STRANGE if how not in ("twice", "beside")]
"""Values are held to the reference's when a target is met, what is no number always."""


@pytest.mark.parametrize(("how", "is_late"), CASES)
def test_its_answers_are_the_reference_s_or_not_taken(tmp_path: Path, how: str, is_late: bool) -> None:
    path = written(tmp_path / "net.onnx", network())
    odd = Odd(STRANGE[how], MET if is_late else 0)
    with (
        Session(path, options=QUIET) as plain,
        Session(path, Goal(latency_s=10.0), options=replace(QUIET, backends={"onnxruntime": odd})) as session,
    ):
        for seed in range(10):
            feeds = {"x": rows(3, seed)}
            for own, right in zip(session.run(None, feeds), plain.run(None, feeds), strict=True):
                np.testing.assert_allclose(own, right, atol=1e-5)
        assert (NPU in session.calibration.distrusted) is not is_late


class Stuck(Odd):
    """Whose NPU's model cannot be let go, or cannot be had."""

    def load(self, path: Path, target: Target) -> Runner:
        if target == NPU and self._after:
            sys.exit(3)
        runner = super().load(path, target)
        runner.close = lambda: 1 // 0  # type: ignore[method-assign,assign]
        return runner


@pytest.mark.parametrize(("after", "told"), [(0, "cannot let its model go"), (1, "cannot load")])
def test_what_it_does_when_it_comes_or_goes_is_told_and_no_more(
    tmp_path: Path, after: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = Stuck(lambda outputs: Answer(outputs), after)
    path = written(tmp_path / "net.onnx", network())
    with Session(path, options=replace(QUIET, backends={"onnxruntime": stuck})) as session:
        session.run(None, {"x": rows(3)})
    assert told in caplog.text
