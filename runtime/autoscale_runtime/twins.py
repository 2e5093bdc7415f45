"""Any function that has a twin elsewhere: each call is decided as a session's queries are."""

import functools
import inspect
import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MethodType, NoneType
from typing import Any, Final, Generic, ParamSpec, TypeVar

import numpy as np

from autoscale.agents.base import Agent, Choice
from autoscale.errors import InvalidGoal, InvalidInput, InvalidTarget, check_type, one_of
from autoscale.loop import Performance, answer_query
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale_runtime.device.afterwards import afterwards
from autoscale_runtime.device.agent_choice import agent_for
from autoscale_runtime.device.assemble import account_of
from autoscale_runtime.device.behind import Behind
from autoscale_runtime.device.last import Last
from autoscale_runtime.device.opened import opened
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.query_cost import Transfer
from autoscale_runtime.device.rules import NO_CONSENT
from autoscale_runtime.host.process import FORKING

P = ParamSpec("P")
R = TypeVar("R")

HERE: Final = "device:cpu/fp32"

RESTS_S: Final = 3.0
"""A twin that failed is left alone for so long."""

RESTS: Final = "it failed a moment ago, and is left alone"

_GUESS_S: Final = 0.1
"""What every target is expected to take until the agent has learned otherwise; alike for all, so it favours none."""


def offloadable(
    twins: Mapping[str, Callable[P, R]],
    goal: Goal | None = None,
    *,
    agent: str | Path | Agent = "corrector",
    mode: str | None = None,
    options: SessionOptions | None = None,
    sent_bytes: Callable[P, int] | None = None,
) -> Callable[[Callable[P, R]], "Offloadable[P, R]"]:
    """A decorator: of each call, whether the function answers here or one of its twins elsewhere.

    >>> @offloadable({"cloud": lambda text: ask_server(text)}, Goal(latency_s=0.5))  # doctest: +SKIP
    ... def summary(text: str) -> str: ...
    >>> summary("..."), summary.last.selected  # doctest: +SKIP

    What the function raises here is its caller's. A twin that raises is a failed attempt: the function answers, as the
    mode allows, and that twin is left alone for a few seconds. Nobody can interrupt a call, so a twin should have a
    timeout of its own; nobody compares answers either.

    Args:
        twins: place and host (``cloud``, ``edge:tab-s6``) to a function of the same arguments that answers there.
        goal: what counts as a good answer.
        agent: a registered name, a policy file, or an agent.
        mode: where calls may be answered; None leaves it to the goal.
        options: power table, meters, grids, consent, seed, ``on_record``; of its further ones none plays a part.
        sent_bytes: how much a call sends, of the same arguments, for the energy of the radio; None leaves that out.

    Raises:
        InvalidInput: a value of another type, or a mode that leaves no place.
    """
    check_type("twins", twins, Mapping, "a mapping, as in {'cloud': ask_server}")
    check_type("goal", goal, (Goal, NoneType), "a Goal, as in Goal(objective='energy'), or None", InvalidGoal)
    check_type("options", options, (SessionOptions, NoneType), "a SessionOptions, or None")
    given = Goal() if goal is None else goal
    if mode is not None:
        one_of("inference mode", mode, list(InferenceMode), InvalidGoal)
        given = replace(given, mode=InferenceMode(mode))
    known = SessionOptions() if options is None else options

    def decorate(function: Callable[P, R]) -> "Offloadable[P, R]":
        return Offloadable(function, twins, given, agent, known, sent_bytes)

    return decorate


