"""Policies live through the day side by side: each answers every query before the next one comes.

So all meet the same moment of the machine, whatever else runs on it. Of each other they notice nothing: each has its
own sessions and its own radio, whose clock stands still while the others have their turn.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Choice
from autoscale.errors import TargetError
from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome
from autoscale.query.record import Decision
from autoscale_runtime.demo.day import Phase, conditions
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.stage import SignalSensor, Stage
from autoscale_runtime.device.commons import another_device
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.load import LoadSensor
from autoscale_runtime.session import Session

SETTLE_S: Final = 0.3
"""Between two phases: a phase begins when the sensors have seen it."""


@dataclass(frozen=True, slots=True)
class DemoPolicy:
    """Who decides, and what an application with that policy would do about a remote target that is late.

    Attributes:
        name: as the results list it.
        agent: the registered agent, or a policy file, whose targets are mapped to the session's.
        mode: the inference mode.
        hedge: whether a late remote target is given up in time for the device to answer.
        pinned: network to the one target that it uses, whatever the agent. What two policies pin alike is played once.
    """

    name: str
    agent: str
    mode: str = "AUTO"
    hedge: bool = True
    pinned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One network of the day, prepared, with its goal, and the file in which its sessions keep their calibration."""

    network: Network
    bundle: Bundle
    goal: Goal
    calibration: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One query of the day, which comes ``gap_s`` after the one before, or when that has its answer."""

    phase: Phase
    task: Task
    sample: Sample
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one query; ``decision`` is None where it was lost."""

    step: Step
    decision: Decision | None
    score: float


@dataclass(slots=True)
class Effort:
    """What deciding took: seconds of each decision and each lesson, joules of getting to know the targets."""

    select_s: list[float] = field(default_factory=list)
    learn_s: list[float] = field(default_factory=list)
    warm_up_j: float = 0.0


class Timed(Agent):
    """Another agent, with a stopwatch."""

    name = "timed"

    def __init__(self, agent: Agent, effort: Effort) -> None:
        super().__init__(agent.targets)
        self._agent = agent
        self._effort = effort

    def select(self, context: Context) -> Choice:
        """What the other agent selects."""
        started_s = time.perf_counter()
        choice = self._agent.select(context)
        self._effort.select_s.append(time.perf_counter() - started_s)
        return choice

    def anticipate(self, context: Context) -> None:
        """Let the other agent look ahead."""
        self._agent.anticipate(context)

    def believe(self, context: Context) -> Belief | None:
        """What the other agent believes."""
        return self._agent.believe(context)

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Let the other agent learn."""
        started_s = time.perf_counter()
        self._agent.learn(context, index, outcome, reward, next_context)
        self._effort.learn_s.append(time.perf_counter() - started_s)


class OwnTime:
    """A clock that goes only while its policy has its turn."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        self._since_s: float | None = None

    def __call__(self) -> float:
        """Seconds that the policy lived through."""
        return self._passed_s + (0.0 if self._since_s is None else time.perf_counter() - self._since_s)

    def wait_until(self, due_s: float) -> None:
        """Let time pass in which the policy has nothing to do."""
        self._passed_s = max(self._passed_s, due_s)

    @contextmanager
    def goes(self) -> Iterator[None]:
        """The policy has its turn."""
        self._since_s = time.perf_counter()
        try:
            yield
        finally:
            self._passed_s, self._since_s = self(), None


