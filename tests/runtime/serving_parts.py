"""A server whose model answers when the test lets it: tests of queues and of failures go by order, not by time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.server.execution.served_model import LoadedModel, ServedModel
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.repository.scan import scan
from autoscale_runtime.server.server import Server
from autoscale_runtime.server.transports.choice import GRPC
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


def load_repository(root: Path, threads: int) -> dict[str, dict[int, LoadedModel]]:
    """Every model that a server of the folder would load, loaded here; what it refuses is raised where that is all."""
    found = scan(root, threads)
    if not found.entries:
        raise next(iter(found.refused.values()))
    return {name: {each.version: each.load() for each in entry.sources} for name, entry in found.entries.items()}


@dataclass(frozen=True)
class Gated:
    """A server with the models ``gate`` and ``echo``, and what it does at the moment."""

    server: Server
    gate: Gate


@contextmanager
def gated(account: ServerAccount, max_running: int, max_waiting: int, transport: str = GRPC) -> Iterator[Gated]:
    """One that runs and holds so many queries of each; the gate opens at the end at the latest."""
    gate = Gate()
    loaded = {name: {1: _loaded(name, runner)} for name, runner in {"gate": gate, "echo": Echo()}.items()}
    with Server(Limits(1, max_running, max_waiting), account, loaded=loaded, transport=transport) as server:
        try:
            yield Gated(server, gate)
        finally:
            gate.open.set()


def _loaded(name: str, runner: Runner) -> LoadedModel:
    return LoadedModel(ServedModel(name, 1, runner.inputs, runner.outputs, _TARGET, "test"), runner)
