"""The paper's learner: a table of states by targets, one-step Q-learning, epsilon-greedy (MICRO 2020, section 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.cells import Cells
from autoscale.agents.paper_state import STATES, state_of
from autoscale.agents.reward import MISS_PENALTY
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, PolicyError, one_of
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

RIVAL: Final = 3.0
"""A processor that costs up to this many times as much as the best on one device may be the best on another."""
BESIDE: Final = 1.3
"""So may one of its settings that costs this many times as much as its best one."""
FIRST: Final = 0.01
"""No reward is above it: a value of that size, or twice below 0, is of a target that is to be tried."""
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
    per_target = ("table",)

    def __init__(self, targets: Sequence[Target], options: QLearningOptions | None = None, *, seed: int = 0) -> None:
        super().__init__(targets, seed)
        self.hyper = options or QLearningOptions()
        self.table = self.rng.uniform(-FIRST, FIRST, (STATES, len(self.targets))).astype(np.float16)
        self.visited = np.zeros(STATES, dtype=bool)

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
        ahead = self.table[next_state]
        target = reward + self.hyper.discount * float(ahead[ahead.argmax()])  # a third of the time that max() takes
        new = old + self.hyper.learning_rate * (target - old)
        self.table[state, index] = min(max(new, -_LARGEST), _LARGEST)

    def arrive(self) -> None:
        """Try again, the best first, what may be the best here; what is kept is not tried again soon.

        That is the best one, the cheapest setting of each processor in each precision, and those beside it where it is
        a ``RIVAL`` of the cheapest of all; whether or not answers were late, for here they may not be. What was never
        tried is tried before them.
        """
        met = self.table[self.visited].astype(np.float64)
        cost = self._cost(met)
        lowest = cost.min(axis=1, keepdims=True)
        cells, is_near = Cells(self.targets), met == met.max(axis=1, keepdims=True)
        for cell in range(len(cells.precisions)):
            own = cells.precision == cell
            least = cost[:, own].min(axis=1, keepdims=True)
            beside = np.where(least <= RIVAL * lowest, BESIDE * least, least)
            is_near[:, own] |= cost[:, own] <= beside
        is_near &= np.isfinite(cost)
        rank = (-met).argsort(axis=1).argsort(axis=1)
        self.table[self.visited] = np.where(is_near, -FIRST * (1.0 + rank / len(self.targets)), met)

    def _cost(self, value: Floats) -> Floats:
        """What values say that targets cost, late or not; infinite where they were not tried.

        A value below the penalty is of more than one late answer; above it, of a single one, of which it has a share.
        """
        late = np.where(value < -MISS_PENALTY, -value, -value / (self.hyper.learning_rate or 1.0)) - MISS_PENALTY
        cost: Floats = np.where((value < -0.5 * MISS_PENALTY) & (late > 0.0), late, -value)
        return np.where(value < -2.0 * FIRST, cost, np.inf)

    def options(self) -> Mapping[str, Any]:
        """Its hyper-parameters."""
        return asdict(self.hyper)

    def state(self) -> Arrays:
        """The table, shape (3072, targets), and which states were met."""
        return {"table": self.table, "visited": self.visited}

    def restore(self, state: Arrays) -> None:
        """Take a table back.

        Raises:
            PolicyError: it is not of this agent's shape.
        """
        for name, own in self.state().items():
            if name not in state or state[name].shape != own.shape:
                have = state[name].shape if name in state else "nothing"
                raise PolicyError(f"policy array '{name}' is {have}; '{self.name}' needs {own.shape}")
        self.table = state["table"].astype(np.float16)
        self.visited = state["visited"].astype(bool)

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
