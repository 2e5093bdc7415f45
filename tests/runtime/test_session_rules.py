"""What an application allows, whatever the agent thinks: each rule holds, and is told."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale import Agent, Choice, Context, Target
from autoscale.errors import InvalidInput, InvalidTarget
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.record import Decision, Record
from autoscale_runtime import RemoteModel, Rules, Sensor, Session
from autoscale_runtime.device.opened import NOT_OPEN
from autoscale_runtime.device.rules import Ledger
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.server.server import serve
from tests.runtime.session_parts import PATIENT, QUIET, bundle, network, repository, rows, written
from tests.waiting import until

X = {"x": rows(3)}


class Gauge(Sensor):
    """A battery that is nearly empty."""

    name = "gauge"

    def sense(self) -> Observation:
        return Observation(battery=0.1, is_charging=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle(tmp_path_factory.mktemp("two"), accuracies=(0.9, 0.9))


def asked(session: Session) -> Decision:
    session.run(None, X)
    assert session.last is not None
    return session.last


def test_a_metered_link_without_a_budget_is_not_used(path: Path) -> None:
    options = replace(QUIET, rules=Rules(metered=["cloud"]))
    remotes = {"cloud": "127.0.0.1:9"}
    with Session(path, PATIENT, remotes=remotes, mode="PREFER_IN_CLOUD", options=options) as session:
        for _ in range(3):
            decision = asked(session)
            assert not decision.selected.is_remote
            assert not decision.did_fallback
            assert list(decision.left_out.values()) == ["the link is metered, and it has no data budget"]


def test_a_metered_link_that_no_remote_has_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = replace(QUIET, rules=Rules(metered=["edge"]))
    Session(path, PATIENT, remotes={"edge:tab-s6": "127.0.0.1:9"}, options=options).close()
    assert "metered 'edge': no such remote here; there are 'edge:tab-s6'" in caplog.text
    caplog.clear()
    Session(path, PATIENT, options=options).close()  # rules may be of several sessions, of which some stay here
    assert "metered" not in caplog.text


def test_a_data_budget_is_used_up_and_no_more(path: Path, tmp_path: Path) -> None:
    options = replace(QUIET, rules=Rules(metered=["cloud"], data_budget_bytes=8000))
    with serve(repository(tmp_path)) as server:
        remotes = {"cloud": server.address}
        with Session(path, PATIENT, remotes=remotes, mode="PREFER_IN_CLOUD", options=options) as session:
            until(lambda: asked(session).selected.is_remote)
            until(lambda: not asked(session).selected.is_remote)
            for _ in range(3):
                decision = asked(session)
                assert not decision.selected.is_remote
                assert "its 8000 bytes of this period are used up" in next(iter(decision.left_out.values()))


@pytest.mark.parametrize(
    ("rules", "sensors", "reason"),
    [
        (Rules(battery_floor=0.2), (Gauge(),), "the battery is at 10%, below its floor of 20%"),
        (Rules(energy_budget_j=0.0), (), "the 0 J of this period are used up"),
        (Rules(carbon_budget_g=0.0), (), "the 0 gCO2e of this period are used up"),
    ],
)
def test_what_has_to_be_saved_is(two: Bundle, rules: Rules, sensors: tuple[Sensor, ...], reason: str) -> None:
    records: list[Record] = []
    options = replace(QUIET, rules=rules, sensors=sensors, on_record=records.append)
    with Session(two, Goal(objective="latency", latency_s=10.0), options=options, agent="q-learning") as session:
        session.warm_up(X)
        if sensors:
            until(lambda: session.observe().battery is not None)
        decisions = [asked(session) for _ in range(30)]
    assert all(set(each.left_out.values()) == {reason} for each in decisions)
    assert {len(each.left_out) for each in decisions} == {len(session.targets) - 1}
    assert records[-1].decision.left_out == decisions[-1].left_out


def test_uses_count_for_a_period() -> None:
    now_s = [0.0]
    ledger = Ledger(Rules(energy_budget_j=3.0, period_s=10.0), lambda: now_s[0])
    for second in range(4):
        now_s[0] = float(second)
        ledger.spend(Outcome(0.1, Split(device=1.0)))
    assert ledger.saving(Observation()) is not None
    now_s[0] = 11.0
    assert ledger.saving(Observation()) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"metered": "cloud"}, "metered is 'cloud'"),
        ({"metered": ["clouds"]}, "did you mean 'cloud'"),
        ({"metered": ["Cloud"]}, "'Cloud:cpu/fp32' is not a target"),
        ({"metered": ["device"]}, "'device' has no link"),
        ({"metered": [3]}, "a metered link is 3"),
        ({"battery_floor": 20}, "battery_floor is 20; allowed: a fraction"),
        ({"energy_budget_j": -1.0}, "energy_budget_j is -1.0; allowed: 0 or more"),
        ({"carbon_budget_g": float("nan")}, "carbon_budget_g is nan"),
        ({"data_budget_bytes": 5}, "name them, as in"),
        ({"period_s": 0}, "period_s is 0"),
    ],
)
def test_wrong_rules_are_told(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Rules(**wrong)  # type: ignore[arg-type]


def test_a_kind_of_processor_is_preferred_where_it_is_here(two: Bundle) -> None:
    for prefer in ("cpu", "npu"):
        with Session(two, PATIENT, options=replace(QUIET, prefer=prefer)) as session:
            assert asked(session).selected.processor == "cpu"
    with pytest.raises(InvalidInput, match="unknown processor to prefer 'tpu'"):
        replace(QUIET, prefer="tpu")


class Headstrong(Agent):
    """Sends every query away, whatever is open to it."""

    name = "headstrong"

    def select(self, context: Context) -> Choice:
        return Choice(len(self.targets) - 1, 1.0)


@pytest.mark.parametrize(
    "closed",
    [
        {"options": replace(QUIET, consent=False)},
        {"options": replace(QUIET, rules=Rules(metered=["cloud"]))},
        {"options": QUIET, "mode": "PREFER_ON_DEVICE"},
    ],
    ids=["consent", "metered", "mode"],
)
def test_no_agent_sends_what_must_not_leave(path: Path, tmp_path: Path, closed: dict[str, Any]) -> None:
    with serve(repository(tmp_path)) as server:
        remotes = {"cloud": RemoteModel(server.address, "net")}
        with Session(path, PATIENT, remotes=remotes, **closed) as session:
            session.agent = Headstrong(session.targets)
            for _ in range(3):
                decision = asked(session)
                assert not decision.selected.is_remote
                assert decision.did_fallback
                assert [each.reason for each in decision.attempts] == [NOT_OPEN, "answered"]
                assert "was tried first: the agent chose it, though" in str(session.explain())
            answered = session.query(X, consent=False)
            assert not answered.decision.selected.is_remote


@pytest.mark.parametrize("index", [-1, 99, None, 0.5])
def test_a_choice_that_is_none_is_the_agents_fault_by_name(path: Path, index: Any) -> None:
    class Lost(Headstrong):
        name = "lost"

        def select(self, context: Context) -> Choice:
            return Choice(index, 1.0)

    with Session(path, PATIENT, options=QUIET) as session:
        session.agent = Lost(session.targets)
        with pytest.raises(InvalidTarget, match="agent 'lost' chose"):
            session.run(None, X)


class Unsure(Agent):
    """Chooses the first target with a probability of the test's."""

    name = "unsure"

    def __init__(self, targets: Sequence[Target], probability: Any) -> None:
        super().__init__(targets)
        self.probability = probability

    def select(self, context: Context) -> Choice:
        return Choice(context.admitted[0], self.probability)


@pytest.mark.parametrize("probability", [math.nan, 0.0, -0.1, 1.1, math.inf, None, "1"])
def test_a_probability_that_is_none_is_the_agents_fault_by_name(path: Path, probability: Any) -> None:
    """It was taken, and the record of the query then told none: no policy could be judged by it."""
    with Session(path, PATIENT, options=QUIET) as session:
        session.agent = Unsure(session.targets, probability)
        with pytest.raises(InvalidInput, match="agent 'unsure' chose with probability"):
            session.run(None, X)


@pytest.mark.parametrize("probability", [np.float32(0.5), np.float64(1.0), 1, 1.0 + 1e-9])
def test_numbers_of_other_libraries_are_told_as_plain_ones(path: Path, probability: Any) -> None:
    records: list[Record] = []
    with Session(path, PATIENT, options=replace(QUIET, on_record=records.append)) as session:
        session.agent = Unsure(session.targets, probability)
        session.run(None, X)
        explained = session.explain()
        assert explained is not None
        json.dumps(explained.as_json(), allow_nan=False)
    assert [type(each.decision.probability) for each in records] == [float]
    assert [each.decision.probability for each in records] == [min(float(probability), 1.0)]
