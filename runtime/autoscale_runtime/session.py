"""The on-device SDK: a session that stands where ``onnxruntime.InferenceSession`` stood.

For every query it senses, chooses a target, runs, measures, learns and records.
"""

import logging
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Final, NoReturn

from autoscale.agents.base import Agent
from autoscale.agents.policies import save_policy
from autoscale.agents.reward import reward
from autoscale.closing import Closing
from autoscale.errors import (
    AutoScaleError,
    InvalidGoal,
    InvalidInput,
    ModelError,
    check_type,
    one_of,
)
from autoscale.loop import Answered, answer_query
from autoscale.query.considered import Considered
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt, Decision
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.cancellation import Cancellation
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.device.agent_choice import agent_for
from autoscale_runtime.device.assemble import Device, assemble
from autoscale_runtime.device.calibration import Calibration, calibrate
from autoscale_runtime.device.fast_path import FastPath
from autoscale_runtime.device.feeds import arrays_of, check_query
from autoscale_runtime.device.kept_calibration import CalibrationFile
from autoscale_runtime.device.last import Decided, Last
from autoscale_runtime.device.open_shapes import OpenShapes
from autoscale_runtime.device.options import NO_RULES
from autoscale_runtime.device.options import SessionOptions as SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.device.query import Binding, Query, awaited
from autoscale_runtime.device.sized_mean import Sizes
from autoscale_runtime.device.stream import Stream
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.host.process import FORKING, generation
from autoscale_runtime.models.bundle import Bundle

if TYPE_CHECKING:
    from autoscale.query.explanation import Explanation

_LOG: Final = logging.getLogger("autoscale.session")

_PARENTS: Final[list[Device]] = []
"""What a forked process has of its parent's: to let it go would wait for threads that are not there."""


