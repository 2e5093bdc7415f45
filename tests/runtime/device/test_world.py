"""The device as a world: deadlines, rescues, modes; and how it learns what contention costs."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.agents.base import Choice
from autoscale.checks import check_world
from autoscale.errors import DeadlineExceeded, InvalidGoal, TargetError, TargetUnavailable
from autoscale.loop import Performance
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.rescue import GIVING_UP_S, RESCUE_MARGIN
from autoscale_runtime.device.routes.base import Expected, Failed, Moment, Route
from autoscale_runtime.device.verification import LEAST_COSINE, disagreement
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.grid.watch import Grids

QUERY = Query(None, {})
NOW = Moment(Observation(), Grids({}, {}))
FAST, SMALL, CLOUD, EDGE = "device:cpu/fp32@2t", "device:cpu/int8@1t", "cloud:cpu/fp32", "edge:tab:npu/int8"


class Planned(Route):
    """A route that takes the time it is told to, on a clock that nobody waits for."""

    def __init__(self, target: str, expected_s: float, energy_j: float = 1.0, accuracy: float | None = None) -> None:
        self.target = Target.parse(target)
        self.accuracy = accuracy
        self.takes_s = expected_s
        self.error: TargetError | None = None
        self.timeouts_s: list[float] = []
        self.is_connected = True
        self._expected = Expected(expected_s, energy_j, energy_j / 10)

    @property
    def is_open(self) -> bool:
        return self.is_connected

    def expected(self, query: Query, moment: Moment) -> Expected:
        return self._expected

    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        self.timeouts_s.append(timeout_s)
        outcome = Outcome(min(self.takes_s, timeout_s), Split(self._expected.energy_j), accuracy=self.accuracy)
        if self.error is not None:
            raise Failed(outcome, self.error)
        if self.takes_s > timeout_s:
            raise Failed(outcome, DeadlineExceeded(f"not within {timeout_s} s"))
        return [np.array([str(self.target)])], outcome


def world(routes: Sequence[Route], goal: Goal, timeout_s: float = 2.0, hedge: bool = True) -> DeviceWorld:
    return DeviceWorld(ModelProfile("net"), routes, goal, lambda: NOW, timeout_s, hedge)


def performed(of: DeviceWorld, chosen: str) -> Performance:
    context = of.observe(QUERY)
    return of.perform(QUERY, context, Choice(of.targets.index(Target.parse(chosen)), 1.0))


def trail(performance: Performance) -> list[str]:
    assert performance.answer == [np.array([str(performance.attempts[-1].target)])]
    return [str(attempt.target) for attempt in performance.attempts]


limits = st.floats(0.02, 1.0)
times = st.floats(0.0001, 2.0)


@given(limit_s=limits, device_s=times, cloud_s=times, stalled_s=times)
def test_what_the_device_could_rescue_in_time_is_in_time(
    limit_s: float, device_s: float, cloud_s: float, stalled_s: float
) -> None:
    """Whenever the cloud is expected early enough, however long it then takes."""
    device, cloud = Planned(FAST, device_s), Planned(CLOUD, cloud_s)
    here = world([device, cloud], Goal(latency_s=limit_s))
    cloud.takes_s = stalled_s
    performance = performed(here, CLOUD)
    [timeout_s] = cloud.timeouts_s
    safe_s = limit_s - GIVING_UP_S - RESCUE_MARGIN * device_s
    if cloud_s <= safe_s:
        assert timeout_s == pytest.approx(safe_s)
        assert performance.outcome.latency_s <= limit_s
    else:
        assert 0.0 < timeout_s <= 2.0
    assert performance.outcome.latency_s == pytest.approx(sum(each.latency_s for each in performance.attempts))


@pytest.mark.parametrize(
    ("mode", "limit_s", "hedge"), [("ONLY_IN_CLOUD", 0.1, True), ("AUTO", math.inf, True), ("AUTO", 0.1, False)]
)
def test_where_no_rescue_is_possible_or_wanted_the_timeout_holds(mode: str, limit_s: float, hedge: bool) -> None:
    cloud = Planned(CLOUD, 0.01)
    goal = Goal(latency_s=limit_s, mode=InferenceMode(mode))
    performed(world([Planned(FAST, 0.01), cloud], goal, timeout_s=1.5, hedge=hedge), CLOUD)
    assert cloud.timeouts_s == [1.5]


def test_a_device_that_is_not_accurate_enough_is_no_rescuer() -> None:
    cloud = Planned(CLOUD, 0.01, accuracy=0.9)
    performed(world([Planned(SMALL, 0.01, accuracy=0.5), cloud], Goal(latency_s=0.1, min_accuracy=0.8)), CLOUD)
    assert cloud.timeouts_s == [2.0]


def test_a_started_kernel_is_not_interrupted() -> None:
    device = Planned(FAST, 5.0)
    assert trail(performed(world([device], Goal(latency_s=0.01)), FAST)) == [FAST]
    assert device.timeouts_s == [math.inf]


def test_the_rescue_is_the_cheapest_on_the_device_that_is_in_time_else_the_fastest() -> None:
    fast, small = Planned(FAST, 0.01, energy_j=2.0), Planned(SMALL, 0.05, energy_j=1.0)
    edge, cloud = Planned(EDGE, 0.001, energy_j=0.1), Planned(CLOUD, 0.01)
    cloud.error = TargetUnavailable("gone")
    routes = [small, fast, edge, cloud]
    cloud.takes_s = 0.02
    assert trail(performed(world(routes, Goal(latency_s=0.1)), CLOUD)) == [CLOUD, SMALL]
    cloud.takes_s = 0.06
    assert trail(performed(world(routes, Goal(latency_s=0.1)), CLOUD)) == [CLOUD, FAST]
    cloud.takes_s = 0.095
    assert trail(performed(world(routes, Goal(latency_s=0.1)), CLOUD)) == [CLOUD, FAST]


def test_the_failure_is_the_choices_and_the_rescue_is_a_lesson_of_its_own() -> None:
    device, cloud = Planned(FAST, 0.01, energy_j=2.0), Planned(CLOUD, 0.02, energy_j=0.5)
    cloud.error = TargetUnavailable("gone")
    performance = performed(world([device, cloud], Goal(latency_s=0.1)), CLOUD)
    assert performance.outcome.latency_s == pytest.approx(0.03)
    assert performance.outcome.energy_j.device == pytest.approx(2.5)
    [(index, alone)] = performance.lessons
    assert (index, alone.latency_s, alone.energy_j.device) == (0, 0.01, 2.0)
    failed, answered = performance.attempts
    assert (failed.reason, failed.error) == ("gone", "TargetUnavailable")
    assert (answered.reason, answered.error) == ("answered", None)


def test_another_machine_helps_where_the_device_fails_too() -> None:
    device, edge, cloud = Planned(FAST, 0.01), Planned(EDGE, 0.01), Planned(CLOUD, 0.01)
    cloud.error, device.error = TargetUnavailable("gone"), TargetError("broken")
    assert trail(performed(world([device, edge, cloud], Goal()), CLOUD)) == [CLOUD, FAST, EDGE]
    edge.is_connected = False
    with pytest.raises(TargetError, match="broken"):
        performed(world([device, edge, cloud], Goal()), CLOUD)


@pytest.mark.parametrize("mode", ["ONLY_ON_DEVICE", "ONLY_IN_CLOUD"])
def test_the_only_modes_never_go_elsewhere(mode: str) -> None:
    routes = [Planned(FAST, 0.01), Planned(SMALL, 0.01), Planned(CLOUD, 0.01), Planned(EDGE, 0.01)]
    for route in routes:
        route.error = TargetUnavailable(f"{route.target} is gone")
    here = world(routes, Goal(mode=InferenceMode(mode)))
    for index in here.observe(QUERY).admitted:
        assert here.targets[index].is_remote == (mode == "ONLY_IN_CLOUD")
        with pytest.raises(TargetUnavailable, match=str(here.targets[index])):
            here.perform(QUERY, here.observe(QUERY), Choice(int(index), 1.0))
    assert sum(len(route.timeouts_s) for route in routes) == 2


@pytest.mark.parametrize(
    ("mode", "admitted", "with_closed_links"),
    [
        ("AUTO", {FAST, SMALL, CLOUD, EDGE}, {FAST, SMALL}),
        ("PREFER_ON_DEVICE", {FAST, SMALL}, {FAST, SMALL}),
        ("ONLY_ON_DEVICE", {FAST, SMALL}, {FAST, SMALL}),
        ("PREFER_IN_CLOUD", {CLOUD, EDGE}, {FAST, SMALL}),
        ("ONLY_IN_CLOUD", {CLOUD, EDGE}, {CLOUD, EDGE}),
    ],
)
def test_modes_and_links_say_what_is_admitted(mode: str, admitted: set[str], with_closed_links: set[str]) -> None:
    routes = [Planned(name, 0.01) for name in (FAST, SMALL, CLOUD, EDGE)]
    here = world(routes, Goal(mode=InferenceMode(mode)))
    assert {str(here.targets[i]) for i in here.observe(QUERY).admitted} == admitted
    for route in routes[2:]:
        route.is_connected = False
    assert {str(here.targets[i]) for i in here.observe(QUERY).admitted} == with_closed_links


def test_leaving_everything_out_is_an_error() -> None:
    here = world([Planned(FAST, 0.01, accuracy=0.7), Planned(CLOUD, 0.01)], Goal(min_accuracy=0.6))
    with pytest.raises(InvalidGoal, match=r"device:cpu/fp32@2t \(0\.700\), cloud:cpu/fp32 \(unknown\)"):
        here.gate.restrict({0})


def test_it_is_a_world_as_any_other() -> None:
    broken = Planned(EDGE, 0.01)
    broken.error = TargetUnavailable("gone")
    routes = [Planned(FAST, 0.01, accuracy=0.9), Planned(SMALL, 0.005), Planned(CLOUD, 0.02), broken]
    check_world(world(routes, Goal()), [QUERY] * 24)


def test_contention_is_learned_for_each_load_by_itself() -> None:
    contention = Contention()
    before = [contention.ratio(load) for load in (0.0, 0.1, 0.5, 1.0)]
    assert before == sorted(before)
    assert before[0] == contention.ratio(None) == 1.0
    for _ in range(30):
        contention.observe(1.0, 8.0)
        contention.observe(0.0, 0.5)  # rounding: nothing is faster than alone
        contention.observe(None, 100.0)
    assert contention.ratio(0.9) == pytest.approx(8.0, rel=0.01)
    assert [contention.ratio(load) for load in (0.0, 0.1, 0.5)] == before[:3]


vectors = st.lists(st.floats(-1e3, 1e3, width=32, allow_subnormal=False), min_size=1, max_size=30).map(
    lambda v: np.array(v, np.float32)
)


@given(vectors, st.floats(0.01, 100.0))
def test_an_answer_agrees_with_itself_at_any_scale(vector: Array, scale: float) -> None:
    assert disagreement([vector], [vector * np.float32(scale)]) is None


@given(vectors)
def test_an_answer_turned_round_disagrees(vector: Array) -> None:
    reason = disagreement([vector], [-vector])
    if np.linalg.norm(vector.astype(np.float64)) ** 2 > 0.0:
        assert reason is not None
        assert f"allowed: {LEAST_COSINE} or more" in reason
    else:
        assert reason is None


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"shape \(3, 2\), the reference's \(2, 3\)"),
        (np.ones(3), np.array([1.0, np.nan, 1.0]), "has nan where the reference's has 1"),
        (np.ones(3), np.array([1.0, np.inf, 1.0]), "has inf where the reference's has 1"),
        (np.array([1.0, np.nan, 1.0]), np.ones(3), "has 1 where the reference's has nan"),
        (np.array([1.0, np.inf]), np.array([1.0, -np.inf]), "has -inf where the reference's has inf"),
        (np.array([1.0, 0.0]), np.array([0.0, 1.0]), r"cosine of 0\.00"),
    ],
)
def test_what_disagrees_is_named(one: Array, other: Array, message: str) -> None:
    reason = disagreement([np.ones(1), one], [np.ones(1), other])
    assert reason is not None
    assert re.search(message, reason)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4)),
        np.array([3, 4]),
        np.array(["a", "b"], object),
        np.zeros(3),
        np.array([np.nan, np.inf, -np.inf, 2.0], np.float16),
        np.full(3, np.nan),
    ],
)
def test_what_cannot_be_compared_is_no_reason(array: Array) -> None:
    assert disagreement([array], [array]) is None
