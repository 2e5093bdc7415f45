"""Who is next, who is refused, who leaves: the queue and the scheduler of one model, without a transport."""

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Coroutine, Sequence

import grpc
import pytest

from autoscale.query.target import Target
from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.scheduling.queue import FairQueue
from autoscale_runtime.server.scheduling.scheduler import Batching, Scheduler
from autoscale_runtime.server.transports.base import Call, Trailers
from autoscale_runtime.wire.status import RETRY_AFTER

OK = grpc.StatusCode.OK
TARGET = Target.parse("device:cpu/fp32@1t")


class Asked(Call):
    """A call that keeps what it was answered."""

    __slots__ = ("answers",)

    def __init__(self, client: str = "a", deadline_s: float = math.inf) -> None:
        super().__init__("s/ModelInfer", b"", client, deadline_s)
        self.answers: list[object] = []

    def reply(self, message: bytes) -> None:
        self.answers.append(message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        self.answers.append((code, text, dict(trailers)))


class Held(Executor):
    """Runs what it gets when it is told to."""

    def __init__(self, instances: int = 1) -> None:
        self.instances = instances
        self.batches: list[Sequence[Job]] = []
        self.stopped: list[Job] = []

    def run(self, jobs: Sequence[Job]) -> None:
        self.batches.append(jobs)

    def stop(self, job: Job) -> None:
        self.stopped.append(job)

    def finish(self, held_s: float = 0.01, ended_s: float = 0.0) -> Sequence[Job]:
        jobs = self.batches.pop(0)
        self.on_done(jobs, [Ran(OK, b"", held_s, 0.0, held_s / len(jobs), len(jobs), ended_s) for _ in jobs])
        return jobs

    async def close(self) -> None:
        pass


def job(client: str = "a", deadline_s: float = math.inf, priority: int = 0, version: int = 1) -> Job:
    return Job(Asked(client, deadline_s), "m", version, TARGET, False, deadline_s, priority)


def answers(of: Job) -> list[object]:
    assert isinstance(of.call, Asked)
    return of.call.answers


def in_loop(act: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(act())


def made(executor: Held, most: int = 8, batching: Batching | None = None) -> Scheduler:
    return Scheduler("m", executor, most, batching or Batching(), lambda job: None, lambda job, ran: None)


def test_a_client_with_many_waits_for_one_with_few() -> None:
    queue = FairQueue()
    greedy, polite = [job("greedy") for _ in range(100)], [job("polite") for _ in range(2)]
    for each in (*greedy, *polite):
        queue.push(each)
    first = [queue.pop() for _ in range(4)]
    assert [each.call.client for each in first if each is not None] == ["greedy", "polite"] * 2
    assert queue.ahead("third") == 1
    assert queue.waiting == 98


def test_the_earliest_deadline_goes_first_within_a_priority() -> None:
    queue = FairQueue()
    jobs = [job(deadline_s=3.0), job(deadline_s=1.0), job(deadline_s=2.0), job(deadline_s=9.0, priority=-1)]
    for each in jobs:
        queue.push(each)
    assert [queue.pop() for _ in jobs] == [jobs[3], jobs[1], jobs[2], jobs[0]]
    assert queue.pop() is None


def test_none_is_lost_or_served_twice() -> None:
    rng, queue = random.Random(1), FairQueue()
    waiting: set[Job] = set()
    for _ in range(5000):
        step = rng.random()
        if step < 0.5:
            one = job(f"c{rng.randrange(5)}", rng.random(), rng.randrange(2))
            queue.push(one)
            waiting.add(one)
        elif step < 0.6 and waiting:
            one = rng.choice(sorted(waiting, key=id))
            queue.leave(one)
            waiting.remove(one)
        elif (popped := queue.pop()) is not None:
            waiting.remove(popped)
        assert queue.waiting == len(waiting)
        assert {*queue.jobs()} == waiting


def test_each_turn_is_of_the_client_who_has_had_least_and_there_of_the_query_that_is_due_first() -> None:
    rng, queue = random.Random(2), FairQueue()
    waiting: list[Job] = []
    had: dict[str, float] = {}
    served = 0.0
    for _ in range(1000):
        if rng.random() < 0.55:
            one = job(f"c{rng.randrange(9)}", rng.random(), rng.randrange(2))
            if not any(each.call.client == one.call.client for each in waiting):
                had.setdefault(one.call.client, served)
            queue.push(one)
            waiting.append(one)
        elif waiting:
            had = {client: tag for client, tag in had.items() if any(each.call.client == client for each in waiting)}
            due = min(waiting, key=lambda each: (each.priority, had[each.call.client], each.deadline_s))
            assert queue.pop() is due
            waiting.remove(due)
            served = max(served, had[due.call.client])
            had[due.call.client] += 1.0


def test_what_cannot_be_in_time_is_refused_at_once_with_a_hint() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor)
        scheduler.submit(job())
        executor.finish(held_s=0.1)
        for _ in range(3):
            scheduler.submit(job())
        late, early = job("b", time.monotonic() + 0.1), job("b", time.monotonic() + 60.0)
        scheduler.submit(late)
        scheduler.submit(early)
        [(code, text, trailers)] = answers(late)  # type: ignore[misc]
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert re.search(r"an answer may take \d+ ms, and is due before", text)
        assert int(trailers[RETRY_AFTER]) >= 100
        assert answers(early) == []
        assert (scheduler.running, scheduler.waiting) == (1, 3)

    in_loop(act)


@pytest.mark.parametrize("change", ["ends", "leaves"])
def test_what_was_refused_is_looked_at_anew_once_anything_has_changed(change: str) -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor)
        scheduler.submit(job())
        executor.finish(held_s=1.0)
        running, waiting = job(), job()
        for each in (running, waiting):
            scheduler.submit(each)
        due_s = time.monotonic() + 4.0  # enough for one behind another, not for a third
        late, again = job("b", due_s), job("b", due_s)
        scheduler.submit(late)
        assert answers(late)[0][0] is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[index]
        if change == "ends":
            executor.finish(held_s=1.0)
        else:
            scheduler.leave(waiting)
        scheduler.submit(again)
        assert answers(again) == []

    in_loop(act)


