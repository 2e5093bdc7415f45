"""Functions with a twin elsewhere: who answers, what it costs, and what happens when a twin fails."""

import threading
import time
from typing import Any

import pytest

from autoscale.errors import InvalidGoal, InvalidInput, InvalidTarget, UnknownName
from autoscale.query.goal import Goal
from autoscale.query.record import Record
from autoscale_runtime import SessionOptions, offloadable
from autoscale_runtime.twins import HERE

CLOUD = "cloud:cpu/fp32"
ENERGY = Goal(objective="energy", latency_s=60.0)


def work(cpu_s: float) -> str:
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        pass
    return "here"


def cheap(cpu_s: float) -> str:
    time.sleep(cpu_s / 10)
    return "there"


def test_it_learns_who_answers_for_less_and_says_so() -> None:
    decided = offloadable({"cloud": cheap}, ENERGY)(work)
    answers = [decided(0.02) for _ in range(60)]
    assert answers[-20:].count("there") >= 15
    assert decided.last is not None
    assert [str(each) for each in decided.targets] == [HERE, CLOUD]
    assert decided.last.outcome.energy_j.device > 0.0
    assert decided.__name__ == "work"


def test_where_here_is_cheaper_it_stays_here() -> None:
    decided = offloadable({"cloud": lambda cpu_s: work(10 * cpu_s)}, Goal(objective="latency"))(work)
    for _ in range(60):
        decided(0.002)
    stayed = []
    for _ in range(20):
        decided(0.002)
        stayed.append(str(decided.last.selected))  # type: ignore[union-attr]
    assert stayed.count(HERE) >= 15


def test_what_it_raises_here_is_the_callers_and_goes_nowhere() -> None:
    asked: list[Any] = []

    @offloadable({"cloud": asked.append}, mode="PREFER_ON_DEVICE")
    def parse(text: str) -> None:
        int(text)

    with pytest.raises(ValueError, match="invalid literal"):
        parse("much")
    assert asked == []


def broken(*_: Any, **__: Any) -> Any:
    raise ConnectionError("no route")


def test_a_twin_that_fails_costs_an_attempt_and_is_left_alone() -> None:
    decided = offloadable({"cloud": broken}, mode="PREFER_IN_CLOUD")(lambda value: value + 1)
    assert decided(1) == 2
    assert decided.last is not None
    assert [(str(each.target), each.reason, each.error) for each in decided.last.attempts] == [
        (CLOUD, "no route", "ConnectionError"),
        (HERE, "answered", None),
    ]
    assert decided(2) == 3
    assert [str(each.target) for each in decided.last.attempts] == [HERE]


def test_where_only_the_cloud_may_answer_its_error_is_the_callers() -> None:
    decided = offloadable({"cloud": broken}, mode="ONLY_IN_CLOUD")(lambda: 1)
    for _ in range(3):
        with pytest.raises(ConnectionError, match="no route"):
            decided()


def test_without_consent_or_only_here_nothing_is_asked_elsewhere() -> None:
    for options in ({"mode": "ONLY_ON_DEVICE"}, {"options": SessionOptions(consent=False)}):
        decided = offloadable({"cloud": broken}, **options)(lambda: 1)  # type: ignore[arg-type]
        assert [decided() for _ in range(20)] == [1] * 20
        assert decided.last is not None
        assert len(decided.last.attempts) == 1
    with pytest.raises(InvalidGoal, match="no place of work meets mode ONLY_IN_CLOUD"):
        offloadable({"cloud": cheap}, mode="ONLY_IN_CLOUD", options=SessionOptions(consent=False))(work)


def test_what_is_sent_costs_the_radio() -> None:
    spent_j = []
    for sent in (None, lambda value: 10_000_000):
        decided = offloadable({"cloud": lambda value: time.sleep(0.05)}, mode="ONLY_IN_CLOUD", sent_bytes=sent)(print)
        decided("x")
        assert decided.last is not None
        spent_j.append(decided.last.outcome.energy_j)
    assert spent_j[1].network > 0.0 == spent_j[0].network
    assert spent_j[1].device > spent_j[0].device


def test_every_call_is_recorded_and_each_thread_sees_its_own() -> None:
    records: list[Record] = []
    decided = offloadable({"cloud": cheap}, ENERGY, options=SessionOptions(on_record=records.append))(work)
    seen = []

    def ask() -> None:
        answer = decided(0.001)
        assert decided.last is not None
        seen.append((answer, decided.last.selected.is_remote))

    threads = [threading.Thread(target=lambda: [ask() for _ in range(10)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(seen) == len(records) == 40
    assert all((answer == "there") == is_remote for answer, is_remote in seen)
    assert {each.model for each in records} == {"work"}


def test_wrong_ones_are_refused() -> None:
    async def later() -> None: ...

    with pytest.raises(InvalidInput, match="no coroutine"):
        offloadable({"cloud": later})(work)  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match="allowed: a function"):
        offloadable({"cloud": "host:port"})(work)  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match="a mapping, as in"):
        offloadable(cheap)(work)  # type: ignore[arg-type]
    with pytest.raises(InvalidTarget, match="'device' is no place elsewhere"):
        offloadable({"device": cheap})(work)
    with pytest.raises(InvalidGoal, match="unknown inference mode"):
        offloadable({"cloud": cheap}, mode="ONLY_THERE")
    with pytest.raises(UnknownName, match="corrector"):
        offloadable({"cloud": cheap}, agent="corector")(work)
