"""One model's queries: admitted or refused at once, queued, batched, handed over, ended in time.

A query is refused when it cannot be in time: when those before it, at the mean time that the model's last queries took,
leave it none. Where nothing runs and nothing waits it is always taken, so that a mean that is wrong rights itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import grpc

from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.scheduling.queue import FairQueue
from autoscale_runtime.server.scheduling.service_time import ServiceTime
from autoscale_runtime.server.transports.base import Refusal
from autoscale_runtime.wire.status import RETRY_AFTER

SAFETY: Final = 1.8
"""How many times its expected wait a query must have left: times scatter, and with 1.2 answers just miss."""

AHEAD_S: Final = 0.01
"""Work that lies with an instance, or twice as much as this loop is late: it has some until the loop looks again.

Slower models keep their order.
"""

MOST_AHEAD_S: Final = 0.1
"""However late this loop is: about the limit of a query that somebody waits for."""

MOST_AHEAD: Final = 32
"""Batches handed over to one instance: what is handed over has left the order of deadlines."""

MOST_TOGETHER: Final = 64
"""Queries handed over as one: a packet brings no more files along."""

_OK: Final = grpc.StatusCode.OK

OnEnd = Callable[[Job, Ran], None]
OnBegin = Callable[[Job], None]


@dataclass(frozen=True, slots=True)
class Batching:
    """How queries of a model run together.

    Attributes:
        most: queries of a batch; 1 for none.
        preferred: a batch of this size waits for no more.
        delay_s: the longest that a query waits for others to join it.
    """

    most: int = 1
    preferred: int = 1
    delay_s: float = 0.0


ALONE: Final = Batching()
"""Each by itself."""


class _Outlook(NamedTuple):
    """What a client was refused for, and the next one is too, until anything begins, ends or leaves.

    Attributes:
        client: whose it is.
        needs_s: until its answer.
        refusal: of one that is due before.
    """

    client: str
    needs_s: float
    refusal: Refusal


class Scheduler:
    """Between the calls of one model and what runs them. For the event loop alone.

    Args:
        name: of the model.
        executor: what runs them; may be replaced with ``move_to``.
        max_waiting: more are refused.
        batching: whether, and how, they run together.
        on_begin: told as a query is handed over.
        on_end: told of each query that was handed over, with what came of it.
        max_compute_s: a query that runs longer is ended; 0 for no limit.
    """

    def __init__(
        self,
        name: str,
        executor: Executor,
        max_waiting: int,
        batching: Batching,
        on_begin: OnBegin,
        on_end: OnEnd,
        max_compute_s: float = 0.0,
    ) -> None:
        self.name, self.batching = name, batching
        self._max_waiting, self._max_compute_s = max_waiting, max_compute_s
        self._on_begin, self._on_end = on_begin, on_end
        self._queue = FairQueue()
        self._running: dict[Job, Executor] = {}
        self._batches = 0
        self._service, self._held, self._late = ServiceTime(), ServiceTime(), ServiceTime()
        self._ended_s: deque[float]
        self._outlook: _Outlook | None
        self._timer: asyncio.TimerHandle | None = None
        self.move_to(executor)

    @property
    def waiting(self) -> int:
        """Queries in the queue."""
        return self._queue.waiting

    @property
    def running(self) -> int:
        """Queries that were handed over and have no answer."""
        return len(self._running)

    @property
    def is_busy(self) -> bool:
        """Whether any waits or runs."""
        return bool(self._running) or self._queue.waiting > 0

    @property
    def mean_s(self) -> float:
        """Mean seconds that a query holds an instance."""
        return self._service.mean_s

    def move_to(self, executor: Executor, versions: Collection[int] = ()) -> None:
        """Hand over to this one from now on; what runs elsewhere ends there.

        Args:
            executor: what runs the model now.
            versions: that it has: who waits for none of them by its number gets the highest.
        """
        for job in self._queue.jobs() if versions else ():
            if job.version in versions:
                continue
            if job.is_pinned:
                self._leave_queue(job)
                job.call.refuse(grpc.StatusCode.NOT_FOUND, f"version {job.version} of '{self.name}' was taken away")
            else:
                job.version = max(versions)
        self._executor, self._outlook = executor, None
        self._ended_s = deque([0.0] * executor.instances, executor.instances)
        self._batches = 0
        self._look_ahead()
        executor.on_done = partial(self._done, executor)

    def runs_on(self, executor: Executor) -> bool:
        """Whether that one has queries of this model."""
        return executor in self._running.values()

    def hands_to(self, executor: Executor) -> bool:
        """Whether what waits will run there."""
        return executor is self._executor

    def submit(self, job: Job) -> None:
        """Take a query, or refuse it at once."""
        job.arrived_s = time.monotonic()
        if self.is_busy and not self._makes_room(job):
            return
        job.call.on_leaving = partial(self.leave, job)
        if not self._queue.waiting and self.batching.most == 1 and self._batches < self._at_once:
            self._hand_over([job])  # as it would be after a moment in the queue
            return
        self._outlook = None
        self._queue.push(job)
        self._pump()

    def leave(self, job: Job) -> None:
        """Nobody waits for it any more: it does not begin, or ends."""
        if job in self._running:
            job.is_done = True
            self._running[job].stop(job)
        elif not job.is_done:
            self._leave_queue(job)

    def sweep(self) -> None:
        """End what has run too long."""
        begun_s = time.monotonic() - self._max_compute_s
        for job in [*self._running] if self._max_compute_s else ():
            if job.begun_s < begun_s and not job.is_done:
                text = f"it ran for longer than the {self._max_compute_s:g} s that this server allows"
                job.call.refuse(grpc.StatusCode.DEADLINE_EXCEEDED, text)
                self.leave(job)

    def refuse_all(self, code: grpc.StatusCode, text: str) -> None:
        """Send away all who wait, and end what runs."""
        for job in self._queue.jobs():
            self._leave_queue(job)
            job.call.refuse(code, text)
        for job in [*self._running]:
            job.call.refuse(code, text)
            self.leave(job)

    def _makes_room(self, job: Job) -> bool:
        if self._queue.waiting >= self._max_waiting:
            other = self._queue.last_of_the_greediest(job.call.client)
            if other is None:
                full = f"{self._queue.waiting} queries wait for it; allowed: {self._max_waiting}"
                self._refuse(job, self._refusal(full))
                return False
            self._leave_queue(other)
            most = f"{self._queue.waiting + 1} queries wait for it, most of them this client's"
            self._refuse(other, self._refusal(most))
        return self._is_in_time(job)

    def _is_in_time(self, job: Job) -> bool:
        known, client = self._outlook, job.call.client
        if known is None or known.client != client:
            needs_s = SAFETY * (self._wait_s(self._queue.ahead(client)) + self._service.mean_s) + self._late.mean_s
            if job.arrived_s + needs_s <= job.deadline_s:
                return True
            late = f"an answer may take {1e3 * needs_s:.0f} ms, and is due before"
            known = self._outlook = _Outlook(client, needs_s, self._refusal(late))
        elif job.arrived_s + known.needs_s <= job.deadline_s:
            return True
        self._refuse(job, known.refusal)
        return False

    def _wait_s(self, ahead: int) -> float:
        return (ahead + len(self._running)) / self._executor.instances * self._service.mean_s

    def _refusal(self, why: str) -> Refusal:
        after_ms = max(1, round(1e3 * self._wait_s(self._queue.waiting)))
        text = f"'{self.name}' is busy: {why}"
        return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, text, ((RETRY_AFTER, str(after_ms)),))

    def _refuse(self, job: Job, refusal: Refusal) -> None:
        job.is_done, job.call.on_leaving = True, None
        job.call.refuse(*refusal)

    def _leave_queue(self, job: Job) -> None:
        self._outlook = None
        self._queue.leave(job)

    def _pump(self) -> None:
        if not self._queue.waiting:
            return
        self._outlook = None
        while self._queue.waiting and self._batches < self._at_once and not self._waits_for_more():
            batch = self._next_batch()
            if batch:
                self._hand_over(batch)

    def _look_ahead(self) -> None:
        """Batches handed over: one for each instance, and as much more work as it does until this loop looks again."""
        work_s = self._held.mean_s * self.batching.most  # a batch that goes too early goes with too few
        ahead_s = min(max(AHEAD_S, 2.0 * self._late.mean_s), MOST_AHEAD_S)
        ahead = min(int(ahead_s / work_s), MOST_AHEAD) if work_s > 0.0 else 0
        self._at_once = self._executor.instances * (1 + ahead)

    def _waits_for_more(self) -> bool:
        """Whether a batch that could begin waits for others to join it."""
        if self.batching.delay_s <= 0.0 or self._queue.waiting >= self.batching.preferred:
            return False
        jobs, now_s = self._queue.jobs(), time.monotonic()
        due_s = min(each.deadline_s for each in jobs) - SAFETY * self._service.mean_s
        until_s = min(min(each.arrived_s for each in jobs) + self.batching.delay_s, due_s)
        if until_s <= now_s:
            return False
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(until_s - now_s, self._pump)
        return True

    def _next_batch(self) -> list[Job]:
        batch: list[Job] = []
        while len(batch) < min(self.batching.most, MOST_TOGETHER):
            job = self._queue.pop(batch[0].version if batch else None)
            if job is None:
                break
            if time.monotonic() + self._service.mean_s > job.deadline_s and self._service.mean_s and self._running:
                self._refuse(job, self._refusal("its time ran out in the queue"))
            else:
                batch.append(job)
        return batch

    def _hand_over(self, batch: list[Job]) -> None:
        now_s = time.monotonic()
        for job in batch:
            job.begun_s = now_s
            self._running[job] = self._executor
            self._on_begin(job)
        self._batches += 1
        self._outlook = None
        self._executor.run(batch)

    def _done(self, executor: Executor, jobs: Sequence[Job], ran: Sequence[Ran]) -> None:
        now_s = time.monotonic()
        # What an instance is busy with a batch for: the way there counts, waking up too. It began no earlier than its
        # instance was free, which one of them was when as many batches ago as there are instances one ended.
        ended_s = ran[0].ended_s or now_s
        turn_s = (ended_s - max(jobs[0].begun_s, self._ended_s[0])) / len(jobs)
        self._ended_s.append(ended_s)
        self._late.add(now_s - ended_s)
        if executor is self._executor:
            self._batches -= 1
        for job, each in zip(jobs, ran, strict=True):
            self._running.pop(job, None)
            if each.code is _OK or each.compute_s > 0.0:
                self._service.add(each.held_s if each.held_s > turn_s else turn_s)
                self._held.add(each.held_s)
            job.call.on_leaving = None  # it holds the job, and that the call
            self._on_end(job, each)
            job.is_done = True
        self._outlook = None
        self._look_ahead()
        self._pump()
