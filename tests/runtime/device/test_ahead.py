"""What is decided ahead: the same as without it, used only where nothing has changed, and never for nobody."""

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from autoscale import Agent, Choice, Context
from autoscale.agents.base import make_agent
from autoscale.loop import answer_query
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.ahead import MOST_SKIPPED
from autoscale_runtime.device.pauses import Pauses
from autoscale_runtime.device.query import Binding, Query
from autoscale_runtime.device.routes.base import Expected, Moment, Route
from autoscale_runtime.device.sized_mean import Size
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.grid.watch import Grids
from tests.runtime.session_parts import QUIET, network, rows, written
from tests.waiting import until

QUERY = Query(None, {"x": np.zeros(4, np.float32)})
TARGETS = ("device:cpu/fp32@1t", "device:cpu/fp32@2t", "device:npu/int8", "cloud:cpu/fp32")
X = {"x": rows(3)}


class Drifting(Route):
    """A route whose expectation follows the outcomes, which a stream of numbers of its own makes."""

    def __init__(self, target: str, seed: int) -> None:
        self.target, self.accuracy = Target.parse(target), None
        self._rng, self._middle_s, self._lessons = np.random.default_rng(seed), 0.02, 0

    @property
    def standing(self) -> int:
        return self._lessons

    def expected(self, query: Query, moment: Moment) -> Expected:
        load = moment.observation.cpu_load or 0.0
        rest_j = 0.0 if not self.target.is_remote else 0.1 * min(moment.rest_s, 0.2)
        latency_s = self._middle_s * (1.0 + load) * (1.0 + query.nbytes / 1e3)
        return Expected(latency_s, 2.0 * latency_s + rest_j, latency_s)

    def spared(self, moment: Moment, rest_s: float) -> Expected:
        spared_j = 0.1 * (min(moment.rest_s, 0.2) - min(rest_s, 0.2)) if self.target.is_remote else 0.0
        return Expected(0.0, spared_j, 0.0)

    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        latency_s = float(self._rng.lognormal(math.log(0.02), 0.4))
        self._middle_s += 0.1 * (latency_s - self._middle_s)
        self._lessons += 1
        return [np.zeros(1)], Outcome(latency_s, Split(2.0 * latency_s), Split(latency_s))


class Sky:
    """What is seen, until it is changed."""

    def __init__(self) -> None:
        self.moment = Moment(Observation(cpu_load=0.0), Grids({}, {}))

    def __call__(self) -> Moment:
        return self.moment


def made(sky: Sky) -> DeviceWorld:
    routes = [Drifting(target, seed) for seed, target in enumerate(TARGETS)]
    clock = accumulate(np.random.default_rng(5).exponential(0.1, 10_000).tolist())
    pauses = Pauses(clock.__next__, 0.2)
    return DeviceWorld(ModelProfile("net"), routes, Goal(latency_s=0.05), sky, hedge=False, pauses=pauses)


def lived(is_ahead: bool, name: str) -> tuple[list[object], int]:
    """Three hundred queries of a day whose load and radio change; and how many were decided ahead."""
    sky, used = Sky(), 0
    world = made(sky)
    agent, told = make_agent(name, world.targets, seed=3), list[object]()
    for number in range(300):
        if number % 5 == 0:
            sky.moment = sky.moment._replace(observation=Observation(cpu_load=number % 4 / 4))
        if number % 7 == 0:
            sky.moment = sky.moment._replace(rest_s=math.inf if number % 2 else 0.01 * (number % 11))
        ready = world.ahead._ready
        answered = answer_query(world, agent, QUERY, "AUTO")
        used += ready is not None and answered.context is ready[1]
        decision = answered.teach(agent)
        belief = decision.belief
        told.append((str(decision.chosen), decision.probability, decision.predicted_energy_j, decision.reward))
        told += [] if belief is None else [belief.latency_s.tolist(), belief.chance.tolist()]
        if is_ahead and (context := world.prepare(QUERY)) is not None:
            agent.anticipate(context)
    return told, used


@pytest.mark.parametrize("name", ["corrector", "corrector-ahead", "lin-ucb", "q-learning", "fallback-list"])
def test_choices_and_their_chances_are_those_that_are_made_without(name: str) -> None:
    ahead, used = lived(True, name)
    without, none = lived(False, name)
    assert ahead == without
    assert used > 150
    assert none == 0