class Offloadable(Generic[P, R]):
    """A function that is answered here or elsewhere, as :func:`offloadable` makes it. Thread-safe."""

    def __init__(
        self,
        function: Callable[P, R],
        twins: Mapping[str, Callable[P, R]],
        goal: Goal,
        agent: str | Path | Agent,
        options: SessionOptions,
        sent_bytes: Callable[P, int] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._world = TwinWorld(_places(function, twins), goal, options, getattr(function, "__name__", "function"))
        self._sent_bytes = sent_bytes
        self._guard = threading.Lock()
        self._last = Last()
        self._on_record = options.on_record
        self._agent, _ = agent_for(agent, self._world.targets, options)
        self._begin()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer one call, as the function does; what can be learned from it is learned behind the caller."""
        sent = 0 if self._sent_bytes is None else int(self._sent_bytes(*args, **kwargs))
        call = _Call(lambda place: place(*args, **kwargs), sent)
        self.settle()
        time_s, requested = time.time(), str(self._world.goal.mode)
        answered = answer_query(self._world, self._agent, call, requested, self._guard)
        decided = self._last.set(answered.decision, answered.context)
        record = partial(self._world.record, time_s)
        jobs = afterwards(answered, self._agent, self._guard, decided, record, self._on_record)
        if jobs:
            self._behind.put(*jobs)
        return answered.answer  # type: ignore[no-any-return]

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A method, as a function of a class is one: its object is the first argument, here and of the twins."""
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> str:
        """Found by its name, as a function is, in a process of a pool too; a copy is itself."""
        return self.__qualname__  # type: ignore[attr-defined, no-any-return]  # the function's

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where calls can be answered, this device first."""
        return self._world.targets

    @property
    def agent(self) -> Agent:
        """Who decides, with all it has learned from the calls so far."""
        self.settle()
        return self._agent

    @property
    def last(self) -> Decision | None:
        """What was decided for this thread's last call, else for anybody's; None before the first."""
        self.settle()
        decided = self._last.get()
        return None if decided is None else decided.decision

    def settle(self) -> None:
        """Have all calls that were answered learned from and recorded, which else is done behind the callers."""
        if not self._behind.is_current:
            with FORKING:
                if not self._behind.is_current:  # this process was forked: its parent's thread is not here
                    self._begin()
        self._behind.settle()

    def _begin(self) -> None:
        self._behind = Behind()
        weakref.finalize(self, self._behind.let_go).atexit = False


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: what asks a place for its answer, and how much that sends."""

    ask: Callable[[Callable[..., Any]], Any]
    sent_bytes: int


class TwinWorld:
    """The places of one function under one goal.

    Args:
        places: target to the function that answers there, this device first.
        goal: what counts as a good answer.
        options: of which account, consent and rules' like play a part.
        name: of the function.

    Raises:
        InvalidGoal: no place meets the goal's mode.
    """

    def __init__(
        self, places: Mapping[Target, Callable[..., Any]], goal: Goal, options: SessionOptions, name: str
    ) -> None:
        self.targets = tuple(places)
        self.goal = goal
        self.model = ModelProfile(name)
        self._places = tuple(places.values())
        self._account, _ = account_of(goal, options)
        may = [index for index, each in enumerate(self.targets) if options.consent or not each.is_remote]
        self._may = frozenset(may)
        self._preferred = [index for index in may if goal.mode.prefers(self.targets[index])]
        self._usable = may if goal.mode.may_fall_back else self._preferred
        if not self._usable:
            raise InvalidGoal(
                f"no place of {name} meets mode {goal.mode}; there are {', '.join(map(str, self.targets))}"
            )
        self._rests_until_s = [-math.inf] * len(self.targets)
        guess_j = self._account.table.energy_j(_GUESS_S, _GUESS_S)
        alike = np.ones(len(self.targets))
        carbon_g = self._account.added_g(guess_j, _GUESS_S)
        self._forecast = Forecast(_GUESS_S * alike, guess_j * alike, carbon_g * alike, math.nan * alike)
        self._reference = float(self._forecast.objective(goal)[0])

    def observe(self, query: _Call) -> Context:
        """What an agent may know: the goal, and which places are not left alone."""
        awake = self._awake(self._preferred) or self._awake(self._usable) or self._usable
        return Context(self.model, Observation(), self.goal, np.array(awake), lambda: self._forecast, self._reference)

    def perform(self, query: _Call, context: Context, choice: Choice) -> Performance:
        """Ask the chosen place, and where a twin fails the device, if the mode allows it."""
        spent: Outcome | None = None
        left_out = self._left_out()
        first, attempts = opened(choice, context, self.targets)
        for index in self._order(first):
            target, started_s, mark = self.targets[index], time.perf_counter(), self._account.begin()
            try:
                answer, failed = query.ask(self._places[index]), None
            except Exception as error:  # anybody's function
                if not target.is_remote:
                    raise
                answer, failed = None, error
                self._rests_until_s[index] = time.monotonic() + RESTS_S
            latency_s = time.perf_counter() - started_s
            outcome = self._account.end(mark, target, latency_s, transfer=_transfer(target, query, latency_s))
            spent = outcome if spent is None else outcome.after(spent)
            if failed is not None:
                attempts.append(Attempt(target, latency_s, str(failed), type(failed).__name__))
            else:
                attempts.append(Attempt(target, latency_s))
                return Performance(spent, tuple(attempts), answer, left_out=left_out)
        assert failed is not None
        raise failed

    def record(self, time_s: float, context: Context, decision: Decision) -> Record:
        """One call, as the ledger keeps it."""
        grids, device = self._account.grid.read(), self._account.table.profile.name
        name, seen = self.model.name, context.observation
        return Record(time_s, device, name, context.goal, seen, decision, grids.regions, grids.kinds)

    def _awake(self, indices: Sequence[int]) -> list[int]:
        now_s = time.monotonic()
        return [index for index in indices if self._rests_until_s[index] <= now_s]

    def _left_out(self) -> dict[Target, str]:
        """Twins that get no calls just now, each with the reason."""
        now_s = time.monotonic()
        resting = {self.targets[i]: RESTS for i in self._may if self._rests_until_s[i] > now_s}
        return resting | {each: NO_CONSENT for i, each in enumerate(self.targets) if i not in self._may}

    def _order(self, chosen: int) -> list[int]:
        """The chosen place, and behind a twin the device where that may answer."""
        return [chosen] if chosen == 0 or 0 not in self._usable else [chosen, 0]


def _places(function: Callable[..., Any], twins: Mapping[str, Callable[..., Any]]) -> dict[Target, Callable[..., Any]]:
    for name, each in {"the function": function, **twins}.items():
        if not callable(each) or inspect.iscoroutinefunction(each):
            raise InvalidInput(f"{name} is {each!r}; allowed: a function that answers when it is called, no coroutine")
    places = {Target.parse(HERE): function}
    for link, twin in twins.items():
        target = Target.parse(f"{link}:cpu/fp32")
        if not target.is_remote:
            raise InvalidTarget(f"'{link}' is no place elsewhere; allowed: 'cloud', 'edge', or 'edge:' and a name")
        places[target] = twin
    return places


def _transfer(target: Target, call: _Call, latency_s: float) -> Transfer | None:
    """What crossed the link, at the rate that it must have had at least: nobody sees more of somebody else's call."""
    if not target.is_remote or not call.sent_bytes:
        return None
    least_bps = 8.0 * call.sent_bytes / max(latency_s, 1e-6)
    return Transfer(call.sent_bytes, 0, least_bps, least_bps)
