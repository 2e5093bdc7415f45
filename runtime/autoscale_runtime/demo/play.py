"""One policy lives through the day: the same queries, in the same order, under the same conditions as the others."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Choice
from autoscale.errors import TargetError
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome
from autoscale.query.record import Decision
from autoscale_runtime.demo.day import Phase, conditions
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.stage import SignalSensor, Stage
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.load import LoadSensor
from autoscale_runtime.session import Session, SessionOptions

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
        pinned: network to the one target that it uses, whatever the agent.
    """

    name: str
    agent: str
    mode: str = "AUTO"
    hedge: bool = True
    pinned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One network of the day, prepared, with its goal."""

    network: Network
    bundle: Bundle
    goal: Goal


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

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Let the other agent learn."""
        started_s = time.perf_counter()
        self._agent.learn(context, index, outcome, reward, next_context)
        self._effort.learn_s.append(time.perf_counter() - started_s)


def schedule(tasks: Sequence[Task], day: Sequence[Phase], per_phase: int, seed: int) -> list[Step]:
    """The day's queries: ``per_phase`` in each phase, drawn from the tasks at random."""
    rng = np.random.default_rng(seed)
    count = per_phase * len(day)
    samples = [iter(task.network.samples(count, seed)) for task in tasks]
    drawn = rng.integers(0, len(tasks), count)
    return [Step(day[i // per_phase], tasks[which], next(samples[which])) for i, which in enumerate(drawn)]


def play(
    policy: DemoPolicy,
    steps: Sequence[Step],
    stage: Stage,
    options: SessionOptions,
    on_answer: Callable[[StepResult], None],
    settle_s: float = SETTLE_S,
) -> Effort:
    """Let one policy answer the day's queries; each answer is told as it comes.

    Args:
        policy: who decides.
        steps: the day's queries.
        stage: the machines.
        options: of the sessions; the policy's own settings and the stage's sensors are put in.
        on_answer: called after each query.
        settle_s: how long the sensors look at a phase before it begins.
    """
    effort = Effort()
    tasks = {step.task.network.name: step.task for step in steps}
    first = {step.task.network.name: step.sample for step in reversed(steps)}
    stage.set_co_runners(0)
    stage.set_link(steps[0].phase.link)  # as the policy before found it, not as that one left it
    sessions = {name: _session(policy, task, stage, options, effort) for name, task in tasks.items()}
    try:
        for name, session in sessions.items():
            session.warm_up(first[name].feeds)
            effort.warm_up_j += session.calibration.energy_j
        _live(sessions, steps, stage, on_answer, settle_s)
    finally:
        stage.set_co_runners(0)
        for session in sessions.values():
            session.close()
    return effort


def _session(policy: DemoPolicy, task: Task, stage: Stage, options: SessionOptions, effort: Effort) -> Session:
    session = Session(
        task.bundle,
        task.goal,
        remotes={"cloud": stage.address},
        agent=policy.agent,
        mode=policy.mode,
        options=SessionOptions(
            timeout_s=options.timeout_s,
            hedge=policy.hedge,
            target=policy.pinned.get(task.network.name),
            radio=options.radio,
            power_table=options.power_table,
            meters=options.meters,
            electricity=options.electricity,
            sensors=[LoadSensor(), SignalSensor(stage, "cloud")],
            seed=options.seed,
        ),
    )
    session.agent = Timed(session.agent, effort)
    return session


def _live(
    sessions: Mapping[str, Session],
    steps: Sequence[Step],
    stage: Stage,
    on_answer: Callable[[StepResult], None],
    settle_s: float,
) -> None:
    rng, phase, due_s = np.random.default_rng(0), "", 0.0
    for step in steps:
        stage.set_link(conditions(step.phase, rng))
        if step.phase.name != phase:
            phase = step.phase.name
            stage.set_co_runners(step.phase.co_runners)
            _settle(sessions, settle_s)
            due_s = time.monotonic()
        due_s += step.gap_s
        time.sleep(max(due_s - time.monotonic(), 0.0))
        on_answer(_answer(sessions[step.task.network.name], step))


def _settle(sessions: Mapping[str, Session], settle_s: float) -> None:
    until_s = time.monotonic() + settle_s
    while time.monotonic() < until_s:
        time.sleep(0.05)
        for session in sessions.values():
            session.observe()


def _answer(session: Session, step: Step) -> StepResult:
    try:
        outputs = session.run(None, step.sample.feeds)
    except TargetError:
        return StepResult(step, None, 0.0)
    return StepResult(step, session.last, step.task.network.score(outputs, step.sample))