class Session(Closing):
    """One model, decided per query. Thread-safe; a context manager.

    >>> session = Session("model.onnx", Goal(objective="energy", latency_s=0.05))  # doctest: +SKIP
    >>> outputs = session.run(None, {"input": image})  # doctest: +SKIP
    >>> session.last.selected, session.last.outcome.energy_j.device  # doctest: +SKIP

    The first query is also run on every target that the mode allows, to know their speed and to see that their
    answers agree with the reference's; ``warm_up`` does that beforehand, and ``SessionOptions.calibration`` keeps it
    for the next session. Remote targets are asked behind it, all at once: it waits for them no longer than its limit
    leaves. Where answers here are cheap and the radio is dear to wake (cellular), they are met when a query goes there.
    The reference is the engine that ships for the model's format, on ``device:cpu/fp32`` at its highest setting. A
    large model is loaded once, at one thread count at a time.

    Args:
        model: a model file, or a bundle made by ``autoscale prepare``.
        goal: what counts as a good answer.
        remotes: place and host (``cloud``, ``edge:tab-s6``) to a server's ``host:port``, or to a ``RemoteModel``.
            Under ``ONLY_ON_DEVICE`` they are not looked at: no socket is ever opened.
        agent: a registered name, a policy file (``.npz``), or an agent. What a policy learned for other targets than
            this session's starts those that are alike.
        mode: where queries may run; None leaves it to the goal.
        options: the rest.

    Attributes:
        policy_transfer: of a policy made for other targets, each target to the one it was started from, None where it
            started as if nothing were known; None where nothing had to be transferred.
        meter: what tells the device's energy, and why.

    Raises:
        ModelError: the model cannot be read or run here.
        InvalidGoal: no target meets the goal's mode and accuracy floor.
        InvalidTarget: the pinned target is none of this session's.
        UnknownName: no agent, power table, intensity source or place of that name.
        PolicyError: a policy that is damaged, or made for other targets where it must be exact.
    """

    def __init__(
        self,
        model: str | Path | Bundle,
        goal: Goal | None = None,
        *,
        remotes: Mapping[str, str | RemoteModel] | None = None,
        agent: str | Path | Agent = "corrector",
        mode: str | None = None,
        options: SessionOptions | None = None,
    ) -> None:
        check_type("model", model, (str, Path, Bundle), "a file, a bundle's folder, or a Bundle", ModelError)
        check_type("goal", goal, (Goal, NoneType), "a Goal, as in Goal(objective='energy'), or None", InvalidGoal)
        check_type("options", options, (SessionOptions, NoneType), "a SessionOptions, or None")
        self.options = SessionOptions() if options is None else options
        self.goal = Goal() if goal is None else goal
        if mode is not None:
            one_of("inference mode", mode, list(InferenceMode), InvalidGoal)
            self.goal = replace(self.goal, mode=InferenceMode(mode))
        bundle = model if isinstance(model, Bundle) else Bundle.read(Path(model), self.options.shapes)
        self._inputs, self._outputs = bundle.inputs, bundle.outputs
        self._sizes = Sizes(bundle.inputs)
        self._remotes = {} if remotes is None else remotes
        self._last = Last()
        self._settled: FastPath | None = None
        self._open(bundle)
        self._agent, self.policy_transfer = agent_for(agent, self.targets, self.options)
        self._begin()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer one query, as ``InferenceSession.run`` does; ``last`` then tells what was decided and what it cost.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: the target failed and the mode, or a pinned target, allows no other.
        """
        if type(feeds) is not dict or output_names is not None:
            check_query(output_names, feeds)
        feeds = arrays_of(self._inputs, feeds)
        if self._settled is not None and self._generation == generation():
            try:
                return self._settled.run(output_names, feeds)
            except AutoScaleError:
                self._settled = None  # the loop says what is wrong, or finds another target
        outputs, decided = self._decide(self._query(output_names, feeds))
        if (
            self._agent.is_fixed
            and self.options.on_record is None
            and self.options.rules == NO_RULES
            and not decided.decision.did_fallback
        ):
            # Nothing is left to decide, learn or record, so nothing more is done for it.
            self._settled = self._world.settled(decided.decision.selected)
        return outputs

    def query(
        self,
        feeds: Feeds,
        output_names: Sequence[str] | None = None,
        *,
        goal: Goal | None = None,
        consent: bool | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Answer one query that says for itself what it must achieve.

        Args:
            feeds: name of each input to its array.
            output_names: None for all, in the model's order.
            goal: of this query, its mode too; None for the session's.
            consent: whether its data may leave this device; None for ``SessionOptions.consent``. Without it the query
                is sent nowhere, nor kept to verify a server by.
            timeout_s: when nobody needs the answer any more: what runs then is interrupted where the engine can be.
                The goal's limit is another matter: an answer that is late by that is still an answer.

        Returns:
            The outputs in the order asked for, and the decision of this query, whatever else the session does.

        Raises:
            FeedError: the feeds or output names are not the model's.
            InvalidGoal: no target meets the goal; or it is for the cloud alone, and there is no consent.
            DeadlineExceeded: no answer within ``timeout_s``.
            TargetError: the target failed and the mode, or a pinned target, allows no other.
        """
        query = self._asked(feeds, output_names, goal, consent, None)
        return self._answer(query, timeout_s)

    async def query_async(
        self,
        feeds: Feeds,
        output_names: Sequence[str] | None = None,
        *,
        goal: Goal | None = None,
        consent: bool | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """As :meth:`query`, in a thread of the event loop's; cancelling the task interrupts what runs where it can be.

        Raises:
            AutoScaleError: as :meth:`query` does.
        """
        import asyncio  # here: it takes a fifth of a session's import, and few sessions want it

        query = self._asked(feeds, output_names, goal, consent, Cancellation())
        assert query.cancellation is not None
        try:
            return await asyncio.to_thread(self._answer, query, timeout_s)
        except asyncio.CancelledError:
            query.cancellation.call_off()
            raise

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """Queries that belong together, as those that carry a state: all are answered where the first one was.

        A target that fails is left for another, which the decision tells, unless the model's file keeps the state.

        >>> with session.stream() as stream:  # doctest: +SKIP
        ...     for frame in frames:
        ...         answer = stream.query({"frame": frame, "state": state})

        Raises:
            InvalidInput: the model's file keeps the state, of one stream at a time, and another one is under way.
        """
        keeps_state = self._world.keeps_state
        if keeps_state and not self._streaming.acquire(blocking=False):
            raise InvalidInput("another stream is under way; the model's file keeps the state of one at a time")
        if keeps_state:
            self.reset_state()
        try:
            yield Stream(self._asked, self._answer)
        finally:
            if keeps_state:
                self.reset_state()
                self._streaming.release()

    @property
    def agent(self) -> Agent:
        """Who decides, with all it has learned from the queries so far."""
        self._device.behind.settle()
        return self._agent

    @agent.setter
    def agent(self, agent: Agent) -> None:
        self._device.behind.settle()
        self._agent = agent

    @property
    def last(self) -> Decision | None:
        """What was decided for this thread's last query and what it cost; None before the first.

        A thread that asked nothing itself sees the last decision of the session.
        """
        self._device.behind.settle()
        settled, decided = self._settled, self._last.get()
        last = None if decided is None else decided.decision
        outcome = None if settled is None else settled.outcome()
        if outcome is None or last is None:
            return last
        attempts = (Attempt(last.chosen, outcome.latency_s),)
        earned = reward(outcome, self.goal, self._world.reference)
        return replace(last, attempts=attempts, outcome=outcome, reward=earned)

    def explain(self) -> "Explanation | None":
        """Why this thread's last query went where it went; None before the first.

        Candidates, what ruled each out, what was believed of it before and after, what happened, and how much of the
        network its processor took. ``print`` it, or take its ``as_json()``.

        >>> print(session.explain())  # doctest: +SKIP
        """
        decision, decided = self.last, self._last.get()
        if decision is None or decided is None:
            return None
        from autoscale.query.explanation import explain  # here: few ask for it

        left_out = {**self._calibration.distrusted, **decision.left_out}
        believed = (decision.belief, decision.belief_after, left_out, decision.coverage)
        told = explain(
            Considered(self.targets, decided.context, *believed),
            decision.chosen,
            decision.probability,
            decision.outcome,
            {each.target: each.reason for each in decision.attempts[:-1]},
            decision.selected,
        )
        return replace(told, model=self._device.model)

    def warm_up(self, feeds: Feeds) -> None:
        """Run every target on these feeds, to know its speed and whether its answer passes verification.

        Raises:
            FeedError: the feeds are not the model's.
            InvalidGoal: no verified target is left that meets the goal.
        """
        check_query(None, feeds)
        self._warm_up(self._query(None, feeds), is_patient=True)

    def observe(self) -> Observation:
        """What the sensors see now; also keeps them awake, since an idle session senses nothing."""
        return self._world.look().observation

    @property
    def calibration(self) -> Calibration:
        """What getting to know the targets told; waits for the remote ones that are still being asked."""
        self._calibration.wait()
        return self._calibration

    @property
    def bundle(self) -> Bundle:
        """The model; once the first query has told the shapes that a bare file leaves open, its layers are counted."""
        return self._known.bundle

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where queries of this session can run."""
        return self._world.targets

    def get_inputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the inputs, as ``InferenceSession.get_inputs``."""
        return self._inputs

    def get_outputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the outputs, as ``InferenceSession.get_outputs``."""
        return self._outputs

    def save_policy(self, path: Path | str) -> None:
        """Write what the agent has learned; ``Session(..., agent=path)`` goes on from there."""
        agent = self.agent
        with self._guard:
            save_policy(agent, path)

    def reset_state(self) -> None:
        """Begin a new stream, for a model whose file keeps state from query to query: it forgets what it was asked.

        A state that callers feed back themselves needs none of this: a query that brings another one begins a stream.
        """
        self._settled = None
        self._world.end_stream()

    def close(self) -> None:
        """Stop sensing and give the models and connections back; a session that is dropped does so by itself."""
        self._end.detach()
        self._known.wait()
        self._device.close()

    def _open(self, bundle: Bundle) -> None:
        """Make everything that belongs to one process."""
        self._generation = generation()
        self._device = assemble(bundle, self.goal, self._remotes, self.options)
        self._world = self._device.world
        self._known = OpenShapes(bundle, self._world.know, self.options.shapes or ())
        self.meter = self._device.meter
        self._calibration = Calibration()
        self._settled = None
        self._streaming, self._guard, self._warming = threading.Lock(), threading.Lock(), threading.Lock()
        self._is_warm = self._is_warm_here = False

    def _begin(self) -> None:
        self._device.start()
        self._end = weakref.finalize(self, _close_behind, self._device)
        self._end.atexit = False

    def _open_again(self) -> None:
        """In a forked process: its parent's threads and connections are not here. What was learned is."""
        with FORKING:
            if self._generation != generation():
                _LOG.info("this process was forked: the model is opened again for it")
                self._end.detach()
                _PARENTS.append(self._device)
                self._open(self._known.bundle)
                self._begin()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Session cannot be pickled: its models and connections are this process's; "
            "send the model's path and open one there"
        )

    def _query(self, output_names: Sequence[str] | None, feeds: Feeds) -> Query:
        arrays = arrays_of(self._inputs, feeds)
        return Query(output_names, arrays, self._sizes.of(arrays), may_leave=self.options.consent)

    def _asked(
        self,
        feeds: Feeds,
        output_names: Sequence[str] | None,
        goal: Goal | None,
        consent: bool | None,
        cancellation: Cancellation | None,
        stream: Binding | None = None,
    ) -> Query:
        """A query that says for itself what it must achieve, checked."""
        check_query(output_names, feeds)
        check_type("goal", goal, (Goal, NoneType), "a Goal, as in Goal(objective='energy'), or None", InvalidGoal)
        check_type("consent", consent, (bool, NoneType), "True where the data may leave this device, False, or None")
        query = self._query(output_names, feeds)
        may_leave = query.may_leave if consent is None else consent
        return replace(query, goal=goal, may_leave=may_leave, cancellation=cancellation, stream=stream)

    def _answer(self, query: Query, timeout_s: float | None) -> Answer:
        with awaited(query, timeout_s) as query:
            outputs, decided = self._decide(query)
        self._device.behind.settle()
        return Answer(outputs, decision=decided.decision)

    def _decide(self, query: Query) -> tuple[list[Array], Decided]:
        """Take a query to its answer; what can be learned from it is learned behind the caller."""
        if self._generation != generation():
            self._open_again()
        if not self._is_warm and not (self._is_warm_here and self._world.barred(query)):
            self._warm_up(query)
        self._device.behind.hurry()
        time_s = time.time()
        answered = answer_query(self._world, self._agent, query, self._requested(query), self._guard)
        decided = self._last.set(answered.decision, answered.context)
        if not self._agent.is_fixed:
            self._device.behind.put(
                partial(_teach, answered, self._agent, self._guard, decided),
                then=partial(_prepare, self._device, self._agent, self._guard, query),
            )
        if self.options.on_record is not None:
            self._device.behind.settle()  # a record also tells what was believed afterwards
            self.options.on_record(self._device.record(time_s, answered.context, decided.decision))
        return answered.answer, decided

    def _requested(self, query: Query) -> str:
        if self.options.target is not None:
            return str(self.targets[0])
        return str((query.goal or self.goal).mode)

    def _kept(self) -> CalibrationFile | None:
        file = self.options.calibration
        if file is None or self.options.target is not None:  # of one target alone there is nothing to keep
            return None
        meter = f"{self.meter.meter.name} {self.options.power_table}"
        return CalibrationFile(Path(file), self._known.bundle, meter)

    def _warm_up(self, query: Query, is_patient: bool = False) -> None:
        """Get to know the targets; an impatient query waits no longer for remote ones than its limit leaves."""
        began_s = time.perf_counter()
        with self._warming:
            if not self._is_warm and not (self._is_warm_here and self._world.barred(query)):
                learn = partial(_learn, self._world, self._agent, self._guard, query)
                patience_s = None if is_patient else partial(self._world.spare_s, query, began_s)
                timeout_s, kept = self.options.timeout_s, self._kept()
                self._calibration = calibrate(self._world, query, timeout_s, learn, patience_s, kept)
                self._world.calibrated()
                self._is_warm_here = True
                self._is_warm = not self._world.barred(query)
        if is_patient:
            self._calibration.wait()
        self._known.learn(query.feeds)


