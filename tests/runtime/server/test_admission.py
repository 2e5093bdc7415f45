"""The server's queue: who runs, who waits, who is refused, who stops waiting."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from autoscale.errors import DeadlineExceeded, Overloaded
from autoscale_runtime.server.admission import Admission
from tests.waiting import LONGEST_WAIT_S, until


def test_no_more_run_than_may_and_none_is_forgotten() -> None:
    admission = Admission(3, 100)
    most, done = 0, 0
    lock, three_run = threading.Lock(), threading.Barrier(3)

    def query(_: int) -> None:
        nonlocal most, done
        with admission.slot():
            three_run.wait(LONGEST_WAIT_S)  # as many as may run do run, side by side
            with lock:
                most = max(most, admission.running)
                done += 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(query, range(60)))
    assert (most, done) == (3, 60)
    assert (admission.running, admission.waiting) == (0, 0)


def test_first_come_first_served() -> None:
    admission = Admission(1, 10)
    order: list[int] = []

    def query(number: int) -> None:
        with admission.slot() as queue_s:
            assert queue_s > 0.0
            order.append(number)

    with ThreadPoolExecutor(5) as pool, admission.slot():
        for number in range(5):
            pool.submit(query, number)
            until(lambda number=number: admission.waiting == number + 1)  # type: ignore[misc]
    assert order == [0, 1, 2, 3, 4]


def test_one_too_many_is_refused_at_once() -> None:
    admission = Admission(1, 0)
    with (
        admission.slot(),
        pytest.raises(Overloaded, match="1 queries run and 0 wait; allowed: 1 and 0"),
        admission.slot(),
    ):
        pass
    with admission.slot():
        assert admission.running == 1


def test_a_query_stops_waiting_at_its_deadline_and_gives_its_place_back() -> None:
    admission = Admission(1, 1)
    with admission.slot():
        for _ in range(3):  # each finds the waiting place free again
            with pytest.raises(DeadlineExceeded, match=r"0\.01 s"), admission.slot(0.01):
                pass


def test_a_query_whose_caller_left_never_runs() -> None:
    admission = Admission(1, 1)
    leave: list[Callable[[], None]] = []
    with admission.slot(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: admission.slot(None, leave.append).__enter__())
        until(lambda: leave)
        leave[0]()
        assert isinstance(waiting.exception(LONGEST_WAIT_S), DeadlineExceeded)
    leave[0]()  # too late to matter
    with admission.slot(0.0):
        pass


def test_a_query_that_fails_gives_its_place_back() -> None:
    admission = Admission(1, 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), admission.slot():
            raise ZeroDivisionError
