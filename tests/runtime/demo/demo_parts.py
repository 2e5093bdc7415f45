"""A task of a day that is small enough for a test."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime as ort

from autoscale.query.goal import Goal
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.play import Task
from autoscale_runtime.demo.wheels import Wheel
from autoscale_runtime.models.bundle import Bundle
from tests.runtime.session_parts import WIDTH, network, rows, written


class Sign(Network):
    """Which of the network's outputs is the largest; the label is what ONNX Runtime says."""

    name: ClassVar[str] = "net"
    title: ClassVar[str] = "a test's network"
    wheel: ClassVar[Wheel] = Wheel("none", "0", "none", "", {})
    model: ClassVar[str] = "net.onnx"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"x": (1, WIDTH)}

    def score(self, outputs: Sequence[Array], sample: Sample) -> float:
        return float(str(outputs[0].argmax()) == sample.label)

    def _questions(self, random: np.random.Generator, calibration: bool) -> Iterator[Sample]:
        session = ort.InferenceSession(str(self.model_path), providers=["CPUExecutionProvider"])
        while True:
            feeds = {"x": rows(1, int(random.integers(2**31)))}
            yield Sample(feeds, str(session.run(None, feeds)[0].argmax()))


def task_in(folder: Path) -> Task:
    """The small network as a task of 150 ms."""
    path = written(folder / "net.onnx", network())
    return Task(Sign(folder), Bundle.read(path), Goal(latency_s=0.15))