def schedule(tasks: Sequence[Task], day: Sequence[Phase], per_phase: int, seed: int) -> list[Step]:
    """The day's queries: ``per_phase`` in each phase, drawn from the tasks at random."""
    drawn = np.random.default_rng(seed).integers(0, len(tasks), per_phase * len(day)).tolist()
    asked = questions(tasks, drawn, seed)
    return [Step(day[i // per_phase], tasks[which], next(asked[which])) for i, which in enumerate(drawn)]


def questions(tasks: Sequence[Task], drawn: Sequence[int], seed: int) -> list[Iterator[Sample]]:
    """Of each task as many samples as it was drawn."""
    times = Counter(drawn)
    return [iter(task.network.samples(times[which], seed)) for which, task in enumerate(tasks)]


def play(
    policies: Sequence[DemoPolicy],
    steps: Sequence[Step],
    stage: Stage,
    options: SessionOptions,
    on_answer: Callable[[str, StepResult], None],
    settle_s: float = SETTLE_S,
) -> dict[str, Effort]:
    """Let policies answer the day's queries; each answer is told as it comes, with the policy's name.

    Args:
        policies: who decides.
        steps: the day's queries.
        stage: whose link and co-runners each query's phase sets.
        options: what all sessions have in common.
        on_answer: called after each query of each policy.
        settle_s: how long the sensors look at a phase before it begins.

    Returns:
        What deciding took each of them.
    """
    stage.set_co_runners(0)
    stage.set_link(steps[0].phase.link)
    tasks = {step.task.network.name: step for step in reversed(steps)}
    with ExitStack() as close:
        close.callback(stage.set_co_runners, 0)
        players = [close.enter_context(_player(each, own, stage, options)) for each, own in _shared(policies, tasks)]
        _live(players, steps, stage, on_answer, settle_s)
    return {each.policy.name: each.effort for each in players}


@dataclass(slots=True)
class _Player:
    """A policy with its sessions: one for each network that no policy before it answers by the same target."""

    policy: DemoPolicy
    sessions: Mapping[str, Session]
    effort: Effort
    own_time: OwnTime
    due_s: float = 0.0

    def answer(self, step: Step) -> StepResult:
        self.due_s += step.gap_s
        self.own_time.wait_until(self.due_s)
        session = self.sessions[step.task.network.name]
        with self.own_time.goes():
            try:
                outputs = session.run(None, step.sample.feeds)
                decision = session.last
            except TargetError:
                return StepResult(step, None, 0.0)
        return StepResult(step, decision, step.task.network.score(outputs, step.sample))


def _shared(policies: Sequence[DemoPolicy], first: Mapping[str, Step]) -> Iterator[tuple[DemoPolicy, list[Step]]]:
    """Each policy with the first query of each network that it plays itself."""
    taken: set[tuple[str, str]] = set()
    for policy in policies:
        own = [name for name in first if (name, policy.pinned.get(name, "")) not in taken]
        taken |= {(name, policy.pinned[name]) for name in own if name in policy.pinned}
        yield policy, [first[name] for name in own]


@contextmanager
def _player(policy: DemoPolicy, first: Sequence[Step], stage: Stage, options: SessionOptions) -> Iterator[_Player]:
    """A policy that knows its targets, and whose sessions are closed in the end."""
    effort, own_time = Effort(), OwnTime()
    sessions: dict[str, Session] = {}
    with ExitStack() as close:
        with another_device(own_time):
            for step in first:
                session = _session(policy, step.task, stage, options, effort)
                close.callback(session.close)
                sessions[step.task.network.name] = session
                with own_time.goes():
                    session.warm_up(step.sample.feeds)
                    effort.warm_up_j += session.calibration.energy_j
        yield _Player(policy, sessions, effort, own_time)


def _session(policy: DemoPolicy, task: Task, stage: Stage, options: SessionOptions, effort: Effort) -> Session:
    session = Session(
        task.bundle,
        task.goal,
        remotes={"cloud": stage.address},
        agent=policy.agent,
        mode=policy.mode,
        options=replace(
            options,
            hedge=policy.hedge,
            target=policy.pinned.get(task.network.name),
            calibration=task.calibration,
            sensors=[LoadSensor(), SignalSensor(stage, "cloud")],
        ),
    )
    session.agent = Timed(session.agent, effort)
    return session


def _live(
    players: Sequence[_Player],
    steps: Sequence[Step],
    stage: Stage,
    on_answer: Callable[[str, StepResult], None],
    settle_s: float,
) -> None:
    rng, phase = np.random.default_rng(0), ""
    for number, step in enumerate(steps):
        stage.set_link(conditions(step.phase, rng))
        if step.phase.name != phase:
            phase = step.phase.name
            stage.set_co_runners(step.phase.co_runners)
            _settle([session for each in players for session in each.sessions.values()], settle_s)
            for player in players:
                player.due_s = player.own_time()
        for policy, answered in _answers(players, step, number):
            on_answer(policy, answered)


def _answers(players: Sequence[_Player], step: Step, number: int) -> Iterator[tuple[str, StepResult]]:
    """Every policy's answer; nobody always comes after the same one."""
    network, first = step.task.network.name, number % len(players)
    turns = [each for each in [*players[first:], *players[:first]] if network in each.sessions]
    answers = {each.policy.name: each.answer(step) for each in turns}
    pinned = {each.policy.pinned.get(network): answers[each.policy.name] for each in turns}
    for each in players:
        name = each.policy.name
        yield name, answers[name] if name in answers else pinned[each.policy.pinned[network]]


def _settle(sessions: Sequence[Session], settle_s: float) -> None:
    until_s = time.monotonic() + settle_s
    while time.monotonic() < until_s:
        time.sleep(0.05)
        for session in sessions:
            session.observe()
