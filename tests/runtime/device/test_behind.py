"""What is done once the caller has the answer: in order, once, and before anybody can see that it was not."""

import asyncio
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscale import Agent, Choice, Context
from autoscale.query.record import Record
from autoscale_runtime import Session
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.device.behind import Behind, settle_all
from autoscale_runtime.fleet.device_log.reading import read_log
from tests.runtime.session_parts import QUIET, network, rows, written
from tests.waiting import until


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


def test_jobs_are_done_once_in_their_order() -> None:
    behind, done = Behind(), list[int]()
    for number in range(200):
        behind.put(lambda number=number: done.append(number))  # type: ignore[misc]
        if number % 7 == 0:
            behind.settle()
            assert done == [*range(number + 1)]
    behind.close()
    assert done == [*range(200)]


def test_nobody_has_to_ask_for_it_and_its_thread_ends() -> None:
    behind, done = Behind(), threading.Event()
    threads = {*threading.enumerate()}
    behind.put(done.set)
    assert done.wait(10.0)
    behind.close()
    behind.close()
    assert {*threading.enumerate()} <= threads


def test_an_interrupt_as_it_gets_its_turn_leaves_the_next_query_no_wait() -> None:
    behind, begun, told = Behind(), threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        told.wait(10.0)
        time.sleep(0.05)  # the caller waits for its turn by now; where it does not, nothing is shown, nor failed
        signal.raise_signal(signal.SIGINT)  # pending: the main thread sees it once it has its turn

    behind.put(job)
    assert begun.wait(10.0)
    with pytest.raises(KeyboardInterrupt):
        told.set()
        behind.settle()
        until(lambda: False)
    done = threading.Event()
    behind.put(done.set)
    assert done.wait(10.0)
    behind.close()


class LateThread(threading.Thread):
    """Takes long to make, so that others come meanwhile."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        time.sleep(0.02)
        super().__init__(*arguments, **others)


def test_threads_that_put_first_at_once_start_one_and_what_is_put_after_the_end_is_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two one alone would hear of the end: who waited for the other did so for ever."""
    behind, done, ready, threads = Behind(), list[int](), threading.Barrier(3), {*threading.enumerate()}

    def ask() -> None:
        ready.wait()
        behind.put(lambda: done.append(1))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    monkeypatch.setattr(threading, "Thread", LateThread)
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert len({*threading.enumerate()} - threads) == 1
    behind.close()
    behind.put(lambda: done.append(2))
    assert done == [1, 1, 1, 2]
    assert {*threading.enumerate()} <= threads


def test_a_job_may_ask_for_what_waits_for_it_and_what_follows_one_that_fails_is_done_at_the_end() -> None:
    behind, done = Behind(), list[int]()
    behind.put(behind.settle, lambda: 1 // 0, lambda: done.append(1))
    behind.close()
    behind.close()
    assert done == [1]


def test_what_goes_wrong_is_told_once_and_the_rest_is_done() -> None:
    behind, done = Behind(), threading.Event()
    behind.put(lambda: 1 // 0)
    behind.put(done.set)
    errors = 0
    while not done.is_set() or not errors:
        try:
            behind.settle()
        except ZeroDivisionError:
            errors += 1
    behind.settle()
    behind.close()
    assert errors == 1


class Slow(Agent):
    """Chooses the first target and learns when it is let."""

    name = "slow"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.may_learn, self.learned, self.chosen_after = threading.Event(), 0, list[int]()

    def select(self, context: Context) -> Choice:
        self.chosen_after.append(self.learned)
        return Choice(0, 1.0)

    def learn(self, *_: object) -> None:
        assert self.may_learn.wait(10.0)
        self.learned += 1


def test_the_caller_has_the_answer_before_anything_is_learned(path: Path) -> None:
    """And nothing is chosen, told or saved before all is."""
    with Session(path, options=QUIET) as session:
        session.warm_up({"x": rows(3)})
        session.agent = agent = Slow(session.targets)
        session.run(None, {"x": rows(3)})
        assert agent.learned == 0
        agent.may_learn.set()
        until(lambda: agent.learned == 1)
        for count in range(1, 20):
            session.run(None, {"x": rows(3)})
            assert agent.chosen_after[-1] == count
        assert session.last is not None
        assert agent.learned == 20
        session.run(None, {"x": rows(3)})
        assert session.agent is agent
        assert agent.learned == 21
        session.run(None, {"x": rows(3)})
    assert agent.learned == 22


ASKING: dict[str, Callable[[Session], object]] = {
    "run": lambda session: session.run(None, {"x": rows(3)}),
    "query": lambda session: session.query({"x": rows(3)}),
    "query_async": lambda session: asyncio.run(session.query_async({"x": rows(3)})),
    "stream": lambda session: streamed(session),
}


def streamed(session: Session) -> object:
    with session.stream() as stream:
        return stream.query({"x": rows(3)})


@pytest.mark.parametrize("how", ASKING)
def test_it_has_it_before_anything_is_recorded_too_and_however_it_asks(path: Path, how: str) -> None:
    records, may_record = list[Record](), threading.Event()

    def on_record(record: Record) -> None:
        assert may_record.wait(10.0)
        assert session.last is not None  # and is not waited for
        records.append(record)

    with Session(path, options=replace(QUIET, on_record=on_record)) as session:
        session.warm_up({"x": rows(3)})
        session.agent = agent = Slow(session.targets)
        answer = ASKING[how](session)
        assert (agent.learned, len(records)) == (0, 0)
        agent.may_learn.set()
        may_record.set()
        if isinstance(answer, Answer):
            assert answer.decision is not None
            assert pickle.loads(pickle.dumps(answer)).decision.selected == answer.decision.selected
        session.settle()
        assert (agent.learned, len(records)) == (1, 1)
        ASKING[how](session)
    assert (agent.learned, len(records)) == (2, 2)


def test_what_waits_is_no_more_than_an_answer_of_each_thread(path: Path) -> None:
    records = list[Record]()
    with Session(path, options=replace(QUIET, on_record=records.append)) as session:
        session.warm_up({"x": rows(3)})
        waiting = session._decider.device.behind._jobs
        most = list[int]()

        def ask(_: int) -> None:
            session.run(None, {"x": rows(3)})
            most.append(len(waiting))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(200)))
    assert max(most) <= 2 * 4
    assert len(records) == 200


