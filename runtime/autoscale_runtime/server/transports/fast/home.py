"""What all calls share: their loop, who answers them, their limits, and what ends them when their time is up."""

import asyncio
import heapq
import itertools
import math
import time
from dataclasses import dataclass, field
from typing import Final, Protocol

import grpc

from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Handler, Refusal
from autoscale_runtime.server.transports.fast.rests import Rests

_LATE: Final = Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "its deadline passed")
_TICK_S: Final = 1e-3
"""The loop counts in these: a timer without one more goes off before its time, and again."""

_FEW: Final = 256
_INBOX_BYTES: Final = 256 << 10
_COUNT: Final = itertools.count()


class Timed(Protocol):
    """A call, to who ends it; attributes as of ``Stream``."""

    deadline_s: float
    is_answered: bool

    def fail(self, refusal: Refusal) -> None:
        """Answer it with an error, unless it has its answer."""


class Deadlines:
    """Ends calls whose time is up: one timer for all, where one for each would cost more than the call's own bytes.

    Args:
        loop: that they are on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = math.inf
        self._heap: list[tuple[float, int, Timed]] = []
        self._most = _FEW

    def add(self, stream: Timed) -> None:
        """One more; it is forgotten some time after its answer."""
        if len(self._heap) >= self._most:
            self._heap = [each for each in self._heap if not each[-1].is_answered]
            heapq.heapify(self._heap)
            self._most = max(_FEW, 2 * len(self._heap))
        heapq.heappush(self._heap, (stream.deadline_s, next(_COUNT), stream))
        if stream.deadline_s < self._next_s:
            self._set(stream.deadline_s)

    def close(self) -> None:
        """End none any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, at_s: float) -> None:
        self.close()
        self._next_s = at_s
        self._timer = self._loop.call_later(max(at_s - time.monotonic(), 0.0) + _TICK_S, self._end_late)

    def _end_late(self) -> None:
        self._next_s, now_s = math.inf, time.monotonic()
        while self._heap and (self._heap[0][-1].is_answered or self._heap[0][0] <= now_s):
            heapq.heappop(self._heap)[-1].fail(_LATE)
        if self._heap:
            self._set(self._heap[0][0])


@dataclass(frozen=True, slots=True)
class Home:
    """What all calls share.

    Attributes:
        loop: that they are on.
        handler: who answers queries.
        limits: of each.
        deadlines: of those that have one.
        rests: of connections that bring more than can be answered.
        inbox: what comes of any connection is read into, and taken from before more is.
    """

    loop: asyncio.AbstractEventLoop
    handler: Handler
    limits: Limits
    deadlines: Deadlines
    rests: Rests
    inbox: memoryview = field(default_factory=lambda: memoryview(bytearray(_INBOX_BYTES)))
