"""Training an agent in the simulator: with checkpoints, and from a checkpoint on.

>>> from autoscale_envs.worlds.options import WorldOptions
>>> agent = train(Training("q-learning", WorldOptions(scenario="D3"), seed=0), queries=300)
>>> agent.name
'q-learning'
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from autoscale.agents.base import AGENTS, Agent, Arrays
from autoscale.errors import InvalidInput, MissingExtra, one_of
from autoscale.profiles import DeviceProfile
from autoscale.profiles.link_trace import LinkTrace
from autoscale_envs.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from autoscale_envs.training.predictors import FITS, SAMPLES
from autoscale_envs.worlds.options import WorldOptions

USUAL_QUERIES: Final = {"dqn": 100_000, "ppo": 300_000, **dict.fromkeys(FITS, SAMPLES)}
"""How many make a policy, of those that do not learn from every query."""

Report = Callable[[int, float], bool]
"""Called now and then with how many queries are done and the mean reward of the latest (NaN where none is earned);
False ends the training."""


class Learner(Protocol):
    """What can be trained by queries."""

    done: int

    def run(self, until: int, report: Report) -> None:
        """Learn from queries until so many are done, or the report says no."""

    def agent(self) -> Agent:
        """What came of it, ready for a policy file."""

    def state(self) -> Arrays:
        """All that is needed to go on from here."""

    def restore(self, done: int, state: Arrays) -> None:
        """Go on from what ``state`` gave, after ``done`` queries."""


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained, where.

    Attributes:
        agent: a registered agent that learns, a predictor (``lr``, ``svr``, ``svm``, ``knn``, ``bo``), ``dqn`` or
            ``ppo``.
        options: of the world.
        seed: of everything random.
    """

    agent: str
    options: WorldOptions
    seed: int = 0

    def configuration(self) -> dict[str, Any]:
        """The same in plain values: what a checkpoint must agree with."""
        world = {each.name: _plain(getattr(self.options, each.name)) for each in fields(self.options)}
        return {"agent": self.agent, "seed": self.seed, **world}


_LEARNERS: Final = {
    "dqn": "autoscale_envs.training.sb3_learner:DqnLearner",
    "ppo": "autoscale_envs.training.sb3_learner:PpoLearner",
    **dict.fromkeys(FITS, "autoscale_envs.training.fitted_learner:FittedLearner"),
}


def trainable() -> list[str]:
    """The names of all that can be trained: agents that learn, predictors, and SB3's algorithms."""
    learning = [name for name in AGENTS.names() if AGENTS.get(name).learn is not Agent.learn]
    return sorted({*learning, *_LEARNERS})


def make_learner(training: Training, start: Agent | None = None) -> Learner:
    """What trains that agent.

    Args:
        training: what and where.
        start: an agent to begin with, from ``autoscale.agents.transfer`` or for the very targets; only agents that
            learn from every query can.

    Raises:
        UnknownName: nothing of that name can be trained.
        InvalidInput: an agent to begin with, where that is impossible.
        MissingExtra: a package of the extra ``train`` is not installed.
    """
    one_of("agent to train", AGENTS.current(training.agent), trainable())
    if training.agent in _LEARNERS and start is not None:
        raise InvalidInput(f"'{training.agent}' cannot begin with another policy; 'corrector' and 'q-learning' can")
    if start is not None and start.name != AGENTS.current(training.agent, quiet=True):
        raise InvalidInput(f"'{training.agent}' cannot begin with a policy of '{start.name}'")
    module, _, kind = _LEARNERS.get(training.agent, "autoscale_envs.training.online_learner:OnlineLearner").partition(
        ":"
    )
    try:
        maker = getattr(import_module(module), kind)
    except ImportError as error:
        raise MissingExtra(error.name or "stable-baselines3", "train", f"training '{training.agent}'") from error
    learner: Learner = maker(training) if start is None else maker(training, start)
    return learner


def train(
    training: Training,
    queries: int,
    *,
    start: Agent | None = None,
    resume: Path | None = None,
    checkpoint: Path | None = None,
    every: int | None = None,
    report: Report = lambda done, reward: True,
) -> Agent | None:
    """Train, and give the agent; None where the report ended it before.

    Args:
        training: what and where.
        queries: how many in all, those before a checkpoint included.
        start: an agent to begin with.
        resume: a checkpoint to go on from.
        checkpoint: where to write checkpoints: every ``every`` queries, and when the report ends it. An older one
            stays whole until the new one is complete.
        every: None for none on the way.
        report: see ``Report``.

    Raises:
        PolicyError: a checkpoint that is damaged, of another configuration (it names what differs), or cannot be
            written; nothing was changed.
        InvalidInput: no queries; both ``start`` and ``resume``; and as for ``make_learner``.
    """
    if type(queries) is not int or queries < 1:
        raise InvalidInput(f"queries is {queries!r}; allowed: a whole number, 1 or more")
    if start is not None and resume is not None:
        raise InvalidInput("a training begins with a policy or goes on from a checkpoint, not both")
    usual = Training(training.agent, WorldOptions()).configuration()
    known = None if resume is None else read_checkpoint(resume, training.configuration(), usual)
    learner = make_learner(training, start)
    if known is not None:
        learner.restore(known.done, known.state)
    saved = learner.done
    report(learner.done, math.nan)

    def save() -> None:
        if checkpoint is not None:
            write_checkpoint(checkpoint, Checkpoint(training.configuration(), learner.done, learner.state()))

    def watch(done: int, reward: float) -> bool:
        nonlocal saved
        if every is not None and done - saved >= every:
            save()
            saved = done
        return report(done, reward)

    learner.run(queries, watch)
    if learner.done < queries:
        save()
        return None
    return learner.agent()


def _plain(value: Any) -> Any:
    """A value that JSON can hold, and that two equal ones share."""
    if isinstance(value, DeviceProfile):
        return f"profile {value.name} {sha256(repr(value).encode()).hexdigest()[:16]}"
    if isinstance(value, LinkTrace):
        samples = (value.time_s, value.rate_bps, value.round_trip_s, value.rssi_dbm)
        return f"trace {sha256(b''.join(each.tobytes() for each in samples)).hexdigest()[:16]}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return {key: _plain(value[key]) for key in sorted(value)} if isinstance(value, Mapping) else value
