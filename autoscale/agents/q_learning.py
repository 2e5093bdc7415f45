"""The paper's learner: a table of states by targets, one-step Q-learning, epsilon-greedy (MICRO 2020, section 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from autoscale.agents import arrival
from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.cells import Cells
from autoscale.agents.paper_state import STATES, state_of
from autoscale.agents.reward import MISS_PENALTY
from autoscale.arrays import Flags, Floats
from autoscale.errors import InvalidInput, PolicyError, one_of
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

_LARGEST: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class QLearningOptions:
    """Hyper-parameters; the defaults are the paper's.

    Attributes:
        learning_rate: how far one reward moves a value.
        discount: what the next state's value counts for.
        epsilon: share of choices made at random.
        initial: how a state's row starts: ``random``, as in the paper, or ``forecast``, from what the world expects
            when the state is first met.
    """

    learning_rate: float = 0.9
    discount: float = 0.1
    epsilon: float = 0.1
    initial: str = "random"

    def __post_init__(self) -> None:
        one_of("initial", self.initial, ("random", "forecast"), InvalidInput)
        for name in ("learning_rate", "discount", "epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: 0 to 1")


class QLearning(Agent):
    """Q(S,A) += learning_rate * (R + discount * max Q(S',.) - Q(S,A)).

    Two bytes a value, as the paper's 0.4 MB for 3072 states of 66 targets implies. Where the following context is
    not known when it learns, it bootstraps from the state it was in: the paper found successive states to be
    weakly related, which is why its discount is 0.1.
    """

    name = "q-learning"
    per_target = ("table", "again")

    def __init__(self, targets: Sequence[Target], options: QLearningOptions | None = None, *, seed: int = 0) -> None:
        super().__init__(targets, seed)
        self.hyper = options or QLearningOptions()
        self.table = self.rng.uniform(-arrival.FIRST, arrival.FIRST, (STATES, len(self.targets))).astype(np.float16)
        self.visited = np.zeros(STATES, dtype=bool)
        self.again: Flags | None = None

    @classmethod
    def from_options(cls, targets: Sequence[Target], options: Mapping[str, Any], seed: int = 0) -> "QLearning":
        """Make one from its hyper-parameters by name."""
        return cls(targets, QLearningOptions(**options), seed=seed)

    def select(self, context: Context) -> Choice:
        """Epsilon-greedy over the admitted targets."""
        state = state_of(context.model, context.observation)
        if not self.visited[state]:
            self._meet(state, context)
        admitted, epsilon = context.admitted, self.hyper.epsilon
        greedy = int(admitted[self.table[state][admitted].argmax()])
        drawn = self.rng.random()
        index = greedy if drawn >= epsilon else int(admitted[int(drawn / epsilon * admitted.size)])
        explored = epsilon / admitted.size
        return Choice(index, 1.0 - epsilon + explored if index == greedy else explored)

    def probabilities(self, context: Context) -> Floats:
        """Epsilon over the admitted targets, the rest to the greedy one."""
        state, admitted = state_of(context.model, context.observation), context.admitted
        if not self.visited[state]:
            self._meet(state, context)
        chances = np.zeros(len(self.targets))
        chances[admitted] = self.hyper.epsilon / admitted.size
        chances[admitted[self.table[state][admitted].argmax()]] += 1.0 - self.hyper.epsilon
        return chances

    def learn(
        self,
        context: Context,
        index: int,
        outcome: Outcome,
        reward: float,
        next_context: Context | None = None,
    ) -> None:
        """One step of the update rule."""
        state = state_of(context.model, context.observation)
        next_state = state if next_context is None else state_of(next_context.model, next_context.observation)
        old = float(self.table[state, index])
        if self.again is not None and self.again[state, index]:
            arrival.try_beside(self.table[state], self.again[state], self._cells, index, reward)
        ahead = self.table[next_state]
        target = reward + self.hyper.discount * float(ahead[ahead.argmax()])  # a third of the time that max() takes
        new = old + self.hyper.learning_rate * (target - old)
        self.table[state, index] = min(max(new, -_LARGEST), _LARGEST)

    def arrive(self) -> None:
        """Take what is known for another device's: what may be the best here is tried again (``arrival``), and what
        was yet to be tried there.
        """
        met = self.table[self.visited].astype(np.float64)
        again = np.zeros(self.table.shape, dtype=bool) if self.again is None else self.again
        self.table[self.visited], anew = arrival.tried_again(met, self._cells)
        again[self.visited] |= anew
        self.again = again

    @cached_property
    def _cells(self) -> Cells:
        return Cells(self.targets)

    def options(self) -> Mapping[str, Any]:
        """Its hyper-parameters."""
        return asdict(self.hyper)

    def state(self) -> Arrays:
        """The table, shape (3072, targets), and which states were met; what is to be tried again, likewise."""
        own = {"table": self.table, "visited": self.visited}
        return own if self.again is None else own | {"again": self.again}

    def restore(self, state: Arrays) -> None:
        """Take a table back.

        Raises:
            PolicyError: it is not of this agent's shape.
        """
        again = {"again": self.table} if "again" in state else {}
        for name, own in ({"table": self.table, "visited": self.visited} | again).items():
            if name not in state or state[name].shape != own.shape:
                have = state[name].shape if name in state else "nothing"
                raise PolicyError(f"policy array '{name}' is {have}; '{self.name}' needs {own.shape}")
        self.table = state["table"].astype(np.float16)
        self.visited = state["visited"].astype(bool)
        self.again = state["again"].astype(bool) if again else None

    def _meet(self, state: int, context: Context) -> None:
        self.visited[state] = True
        forecast = context.forecast if self.hyper.initial == "forecast" else None
        if forecast is None:
            return
        goal = context.goal
        missed = forecast.latency_s > goal.latency_s
        if goal.min_accuracy is not None:
            missed |= forecast.accuracy < goal.min_accuracy
        expected = -forecast.objective(goal) / context.reference - MISS_PENALTY * missed
        self.table[state] = np.clip(expected, -_LARGEST, _LARGEST)
