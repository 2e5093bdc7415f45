"""One model on this device and who decides for it: opened, met, asked, learned from, and opened again after a fork."""

import logging
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from autoscale.agents.base import Agent
from autoscale.agents.reward import reward
from autoscale.errors import AutoScaleError
from autoscale.loop import answer_query
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.explanation import Explanation, explain
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt, Decision
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.afterwards import afterwards
from autoscale_runtime.device.assemble import Device, assemble
from autoscale_runtime.device.behind import Behind
from autoscale_runtime.device.calibration import Calibration, calibrate
from autoscale_runtime.device.decided_answer import DecidedAnswer
from autoscale_runtime.device.fast_path import FastPath
from autoscale_runtime.device.kept_calibration import CalibrationFile, ModelFiles
from autoscale_runtime.device.last import Decided, Last
from autoscale_runtime.device.open_shapes import OpenShapes
from autoscale_runtime.device.options import NO_RULES, SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.device.query import Query, awaited
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.host.process import FORKING, generation
from autoscale_runtime.models.bundle import Bundle

_LOG: Final = logging.getLogger("autoscale.session")

_PARENTS: Final[list[Device]] = []
"""What a forked process has of its parent's: to let it go would wait for threads that are not there."""


class Decider:
    """Takes queries to their answers. Thread-safe.

    Args:
        bundle: the model.
        goal: what counts as a good answer.
        remotes: as ``Session`` takes them.
        options: likewise.

    Attributes:
        agent: who decides; to be set before it begins.
        device: the model here, and all around it.
        world: what the agent meets.
        known: the model as far as it is known by now.
        calibration: what getting to know the targets told.
        settled: a way past the loop, where nothing is left to decide; None where something is.
        guard: held while the agent chooses and learns.
        streaming: held by a stream, where the model's file keeps its state.

    Raises:
        ModelError, InvalidGoal, InvalidTarget, UnknownName: as ``Session`` says.
    """

    agent: Agent
    _end: "weakref.finalize[[Device, int], Decider]"

    def __init__(
        self, bundle: Bundle, goal: Goal, remotes: Mapping[str, str | RemoteModel], options: SessionOptions
    ) -> None:
        self._goal, self._remotes, self._options = goal, remotes, options
        self._last = Last()
        self._open(bundle)

    def _open(self, bundle: Bundle) -> None:
        """Make everything that belongs to one process."""
        self._generation = generation()
        is_kept = (
            self._options.calibration is not None and self._options.target is None
        )  # of one alone there is nothing
        self._files = ModelFiles(bundle, self._options.splits) if is_kept else None
        self.device = assemble(bundle, self._goal, self._remotes, self._options)
        self.world = self.device.world
        self.known = OpenShapes(bundle, self.world.know, self._options.shapes or ())
        self.calibration = Calibration()
        self.settled: FastPath | None = None
        self.streaming, self.guard, self._warming = threading.Lock(), threading.Lock(), threading.Lock()
        self._is_warm = self._is_warm_here = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where queries can run."""
        return self.world.targets

    @property
    def is_current(self) -> bool:
        """Whether it was opened in this process, not in one that this was forked from."""
        return self._generation == generation()

    def begin(self) -> None:
        """Begin to sense."""
        self.device.start()
        self._end = weakref.finalize(self, _close_behind, self.device, self._generation)
        self._end.atexit = False

    def close(self) -> None:
        """Stop sensing and give the models and connections back; one that is dropped does so by itself."""
        self._end.detach()
        if self.is_current:
            self.known.wait()
            self.device.close()
        else:
            _PARENTS.append(self.device)

    def decide(self, query: Query) -> tuple[list[Array], Decided]:
        """Take a query to its answer; what can be learned from it is learned behind the caller."""
        if not self.is_current:
            self._open_again()
        if not self._is_warm and not (self._is_warm_here and self.world.gate.barred(query)):
            self.warm_up(query)
        self.device.behind.hurry()
        time_s = time.time()
        answered = answer_query(self.world, self.agent, query, self._requested(query), self.guard)
        decided = self._last.set(answered.decision, answered.context)
        record, on_record = partial(self.device.record, time_s), self._options.on_record
        jobs = afterwards(answered, self.agent, self.guard, decided, record, on_record)
        if jobs:
            then = None if self.agent.is_fixed else partial(_prepare, self.device, self.agent, self.guard, query)
            self.device.behind.put(*jobs, then=then)
        return answered.answer, decided

    def answer(self, query: Query, timeout_s: float | None) -> Answer:
        """As :meth:`decide`, while the caller waits; the decision can be read once it was learned from."""
        with awaited(query, timeout_s) as query:
            outputs, decided = self.decide(query)
        return DecidedAnswer(outputs, decision=partial(_told, self.device.behind, decided))

    def settle(self, decision: Decision) -> None:
        """Go past the loop from here on, where nothing is left to decide, learn or record."""
        if (
            self.agent.is_fixed
            and self._options.on_record is None
            and self._options.rules == NO_RULES
            and not decision.did_fallback
        ):
            self.settled = self.world.settled(decision.selected)

    def warm_up(self, query: Query, is_patient: bool = False) -> None:
        """Get to know the targets; an impatient query waits no longer for remote ones than its limit leaves."""
        began_s = time.perf_counter()
        with self._warming:
            if not self._is_warm and not (self._is_warm_here and self.world.gate.barred(query)):
                learn = partial(_learn, self.world, self.agent, self.guard, query)
                patience_s = None if is_patient else partial(self.world.spare_s, query, began_s)
                timeout_s, kept = self._options.timeout_s, self._kept()
                self.calibration = calibrate(self.world, query, timeout_s, learn, patience_s, kept)
                self.world.calibrated()
                self._is_warm_here = True
                self._is_warm = not self.world.gate.barred(query)
        if is_patient:
            self.calibration.wait()
        self.known.learn(query.feeds)

    def last(self) -> Decision | None:
        """What was decided for this thread's last query and what it cost; see ``Session.last``."""
        self.device.behind.settle()
        settled, decided = self.settled, self._last.get()
        last = None if decided is None else decided.decision
        outcome = None if settled is None else settled.outcome()
        if outcome is None or last is None:
            return last
        attempts = (Attempt(last.chosen, outcome.latency_s),)
        earned = reward(outcome, self._goal, self.world.reference)
        return replace(last, attempts=attempts, outcome=outcome, reward=earned)

    def explain(self) -> Explanation | None:
        """Why this thread's last query went where it went; see ``Session.explain``."""
        decision, decided = self.last(), self._last.get()
        if decision is None or decided is None:
            return None
        left_out = {**self.calibration.distrusted, **decision.left_out}
        believed = (decision.belief, decision.belief_after, left_out, decision.coverage)
        told = explain(
            Considered(self.targets, decided.context, *believed),
            decision.chosen,
            decision.probability,
            decision.outcome,
            {each.target: each.reason for each in decision.attempts[:-1]},
            decision.selected,
        )
        return replace(told, model=self.device.model)

    def _open_again(self) -> None:
        """In a forked process: its parent's threads and connections are not here. What was learned is."""
        with FORKING:
            if not self.is_current:
                _LOG.info("this process was forked: the model is opened again for it")
                self._end.detach()
                _PARENTS.append(self.device)
                self._open(self.known.bundle)
                self.begin()

    def _kept(self) -> CalibrationFile | None:
        if self._options.calibration is None or self._files is None:
            return None
        meter = f"{self.device.meter.meter.name} {self._options.power_table}"
        return CalibrationFile(Path(self._options.calibration), self._files, meter, self._options.backends)

    def _requested(self, query: Query) -> str:
        if self._options.target is not None:
            return str(self.targets[0])
        return str((query.goal or self._goal).mode)


