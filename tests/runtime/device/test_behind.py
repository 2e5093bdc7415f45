"""What is done once the caller has the answer: in order, once, and before anybody can see that it was not."""

import threading
from pathlib import Path
from typing import Any

import pytest

from autoscale import Agent, Choice, Context
from autoscale_runtime import Session
from autoscale_runtime.device.behind import Behind
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


def test_what_is_believed_afterwards_is_told(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        session.run(None, {"x": rows(3)})
        assert session.last is not None and session.last.belief is not None
        answer = session.query({"x": rows(3)})
        assert answer.decision is not None and answer.decision.belief_after is not None
        assert session.last.belief_after is not None