def test_a_process_that_ends_and_a_log_that_is_closed_have_it_done_for_sessions_that_are_not(
    path: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, time, numpy as np; from autoscale_runtime import LedgerWriter, Session, SessionOptions\n"
        "def on_record(record): time.sleep(0.1); print('recorded', flush=True)\n"
        "def asked(on_record):\n"
        "    session = Session(sys.argv[1], options=SessionOptions(sensors=(), on_record=on_record))\n"
        "    session.run(None, {'x': np.ones((3, 16), np.float32)})\n"
        "    return session\n"
        "with LedgerWriter(sys.argv[2]) as log: held = asked(log.append)\n"
        "last = asked(on_record)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "log"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "recorded\n", done.stderr
    assert len(read_log(tmp_path / "log").queries) == 1


@pytest.mark.parametrize("wrong", [ValueError("full"), SystemExit(3), asyncio.CancelledError()])
def test_a_record_that_cannot_be_kept_is_told_and_fails_no_query(
    path: Path, wrong: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def on_record(record: Record) -> None:
        raise wrong

    with Session(path, options=replace(QUIET, on_record=on_record)) as session:
        for _ in range(3):
            session.run(None, {"x": rows(3)})
    told = [each.message for each in caplog.records if "on_record failed" in each.message]
    assert len(told) == 3
    assert type(wrong).__name__ in told[0]


def test_who_takes_records_may_ask_again_and_close(path: Path) -> None:
    records = list[Record]()

    def on_record(record: Record) -> None:
        records.append(pickle.loads(pickle.dumps(record)))
        if len(records) < 3:
            session.run(None, {"x": rows(3)})
        else:
            session.close()

    session = Session(path, options=replace(QUIET, on_record=on_record))
    session.run(None, {"x": rows(3)})
    until(lambda: len(records) == 3)
    session.close()
    assert records[0].considered is not None
    forecast = records[0].considered.context.first_forecast
    assert forecast is not None
    assert forecast.latency_s.shape == (len(session.targets),)


def test_who_takes_the_records_of_two_sessions_may_ask_each_of_the_other(path: Path) -> None:
    both, ready = list[Session](), threading.Barrier(2)
    records: list[list[Record]] = [[], []]

    def keeper(own: int) -> Callable[[Record], None]:
        def on_record(record: Record) -> None:
            if not records[own]:
                ready.wait(10.0)
            both[1 - own].settle()
            records[own].append(record)

        return on_record

    for own in range(2):
        both.append(Session(path, options=replace(QUIET, on_record=keeper(own))))
    for _ in range(3):
        for each in both:
            each.run(None, {"x": rows(3)})
        if not records[0]:
            until(lambda: records[0] and records[1])
    for each in both:
        each.close()
    assert [len(each) for each in records] == [3, 3]


def test_an_answer_that_is_copied_keeps_its_decision(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        answer = session.query({"x": rows(3)})
        decision = answer.decision
        assert replace(answer, outputs=[]).decision is decision
        assert decision is not None
        assert copy.deepcopy(answer).decision.reward == decision.reward  # type: ignore[union-attr]
        with session.stream() as stream, pytest.raises(TypeError, match="a stream cannot be pickled"):
            pickle.dumps(stream)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_child_may_let_its_parent_s_session_go_and_records_nothing_twice(
    path: Path, tmp_path: Path, how: str
) -> None:
    waiting, told = threading.Event(), tmp_path / "told"

    def on_record(record: Record) -> None:
        waiting.wait(30.0)
        with told.open("a") as file:
            file.write("one ")

    held = [Session(path, options=replace(QUIET, on_record=on_record))]
    held[0].run(None, {"x": rows(3)})
    child = os.fork()
    if child == 0:
        waiting.set()
        with held[0] if how == "close" else nullcontext():
            pass
        held.clear()
        gc.collect()
        settle_all()
        os._exit(7)
    try:
        ended = until(lambda: [each for each in [os.waitpid(child, os.WNOHANG)] if each[0]])
        assert os.waitstatus_to_exitcode(ended[0][1]) == 7
    finally:
        waiting.set()
    held[0].close()
    assert told.read_text() == "one "


def test_what_is_believed_afterwards_is_told(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        session.run(None, {"x": rows(3)})
        assert session.last is not None and session.last.belief is not None
        answer = session.query({"x": rows(3)})
        assert answer.decision is not None and answer.decision.belief_after is not None
        assert session.last.belief_after is not None
