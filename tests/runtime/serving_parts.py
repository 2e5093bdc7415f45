"""A server whose model answers when the test lets it: tests of queues and of failures go by order, not by time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.server.admission import Admission
from autoscale_runtime.server.dataplane import DataPlane
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.repository import ServedModel
from autoscale_runtime.server.server import Limits, Server
from tests.waiting import LONGEST_WAIT_S

_TARGET: Final = Target("device", "cpu", "fp32", threads=1)


class Echo(Runner):
    """y = x, at once."""

    inputs = (TensorSpec("x", np.dtype(np.float32), (None, 4)),)
    outputs = (TensorSpec("y", np.dtype(np.float32), (None, 4)),)

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        return Answer([feeds["x"]])


class Gate(Echo):
    """y = x, for all who have entered, once the gate is open."""

    def __init__(self) -> None:
        self.entered = 0
        self.open = threading.Event()
        self._lock = threading.Lock()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        with self._lock:
            self.entered += 1
        assert self.open.wait(LONGEST_WAIT_S), "nobody opened the gate"
        return super().run(output_names, feeds)


@dataclass(frozen=True)
class Gated:
    """A server with the models ``gate`` and ``echo``, and what it does at the moment."""

    server: Server
    gate: Gate
    admission: Admission


@contextmanager
def gated(account: ServerAccount, max_running: int, max_waiting: int) -> Iterator[Gated]:
    """One that runs and holds so many queries; the gate opens at the end at the latest."""
    gate, admission = Gate(), Admission(max_running, max_waiting)
    runners = {"gate": gate, "echo": Echo()}
    models = {name: {1: ServedModel(name, 1, runner, _TARGET, "test")} for name, runner in runners.items()}
    limits = Limits(1, max_running, max_waiting)
    with Server(DataPlane(models, admission, account), limits, "127.0.0.1", 0) as server:
        try:
            yield Gated(server, gate, admission)
        finally:
            gate.open.set()