CHANGES: dict[str, Callable[[DeviceWorld, Sky], Query]] = {
    "a goal": lambda world, sky: Query(None, QUERY.feeds, goal=Goal(latency_s=0.01)),
    "a size": lambda world, sky: Query(None, QUERY.feeds, Size((3,), 16)),
    "more bytes": lambda world, sky: Query(None, {"x": np.zeros(5, np.float32)}),
    "no consent": lambda world, sky: Query(None, QUERY.feeds, may_leave=False),
    "a stream": lambda world, sky: Query(None, QUERY.feeds, stream=Binding(1)),
    "load": lambda world, sky: seen(sky, sky.moment._replace(observation=Observation(cpu_load=0.5))),
    "electricity": lambda world, sky: seen(sky, sky.moment._replace(grids=Grids({}, {"device": "SE"}))),
    "a tail": lambda world, sky: seen(sky, sky.moment._replace(rest_s=0.1)),
    "a lesson": lambda world, sky: after(world.routes[1].run(QUERY, sky.moment, 1.0)),
    "distrust": lambda world, sky: after(world.gate.restrict({2})),
    "a remote not met": lambda world, sky: after(world.gate.wait_for([3])),
    "a better known model": lambda world, sky: after(setattr(world, "model", ModelProfile("net", conv=3))),
    "calibration": lambda world, sky: after(world.calibrated()),
}


def seen(sky: Sky, moment: Moment) -> Query:
    sky.moment = moment
    return QUERY


def after(_: object) -> Query:
    return QUERY


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_is_decided_anew(name: str) -> None:
    sky = Sky()
    world = made(sky)
    same = world.prepare(QUERY)
    assert same is not None
    assert world.observe(QUERY) is same
    ready = world.prepare(QUERY)
    query = CHANGES[name](world, sky)
    context = world.observe(query)
    assert context is not ready
    assert world.observe(query) is not ready


def test_what_goes_unused_is_made_less_and_less_often() -> None:
    sky = Sky()
    world, count = made(sky), 0
    for number in range(400):
        sky.moment = sky.moment._replace(observation=Observation(cpu_load=number / 400))
        world.observe(QUERY)
        if world.ahead.is_worthwhile():
            world.prepare(QUERY)
            count += 1
    assert count <= 400 / (MOST_SKIPPED + 1) + 5
    for _ in range(2 * MOST_SKIPPED):
        world.observe(QUERY)
        if world.ahead.is_worthwhile():
            world.prepare(QUERY)
    ready = world.prepare(QUERY)
    assert world.observe(QUERY) is ready


class Counting(Agent):
    """Counts what it is told to prepare and what of it comes."""

    name = "counting"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.prepared, self.selected, self.expected = list[Context](), 0, 0

    def anticipate(self, context: Context) -> None:
        self.prepared.append(context)

    def select(self, context: Context) -> Choice:
        self.selected += 1
        self.expected += any(each is context for each in self.prepared)
        return Choice(int(context.admitted[0]), 1.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session(path, options=QUIET) as session:
        session.warm_up(X)
        session.agent = Counting(session.targets)
        yield session


def counting(session: Session) -> Counting:
    assert isinstance(session.agent, Counting)
    return session.agent


def test_one_is_made_for_each_answer_that_leaves_time_and_none_for_nobody(session: Session) -> None:
    agent = counting(session)
    for count in range(1, 6):
        session.run(None, X)
        until(lambda count=count: len(agent.prepared) == count)  # type: ignore[misc]
    assert agent.expected >= 3  # the grid's first reading may come between two
    for _ in range(50):
        session.observe()
        assert session.last is not None
    assert len(agent.prepared) == 5


def test_an_agent_that_fails_to_prepare_is_told_once_and_fails_no_query(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Unprepared(Counting):
        name = "unprepared"

        def anticipate(self, context: Context) -> None:
            super().anticipate(context)
            raise RuntimeError("no idea")

    with Session(path, options=QUIET) as session:
        session.warm_up(X)
        session.agent = Unprepared(session.targets)
        for count in range(1, 4):
            session.run(None, X)
            until(lambda count=count: len(counting(session).prepared) == count)  # type: ignore[misc]
        session.run(None, X)
    assert caplog.text.count("cannot work its choices out ahead") == 1


def test_it_keeps_no_thread_and_no_inputs(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        session.run(None, X)
        threads = {*threading.enumerate()}
        for _ in range(20):
            session.run(None, X)
        assert {*threading.enumerate()} <= threads
    assert not [each for each in threading.enumerate() if each.name == "autoscale-behind"]


def test_many_threads_ask_one_session(session: Session) -> None:
    agent = counting(session)
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda seed: session.run(["logits"], {"x": rows(2, seed)})[0], range(200))]
    assert agent.selected == 200
    assert len(agent.prepared) <= 200
    for seed in (0, 99, 199):
        np.testing.assert_array_equal(answers[seed], session.run(["logits"], {"x": rows(2, seed)})[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_process_decides_for_itself(session: Session) -> None:
    session.run(None, X)
    child = os.fork()
    if child == 0:
        try:
            session.run(None, X)
            os._exit(0 if session.last is not None else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    session.run(None, X)
