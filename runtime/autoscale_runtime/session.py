"""The on-device SDK: a session where ``onnxruntime.InferenceSession`` stood, that decides for every query."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, NoReturn

from autoscale.agents.base import Agent
from autoscale.agents.policies import save_policy
from autoscale.closing import Closing
from autoscale.errors import AutoScaleError, InvalidGoal, InvalidInput, ModelError, check_type, one_of
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.observation import Observation
from autoscale.query.record import Decision
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.cancellation import Cancellation
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.device.agent_choice import agent_for
from autoscale_runtime.device.asking import Asking
from autoscale_runtime.device.feeds import arrays_of, check_query
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.stream import Stream
from autoscale_runtime.models.bundle import Bundle

if TYPE_CHECKING:
    from autoscale.query.explanation import Explanation
    from autoscale_runtime.device.calibration import Calibration
    from autoscale_runtime.device.plan import RemoteModel
    from autoscale_runtime.meters.choice import MeterChoice


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
        remotes: "Mapping[str, str | RemoteModel] | None" = None,
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
        self._asking = Asking(bundle.inputs, self.options.consent)
        from autoscale_runtime.device.decider import Decider  # here: what a session stands on takes long to import

        self._decider = Decider(bundle, self.goal, {} if remotes is None else remotes, self.options)
        self._decider.agent, self.policy_transfer = agent_for(agent, self.targets, self.options)
        self._decider.begin()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer one query, as ``InferenceSession.run`` does; ``last`` then tells what was decided and what it cost.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: the target failed and the mode, or a pinned target, allows no other.
        """
        if type(feeds) is not dict or output_names is not None:
            check_query(output_names, feeds)
        feeds = arrays_of(self._inputs, feeds)
        decider, settled = self._decider, self._decider.settled
        if settled is not None and decider.is_current:
            try:
                return settled.run(output_names, feeds)
            except AutoScaleError:
                decider.settled = None  # the loop says what is wrong, or finds another target
        outputs, decided = decider.decide(self._asking.usual(output_names, feeds))
        decider.settle(decided.decision)
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
        return self._decider.answer(self._asking.own(feeds, output_names, goal, consent, None), timeout_s)

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

        query = self._asking.own(feeds, output_names, goal, consent, Cancellation())
        assert query.cancellation is not None
        try:
            return await asyncio.to_thread(self._decider.answer, query, timeout_s)
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
        stream = Stream(self._asking.own, self._decider.answer)
        if not self._decider.world.keeps_state:
            yield stream
            return
        streaming = self._decider.streaming
        if not streaming.acquire(blocking=False):
            raise InvalidInput("another stream is under way; the model's file keeps the state of one at a time")
        try:
            self.reset_state()
            yield stream
        finally:
            self.reset_state()
            streaming.release()

    @property
    def agent(self) -> Agent:
        """Who decides, with all it has learned from the queries so far."""
        self.settle()
        return self._decider.agent

    @agent.setter
    def agent(self, agent: Agent) -> None:
        check_type("agent", agent, Agent, "an Agent")
        self.settle()
        self._decider.agent = agent

    @property
    def last(self) -> Decision | None:
        """What was decided for this thread's last query and what it cost; None before the first.

        A thread that asked nothing itself sees the last decision of the session.
        """
        return self._decider.last()

    def explain(self) -> "Explanation | None":
        """Why this thread's last query went where it went; None before the first.

        Candidates, what ruled each out, what was believed of it before and after, what happened, and how much of the
        network its processor took. ``print`` it, or take its ``as_json()``.

        >>> print(session.explain())  # doctest: +SKIP
        """
        return self._decider.explain()

    def warm_up(self, feeds: Feeds) -> None:
        """Run every target on these feeds, to know its speed and whether its answer passes verification.

        Of those that a kept calibration tells of, the loaded ones run once, so that no query is their first.

        Raises:
            FeedError: the feeds are not the model's.
            InvalidGoal: no verified target is left that meets the goal.
        """
        check_query(None, feeds)
        self._decider.warm_up(self._asking.usual(None, arrays_of(self._inputs, feeds)), is_patient=True)

    def observe(self) -> Observation:
        """What the sensors see now; also keeps them awake, since an idle session senses nothing."""
        return self._decider.world.look().observation

    @property
    def meter(self) -> "MeterChoice":
        """What tells the device's energy, and why."""
        return self._decider.device.meter

    @property
    def calibration(self) -> "Calibration":
        """What getting to know the targets told; waits for the remote ones that are still being asked."""
        self._decider.calibration.wait()
        return self._decider.calibration

    @property
    def bundle(self) -> Bundle:
        """The model; once the first query has told the shapes that a bare file leaves open, its layers are counted."""
        return self._decider.known.bundle

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where queries of this session can run."""
        return self._decider.world.targets

    def get_inputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the inputs, as ``InferenceSession.get_inputs``."""
        return self._inputs

    def get_outputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the outputs, as ``InferenceSession.get_outputs``."""
        return self._outputs

    def save_policy(self, path: Path | str) -> None:
        """Write what the agent has learned; ``Session(..., agent=path)`` goes on from there."""
        agent = self.agent
        with self._decider.guard:
            save_policy(agent, path)

    def reset_state(self) -> None:
        """Begin a new stream, for a model whose file keeps state from query to query: it forgets what it was asked.

        A state that callers feed back themselves needs none of this: a query that brings another one begins a stream.
        """
        self._decider.settled = None
        self._decider.world.end_stream()

    def settle(self) -> None:
        """Have all queries that were answered learned from and recorded, which else is done behind the callers."""
        self._decider.device.behind.settle()

    def close(self) -> None:
        """Stop sensing and give the models and connections back; a session that is dropped does so by itself."""
        self._decider.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Session cannot be pickled: its models and connections are this process's; "
            "send the model's path and open one there"
        )
