"""Starts from what the world forecasts and learns only what the forecast misses.

For every network and condition it keeps, per target, how far cost and latency were off the forecast (in logarithms,
forgetting the old), and how often the answer was late. A network not met yet borrows what other networks taught about
the target. The loss of a target is its expected cost in units of the best one's, plus the reward's penalty times the
chance of being late; exploration is inverse-gap weighting (SquareCB, Foster and Rakhlin, ICML 2020, arXiv 2002.04926),
so targets close to the best are tried often, hopeless ones hardly ever, and every probability is known exactly.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.paper_state import WORLD_STATES, world_state
from autoscale.context import Context
from autoscale.errors import InvalidInput, PolicyError
from autoscale.forecast import Floats, Forecast, Indices
from autoscale.outcome import Outcome
from autoscale.reward import MISS_PENALTY
from autoscale.target import Target

LATENCY_SPREAD: Final = 0.25
"""Standard deviation of the log of a latency around its forecast, before anything was observed."""

PRIOR_WEIGHT: Final = 2.0
"""How many observations the borrowed belief counts for."""

MEMORY: Final = 20.0
"""How many observations of a target are remembered; older ones fade."""

FADE: Final = 0.98
"""What is left of a belief's weight after each query that met its condition but went elsewhere, so that a target that
failed is tried again before long."""

GREED: Final = 40.0
"""Inverse-gap weighting spends at most about 1 / GREED of the best cost on exploring."""

_TINY: Final = 1e-12
_FARTHEST: Final = 10.0  # the log of a ratio; one absurd figure must not drown all that follow it
_LOADS: Final = WORLD_STATES // 4
Cells = tuple[Indices, Indices]
_FIELDS: Final = ("weight", "cost", "latency", "late")


class _Belief:
    """What was seen of each target under each condition, shape (conditions, targets)."""

    def __init__(self, targets: int) -> None:
        shape = (_LOADS, targets)
        self.weight = np.zeros(shape)
        self.cost = np.zeros(shape)
        self.latency = np.zeros(shape)
        self.late = np.zeros(shape)

    def add(self, met: Cells, index: int, cost: float, latency: float, late: float) -> None:
        """Take in what target ``index`` did, and fade what the others did under the conditions ``met``."""
        self.weight[met] *= FADE
        cell = (met[0][index], index)
        weight = self.weight[cell] = min(float(self.weight[cell]) + 1.0, MEMORY)
        for values, value in ((self.cost, cost), (self.latency, latency), (self.late, late)):
            values[cell] += (value - values[cell]) / weight


class CostModel(Agent):
    """Physics first, corrections learned.

    Raises:
        InvalidInput: from ``select``, in a world that has no forecast.
    """

    name = "cost-model"

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._is_device = np.array([not target.is_remote for target in targets])
        self._is_cloud = np.array([target.place == "cloud" for target in targets])
        self._columns = np.arange(len(targets))
        self._pooled = _Belief(len(targets))
        self._beliefs: dict[str, _Belief] = {}

    def select(self, context: Context) -> Choice:
        """Draw a target by inverse-gap weighting of the expected losses."""
        loss = self._losses(context)[context.admitted]
        best = int(loss.argmin())
        count = loss.size
        chance = 1.0 / (count * (1.0 + GREED * (loss - loss[best])))
        chance[best] = 0.0
        chance[best] = 1.0 - chance.sum()
        drawn = min(int(chance.cumsum().searchsorted(self.rng.random(), side="right")), count - 1)
        return Choice(int(context.admitted[drawn]), float(chance[drawn]))

    def learn(
        self,
        context: Context,
        index: int,
        outcome: Outcome,
        reward: float,
        next_context: Context | None = None,
    ) -> None:
        """Move the beliefs about one target towards what it did."""
        forecast = _forecast(context)
        expected = float(forecast.objective(context.goal)[index])
        cost = _log_ratio(outcome.objective_value(context.goal), expected)
        latency = _log_ratio(outcome.latency_s, float(forecast.latency_s[index]))
        late = float(outcome.is_late(context.goal))
        met = (self._conditions(context), self._columns)
        self._belief(context).add(met, index, cost, latency, late)
        self._pooled.add(met, index, cost, latency, late)

    def state(self) -> Arrays:
        """Beliefs of every network, shape (networks + 1, conditions, targets); the first is the pooled one."""
        beliefs = [self._pooled, *self._beliefs.values()]
        arrays: Arrays = {name: np.stack([getattr(belief, name) for belief in beliefs]) for name in _FIELDS}
        return arrays | {"networks": np.array(["", *self._beliefs], dtype=np.str_)}

    def restore(self, state: Arrays) -> None:
        """Take beliefs back.

        Raises:
            PolicyError: arrays are missing or of another shape.
        """
        missing = {*_FIELDS, "networks"} - state.keys()
        if missing:
            raise PolicyError(f"policy lacks the arrays {sorted(missing)} that '{self.name}' needs")
        names = [str(name) for name in state["networks"]]
        shape = (len(names), _LOADS, len(self.targets))
        for field in _FIELDS:
            if state[field].shape != shape:
                raise PolicyError(f"policy array '{field}' is {state[field].shape}; '{self.name}' needs {shape}")
        beliefs = [_Belief(len(self.targets)) for _ in names]
        for row, belief in enumerate(beliefs):
            for field in _FIELDS:
                setattr(belief, field, np.array(state[field][row], dtype=np.float64))
        self._pooled = beliefs[0]
        self._beliefs = dict(zip(names[1:], beliefs[1:], strict=True))

    def _losses(self, context: Context) -> Floats:
        """Expected loss of every target, shape (targets,); 1 is the cost of the best."""
        forecast, goal = _forecast(context), context.goal
        own, pooled = self._belief(context), self._pooled
        at = (self._conditions(context), self._columns)
        weight = own.weight[at]
        trust = weight / (weight + PRIOR_WEIGHT)
        shrink = pooled.weight[at] / (pooled.weight[at] + PRIOR_WEIGHT)
        cost = trust * own.cost[at] + (1.0 - trust) * shrink * pooled.cost[at]
        latency = trust * own.latency[at] + (1.0 - trust) * shrink * pooled.latency[at]
        room = (np.log(goal.latency_s / forecast.latency_s) - latency) / LATENCY_SPREAD
        late = trust * own.late[at] + (1.0 - trust) / (1.0 + np.exp(np.clip(1.702 * room, -50.0, 50.0)))
        value = np.maximum(forecast.objective(goal), _TINY) * np.exp(cost)
        loss: Floats = value / value[context.admitted].min() + MISS_PENALTY * late
        if goal.min_accuracy is not None:
            loss = loss + MISS_PENALTY * (forecast.accuracy < goal.min_accuracy)
        return loss

    def _conditions(self, context: Context) -> Indices:
        """The condition each target is judged under: co-runner load on the device, signal for a remote place."""
        loads, signals = divmod(world_state(context.observation), 4)
        remote = np.where(self._is_cloud, signals >> 1, signals & 1)
        return np.where(self._is_device, loads, remote)

    def _belief(self, context: Context) -> _Belief:
        goal = context.goal
        key = f"{context.model.name}|{goal.objective}|{goal.latency_s:g}"
        belief = self._beliefs.get(key)
        if belief is None:
            belief = self._beliefs[key] = _Belief(len(self.targets))
        return belief


def _forecast(context: Context) -> Forecast:
    if context.forecast is None:
        raise InvalidInput("agent 'cost-model' needs a world that forecasts; use 'q-learning' in one that does not")
    return context.forecast


def _log_ratio(actual: float, expected: float) -> float:
    ratio = math.log(max(actual, _TINY)) - math.log(max(expected, _TINY))
    return min(max(ratio, -_FARTHEST), _FARTHEST)