def _learn(world: DeviceWorld, agent: Agent, guard: threading.Lock, query: Query, index: int, outcome: Outcome) -> None:
    """Let the agent learn from a calibrating run; holds no decider, which may be dropped meanwhile."""
    context = world.observe(query)
    with guard:
        agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))


def _told(behind: Behind, decided: Decided) -> Decision:
    """The decision with what was believed afterwards; holds no decider: answers outlive sessions."""
    behind.settle()
    return decided.decision


def _prepare(device: Device, agent: Agent, guard: threading.Lock, query: Query) -> None:
    """Have the next decision ready, for a query like this one; holds no decider either."""
    ahead = device.world.ahead
    if not ahead.is_worthwhile():
        return
    device.hub.freshen(ahead.pause_s)
    with FORKING, ahead.making, guard, suppress(AutoScaleError):  # what is wrong the next query is told
        context = device.world.prepare(query)
        if context is not None:
            _anticipate(agent, context)


def _anticipate(agent: Agent, context: Context) -> None:
    """What it only saves time by may fail: no query does for that."""
    try:
        agent.anticipate(context)
    except Exception:  # an agent may be anybody's
        _tell_vain(type(agent))


@cache
def _tell_vain(kind: type[Agent]) -> None:
    """Once a process; where an error is on its way."""
    _LOG.warning("agent '%s' cannot work its choices out ahead, and does when it is asked", kind.name, exc_info=True)


def _close_behind(device: Device, opened_in: int) -> None:
    """Close in a thread of its own: the garbage collector runs wherever it likes, inside a lock of the device's too.

    The process waits for it: a thread that is inside an engine when the interpreter ends takes the process with it.
    """
    if opened_in != generation():
        _PARENTS.append(device)
        return
    with suppress(RuntimeError):  # the interpreter ends: no thread can be started, and none has to
        threading.Thread(target=device.close, name="autoscale-close", daemon=False).start()