def test_an_idle_model_takes_a_query_whatever_its_mean() -> None:
    """Else one long query would have all short ones refused for ever."""

    async def act() -> None:
        executor = Held()
        scheduler = made(executor)
        for _ in range(30):
            one = job(deadline_s=time.monotonic() + 0.05)
            scheduler.submit(one)
            assert answers(one) == []
            executor.finish(held_s=10.0 if scheduler.mean_s == 0.0 else 0.001)
        assert scheduler.mean_s < 1.0

    in_loop(act)


def test_an_answer_that_is_looked_at_late_does_not_make_its_model_slow() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor)
        for _ in range(3):
            one = job()
            scheduler.submit(one)
            await asyncio.sleep(0.02)
            executor.finish(held_s=0.001, ended_s=one.begun_s + 0.001)
        assert scheduler.mean_s == pytest.approx(0.001)

    in_loop(act)


def test_what_waits_before_an_instance_is_not_taken_for_its_work() -> None:
    """Of several instances: the third query began when one of the first two had ended."""

    async def act() -> None:
        executor = Held(instances=2)
        scheduler = made(executor)
        scheduler.submit(job())
        executor.finish(held_s=0.001, ended_s=time.monotonic())
        jobs = [job() for _ in range(6)]
        for each in jobs:
            scheduler.submit(each)
        assert len(executor.batches) == len(jobs)
        for turn in (1, 1, 2, 2, 3, 3):
            executor.finish(held_s=0.001, ended_s=jobs[-1].begun_s + 0.001 * turn)
        assert scheduler.mean_s < 0.0015

    in_loop(act)


def test_an_instance_has_as_much_before_it_as_runs_until_the_loop_looks_again() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor, most=64)
        scheduler.submit(job())
        await asyncio.sleep(0.05)
        executor.finish(held_s=0.01, ended_s=time.monotonic() - 0.05)
        for _ in range(40):
            scheduler.submit(job())
        assert len(executor.batches) > 10

    in_loop(act)


def test_a_full_queue_sends_the_greediest_clients_last_away() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor, most=3)
        greedy = [job("greedy") for _ in range(4)]
        for each in greedy:
            scheduler.submit(each)
        polite, another = job("polite"), job("greedy")
        scheduler.submit(polite)
        scheduler.submit(another)
        assert answers(polite) == []
        assert [len(answers(each)) for each in (*greedy, another)] == [0, 0, 0, 1, 1]
        assert scheduler.waiting == 3

    in_loop(act)


def test_who_leaves_does_not_run_or_is_stopped() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor)
        running, waiting = job(), job()
        scheduler.submit(running)
        scheduler.submit(waiting)
        waiting.call.left()
        running.call.left()
        assert executor.stopped == [running]
        executor.finish()
        assert (scheduler.running, scheduler.waiting, executor.batches) == (0, 0, [])

    in_loop(act)


def test_queries_of_one_version_run_together_and_wait_for_each_other_no_longer_than_allowed() -> None:
    async def act() -> None:
        executor = Held()
        scheduler = made(executor, batching=Batching(4, 4, 0.02))
        first = [job() for _ in range(2)]
        for each in first:
            scheduler.submit(each)
        assert executor.batches == []
        await asyncio.sleep(0.1)
        assert [*executor.finish()] == first
        for version in (1, 1, 2, 1, 1, 1):
            scheduler.submit(job(version=version))
        assert [each.version for each in executor.finish()] == [1, 1]
        assert [each.version for each in executor.finish()] == [2]

    in_loop(act)


def test_a_version_that_goes_away_leaves_nobody_waiting() -> None:
    async def act() -> None:
        old, new = Held(), Held()
        scheduler = made(old)
        first, pinned, free = job(), job(), job()
        pinned.is_pinned = True
        for each in (first, pinned, free):
            scheduler.submit(each)
        scheduler.move_to(new, [2, 3])
        old.finish()
        assert free.version == 3
        assert [each[0] for each in answers(pinned)] == [grpc.StatusCode.NOT_FOUND]  # type: ignore[index]

    in_loop(act)


def test_what_is_moved_to_another_executor_is_not_lost() -> None:
    async def act() -> None:
        old, new = Held(), Held()
        scheduler = made(old)
        jobs = [job() for _ in range(3)]
        for each in jobs:
            scheduler.submit(each)
        scheduler.move_to(new)
        scheduler.submit(job())
        assert scheduler.runs_on(old)
        old.finish()
        for _ in range(3):
            new.finish()
        assert (scheduler.running, scheduler.waiting) == (0, 0)
        assert not scheduler.runs_on(old)

    in_loop(act)
