"""Sends samples to a server, some at once, and adds up what comes back."""

import math
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock, Semaphore
from typing import Final

import numpy as np

from autoscale.errors import AutoScaleError
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.wire.client import OffloadClient
from autoscale_runtime.wire.cost import RemoteCost

PATIENCE_S: Final = 60.0
"""After which a sample has failed."""


@dataclass(slots=True)
class Tally:
    """What came back.

    Attributes:
        latencies_s: of the samples that were answered, as the client saw them.
        energies_j: that the server told of them.
        compute_s: that its model took, as it told.
        methods: how the joules are known, counted.
        errors: kind of error to how many samples had it.
    """

    latencies_s: list[float] = field(default_factory=list)
    energies_j: list[float] = field(default_factory=list)
    compute_s: list[float] = field(default_factory=list)
    methods: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """Samples that ended."""
        return len(self.latencies_s) + self.errors.total()

    def add(self, latency_s: float, cost: RemoteCost) -> None:
        """Take an answer in."""
        self.latencies_s.append(latency_s)
        if cost.compute_s is not None:
            self.compute_s.append(cost.compute_s)
        if cost.energy_j is not None:
            self.energies_j.append(cost.energy_j)
            self.methods[str(cost.method)] += 1


@dataclass(frozen=True, slots=True)
class Look:
    """What a server gave for a while.

    Attributes:
        together: samples that were open at once.
        duration_s: how long.
        tally: what came back.
    """

    together: int
    duration_s: float
    tally: Tally

    @property
    def rate_per_s(self) -> float:
        """Answers a second."""
        return len(self.tally.latencies_s) / self.duration_s

    @property
    def p99_s(self) -> float:
        """The latency that 99 % keep; infinite where a sample had no answer."""
        latencies_s = self.tally.latencies_s
        return math.inf if self.tally.errors or not latencies_s else float(np.percentile(latencies_s, 99))


class Sender:
    """Threads that send; a context manager.

    Args:
        client: of the server.
        model: asked there.
        version: of it.
        feeds: of every sample.
        clients: calls that are open at once, at most.
    """

    def __init__(self, client: OffloadClient, model: str, version: str, feeds: Feeds, clients: int) -> None:
        self._client, self._asked = client, (model, version)
        self._feeds = feeds
        self._threads = ThreadPoolExecutor(clients, "bench")
        self._lock = Lock()
        self.tally = Tally()

    def send(self, done: Callable[[], None]) -> None:
        """Send a sample as soon as a thread is free; ``done`` is called when it has ended, however it did."""
        self._threads.submit(self._send, done)

    def looked(self, together: int, seconds: float) -> Look:
        """What comes back while so many samples are always open; the tally is as before.

        Args:
            together: open at once.
            seconds: to look.
        """
        began_s, tally = time.perf_counter(), self.tally
        free, self.tally = Semaphore(together), Tally()
        while time.perf_counter() < began_s + seconds:
            free.acquire()
            self.send(free.release)
        for _ in range(together):
            free.acquire()
        look, self.tally = Look(together, time.perf_counter() - began_s, self.tally), tally
        return look

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()

    def _send(self, done: Callable[[], None]) -> None:
        model, version = self._asked
        began_s = time.perf_counter()
        try:
            reply = self._client.infer(model, self._feeds, None, version, PATIENCE_S)
        except AutoScaleError as error:
            with self._lock:
                self.tally.errors[type(error).__name__] += 1
        else:
            with self._lock:
                self.tally.add(time.perf_counter() - began_s, reply.cost)
        finally:
            done()