def _learn(world: DeviceWorld, agent: Agent, guard: threading.Lock, query: Query, index: int, outcome: Outcome) -> None:
    """Let the agent learn from a calibrating run; holds no session, which may be dropped meanwhile."""
    context = world.observe(query)
    with guard:
        agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))


def _teach(answered: Answered, agent: Agent, guard: threading.Lock, decided: Decided) -> None:
    """Let the agent learn from a query; holds no session either."""
    decided.decision = answered.teach(agent, guard)


def _prepare(device: Device, agent: Agent, guard: threading.Lock, query: Query) -> None:
    """Have the next decision ready, for a query like this one; holds no session either."""
    ahead = device.world.ahead
    if not ahead.is_worthwhile():
        return
    device.hub.freshen(ahead.pause_s)
    with FORKING, ahead.making, guard, suppress(AutoScaleError):  # what is wrong the next query is told
        context = device.world.prepare(query)
        if context is not None:
            agent.anticipate(context)


def _close_behind(device: Device) -> None:
    """Close in a thread of its own: the garbage collector runs wherever it likes, inside a lock of the device's too.

    The process waits for it: a thread that is inside an engine when the interpreter ends takes the process with it.
    """
    with suppress(RuntimeError):  # the interpreter ends: no thread can be started, and none has to
        threading.Thread(target=device.close, name="autoscale-close", daemon=False).start()
