"""Functions with a twin elsewhere: who answers, what it costs, and what happens when a twin fails."""

import copy
import gc
import os
import pickle
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from autoscale import Agent, Choice, Context
from autoscale.agents.corrector import Corrector
from autoscale.errors import InvalidGoal, InvalidInput, InvalidTarget, UnknownName
from autoscale.query.goal import Goal
from autoscale.query.outcome import Split
from autoscale.query.record import Record
from autoscale.query.target import Target
from autoscale_runtime import SessionOptions, offloadable
from autoscale_runtime.device.rules import NO_CONSENT
from autoscale_runtime.twins import HERE, Offloadable

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


def test_no_agent_asks_elsewhere_what_must_not_leave() -> None:
    class Headstrong(Agent):
        name = "headstrong"

        def select(self, context: Context) -> Choice:
            return Choice(1, 1.0)

    headstrong = Headstrong([Target.parse(HERE), Target.parse(CLOUD)])
    asked: list[float] = []
    decided = offloadable({"cloud": asked.append}, options=SessionOptions(consent=False), agent=headstrong)(work)
    assert decided(0.0) == "here"
    assert not asked
    assert decided.last is not None and decided.last.did_fallback


def test_what_is_sent_costs_the_radio() -> None:
    outcomes = []
    for sent in (None, lambda value: 10_000_000):
        decided = offloadable({"cloud": lambda value: time.sleep(0.05)}, mode="ONLY_IN_CLOUD", sent_bytes=sent)(print)
        outcomes.append([_cost(decided) for _ in range(5)])
    wired_j, radio_j = ([each.device for each in costs] for costs in outcomes)
    assert [each.network > 0.0 for costs in outcomes for each in costs] == [False] * 5 + [True] * 5
    assert max(radio_j) > min(wired_j)  # a busy machine may draw out any one of them


def _cost(decided: Offloadable[[str], Any]) -> Split:
    decided("x")
    assert decided.last is not None
    return decided.last.outcome.energy_j


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


class Reader:
    """Whose methods have twins."""

    def __init__(self, name: str) -> None:
        self.name = name

    @offloadable({"cloud": lambda self, text: f"there {self.name} {text}"}, mode="ONLY_IN_CLOUD")
    def read(self, text: str) -> str:
        return f"here {self.name} {text}"

    @offloadable({"cloud": lambda self, text: 1 / 0}, mode="PREFER_IN_CLOUD")
    def try_first(self, text: str) -> str:
        return f"here {self.name} {text}"

    @classmethod
    @offloadable({"cloud": lambda kind, text: 1 / 0}, mode="PREFER_ON_DEVICE")
    def of_class(cls, text: str) -> str:
        return f"{cls.__name__} {text}"


@offloadable({"cloud": lambda number: number}, mode="PREFER_ON_DEVICE")
def doubled(number: int) -> int:
    return 2 * number


def test_a_method_is_asked_with_its_object_here_and_there() -> None:
    assert Reader("a").read("x") == "there a x"
    assert Reader("b").try_first("y") == "here b y"
    assert Reader.of_class("z") == "Reader z"
    assert str(Reader("c").try_first.last.selected) == HERE
    assert Reader.try_first.last is not None


def test_it_goes_by_its_name_into_other_processes_as_a_function_does() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled


def test_why_a_twin_gets_no_call_is_told() -> None:
    silent = offloadable({"cloud": cheap}, options=SessionOptions(consent=False))(work)
    silent(0.0)
    assert {str(each): why for each, why in silent.last.left_out.items()} == {CLOUD: NO_CONSENT}  # type: ignore[union-attr]
    failing = offloadable({"cloud": lambda cpu_s: str(1 / 0)}, mode="PREFER_IN_CLOUD")(work)
    failing(0.0)
    failing(0.0)
    assert "it failed" in failing.last.left_out[failing.targets[1]]  # type: ignore[union-attr]


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


class Gated(Corrector):
    """Learns once it may."""

    def __init__(self, targets: Sequence[Target], may_learn: threading.Event) -> None:
        super().__init__(targets)
        self.may_learn = may_learn
        self.lessons = 0

    def learn(self, *args: Any, **kwargs: Any) -> None:
        assert self.may_learn.wait(60.0)
        super().learn(*args, **kwargs)
        self.lessons += 1


def gated(may_learn: threading.Event) -> Gated:
    return Gated([Target.parse(HERE), Target.parse(CLOUD)], may_learn)


def test_the_answer_is_there_before_anything_is_learned_or_recorded() -> None:
    may_learn, records = threading.Event(), list[Record]()
    options = SessionOptions(on_record=records.append)
    decided = offloadable({"cloud": cheap}, ENERGY, agent=gated(may_learn), options=options)(work)
    assert decided(0.0) in ("here", "there")
    assert records == []
    may_learn.set()
    assert decided.last is not None
    assert [each.decision for each in records] == [decided.last]
    assert isinstance(decided.agent, Gated)
    assert decided.agent.lessons == 1


def test_what_a_record_raises_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def full(record: Record) -> None:
        raise OSError("the disk is full")

    decided = offloadable({"cloud": cheap}, ENERGY, options=SessionOptions(on_record=full))(work)
    assert [decided(0.0) in ("here", "there") for _ in range(3)] == [True] * 3
    decided.settle()
    assert caplog.text.count("on_record failed") == 3


def test_a_function_that_is_dropped_takes_its_thread_with_it() -> None:
    before = {*threading.enumerate()}
    decided = offloadable({"cloud": cheap}, ENERGY)(work)
    decided(0.0)
    [own] = [each for each in threading.enumerate() if each not in before and each.name == "autoscale-behind"]
    del decided
    gc.collect()
    own.join(60.0)
    assert not own.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_goes_on_with_what_was_learned_before() -> None:
    may_learn = threading.Event()
    may_learn.set()
    decided = offloadable({"cloud": cheap}, ENERGY, agent=gated(may_learn))(work)
    decided(0.0)
    decided.settle()
    child = os.fork()
    if not child:
        decided(0.0)
        os._exit(decided.agent.lessons)  # type: ignore[attr-defined]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert decided.agent.lessons == 1  # type: ignore[attr-defined]
