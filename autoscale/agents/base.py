"""The interface of everything that chooses a target, and the names of those that ship."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, InvalidTarget, PolicyError
from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale.registry import Registry

Arrays = dict[str, npt.NDArray[Any]]

_TRIES: Final = 64
"""Choices that an agent which cannot state its probabilities is asked for."""

ROUNDING: Final = 1e-9
"""How far above 1 a probability may be that was summed up."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The index of the chosen target, and the probability with which it was chosen."""

    index: int
    probability: float


def checked_choice(name: str, choice: object, targets: int) -> Choice:
    """An agent's choice in Python's own numbers, which records and JSON take: agents compute with other ones.

    Args:
        name: the agent's, for the message.
        choice: what it gave.
        targets: how many it has.

    Raises:
        InvalidTarget: it chose none of its targets; a negative index would count from the end.
        InvalidInput: with no probability, by which no policy could ever be judged.
    """
    if not isinstance(choice, Choice):
        raise InvalidTarget(f"agent '{name}' chose {choice!r}; allowed: a Choice")
    index, probability = choice.index, choice.probability
    if not isinstance(index, Integral) or not 0 <= index < targets:
        raise InvalidTarget(f"agent '{name}' chose {index!r}; allowed: 0 to {targets - 1}")
    if not isinstance(probability, Real) or not 0.0 < probability <= 1.0 + ROUNDING:
        raise InvalidInput(f"agent '{name}' chose with probability {probability!r}; allowed: above 0, 1 at most")
    is_plain = type(index) is int and type(probability) is float and probability <= 1.0
    return choice if is_plain else Choice(int(index), min(float(probability), 1.0))


class Agent(ABC):
    """Chooses one of its targets for every query and learns from what came of it.

    Agents take a context and give an index; they do not know whether a simulator or a device is behind it. All
    randomness comes from the generator made of ``seed``: same seed, same contexts, same choices.

    Args:
        targets: what it chooses from; at least one.
        seed: of its random generator.

    Raises:
        InvalidTarget: no targets, or one twice.
    """

    name: ClassVar[str]
    per_target: ClassVar[tuple[str, ...]] = ()
    """Arrays of its state whose last axis is the targets; with them, what was learned can start other targets."""
    derived: ClassVar[tuple[str, ...]] = ()
    """Arrays of its state that follow from those; where other targets are started, they are left out."""
    is_by_name: ClassVar[bool] = False
    """Whether it knows targets by what they are, not by their number: what it learned starts any targets as it is."""
    is_fixed: ClassVar[bool] = False
    """Whether it always gives a network the same target while the same ones are admitted, and never learns."""

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        if not targets or len(set(targets)) != len(targets):
            raise InvalidTarget(f"an agent needs one or more different targets, not {[str(t) for t in targets]}")
        self.targets = tuple(targets)
        self.rng = np.random.default_rng(seed)

    @classmethod
    def from_options(cls, targets: Sequence[Target], options: Mapping[str, Any], seed: int = 0) -> "Agent":
        """Make one from what ``options`` gave.

        Raises:
            TypeError: options it does not take.
        """
        return cls(targets, seed=seed, **options)

    @abstractmethod
    def select(self, context: Context) -> Choice:
        """Choose one of ``context.admitted``."""

    def anticipate(self, context: Context) -> None:
        """Work out ahead what choosing in this context will take, while nobody waits for it.

        A query in it is likely next, though none may come; choices are the same with this and without.
        """

    def probabilities(self, context: Context) -> Floats:
        """The chance of each target in this context, shape (targets,), of sum 1; asking teaches the agent nothing.

        An agent that does not state them all is asked, as a copy, to choose again and again: each choice states its
        own, and what no choice stated is spread evenly over the targets left.
        """
        copy, rest = deepcopy(self), 1.0
        chances: Floats = np.zeros(len(self.targets))
        for _ in range(_TRIES):
            choice = copy.select(context)
            if not chances[choice.index]:
                chances[choice.index] = choice.probability
                rest -= choice.probability
            if rest <= 1e-9:
                break
        else:
            unseen = context.admitted[chances[context.admitted] == 0.0]
            chances[unseen] = rest / max(unseen.size, 1)
        chances /= chances.sum()
        return chances

    def learn(
        self,
        context: Context,
        index: int,
        outcome: Outcome,
        reward: float,
        next_context: Context | None = None,
    ) -> None:
        """Take in what came of target ``index`` in ``context``; an agent that never learns ignores it.

        Args:
            context: in which it was chosen.
            index: which target was tried.
            outcome: what it cost.
            reward: the same as one number.
            next_context: the context that followed, where the caller knows it.
        """

    def believe(self, context: Context) -> Belief | None:
        """What it now believes of every target in a context, and with what chance it would choose each.

        None from an agent that believes nothing it could say.
        """
        return None

    def arrive(self) -> None:
        """Make ready for another device than that on which it learned what it knows; most agents take it as it is."""

    def options(self) -> Mapping[str, Any]:
        """What it was made with, in values JSON can hold."""
        return {}

    def state(self) -> Arrays:
        """What it has learned, as plain arrays."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Take back what ``state`` gave.

        Raises:
            PolicyError: arrays are missing or have other shapes.
        """
        if state:
            raise PolicyError(f"agent '{self.name}' keeps no state, but the policy holds {sorted(state)}")


AGENTS = Registry(
    "agent",
    {
        "bo": "autoscale.agents.kernel:GaussianProcess",
        "cloud": "autoscale.agents.fixed:Cloud",
        "connected-edge": "autoscale.agents.fixed:ConnectedEdge",
        "corrector": "autoscale.agents.corrector:Corrector",
        "corrector-ahead": "autoscale.agents.corrector_ahead:CorrectorAhead",
        "device-best": "autoscale.agents.fixed:DeviceBest",
        "device-cpu-fp32": "autoscale.agents.fixed:DeviceCpuFp32",
        "fallback-list": "autoscale.agents.fallback:FallbackList",
        "fastest": "autoscale.agents.fixed:Fastest",
        "frozen": "autoscale.agents.frozen:Frozen",
        "knn": "autoscale.agents.nearest:NearestNeighbours",
        "lin-ts": "autoscale.agents.linear:LinTs",
        "lin-ucb": "autoscale.agents.linear:LinUcb",
        "lr": "autoscale.agents.frozen:LinearRegression",
        "npu-gpu-cpu": "autoscale.agents.fixed:StaticOrder",
        "q-learning": "autoscale.agents.q_learning:QLearning",
        "svm": "autoscale.agents.kernel:SupportVectorMachine",
        "svr": "autoscale.agents.kernel:SupportVectorRegression",
        "vw-squarecb": "autoscale.agents.vowpal:VowpalSquareCb",
    },
    group="autoscale.agents",
    renamed={"cost-model": "corrector"},
)


def make_agent(name: str, targets: Sequence[Target], seed: int = 0) -> Agent:
    """The agent registered under ``name``, with its default options.

    Raises:
        UnknownName: no such agent.
        InvalidTarget: it cannot work with these targets.
    """
    agent: Agent = AGENTS.get(name)(targets, seed=seed)
    return agent
