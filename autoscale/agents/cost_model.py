"""Starts from what the world forecasts and learns only what the forecast misses.

For every network and condition it keeps, per target, how far cost and latency were off the forecast (in logarithms,
forgetting the old), and how often the answer was late. A network not met yet borrows what other networks taught about
the target. The loss of a target is its expected cost in units of the best one's, plus the reward's penalty times the
chance of being late; exploration is inverse-gap weighting (SquareCB, Foster and Rakhlin, ICML 2020, arXiv 2002.04926),
so targets close to the best are tried often, hopeless ones hardly ever, and every probability is known exactly.

Under exploration lies a floor that waiting raises (``waits``): a target that is avoided for its late answers alone, and
would be the best if the forecast is right, gets its turn. If it is in time then, what was believed of it is old.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.paper_state import WORLD_STATES, world_state
from autoscale.agents.reward import MISS_PENALTY
from autoscale.agents.waits import Cells, Flags, has_waited, nothing_waited, tried
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, PolicyError
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

LATENCY_SPREAD: Final = 0.25
"""Standard deviation of the log of a latency around its forecast, before anything was observed."""

PRIOR_WEIGHT: Final = 2.0
"""How many observations the borrowed belief counts for."""

MEMORY: Final = 20.0
"""How many observations of a target are remembered; older ones fade."""

FADE: Final = 0.98
"""What is left of a belief's weight after each query that met its condition but went elsewhere, so that a target that
failed is tried again before long."""

LONGEST_STEP: Final = 1.0
"""How far off a belief one observation can prove it (a factor of e): one absurd figure must not drown the others."""

GREED: Final = 40.0
"""Inverse-gap weighting spends at most about 1 / GREED of the best cost on exploring."""

TURN: Final = 0.25
"""Share of the best target's chance that goes to those whose turn has come."""

FAILED: Final = math.log(2.0)
"""A target that cost more than its forecast by this much, in logarithms, has failed, as one that was late."""

_TINY: Final = 1e-12
_LOGISTIC: Final = 1.702  # the logistic curve of this slope is the normal distribution within 0.01
_LOADS: Final = WORLD_STATES // 4
_FIELDS: Final = 4


class CostModel(Agent):
    """Physics first, corrections learned.

    Raises:
        InvalidInput: from ``select``, in a world that has no forecast.
    """

    name = "cost-model"
    per_target = ("beliefs", "waits")

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._is_device = np.array([not target.is_remote for target in targets])
        self._is_cloud = np.array([target.place == "cloud" for target in targets])
        self._columns = np.arange(len(targets))
        self._pooled = self._nothing_known()
        self._beliefs: dict[str, Floats] = {}
        self._waits: dict[str, Floats] = {}

    def select(self, context: Context) -> Choice:
        """Draw a target by inverse-gap weighting of the expected losses."""
        losses, promising = self._losses(context)
        loss = losses[context.admitted]
        best = int(loss.argmin())
        count = loss.size
        chance = 1.0 / (count * (1.0 + GREED * (loss - loss[best])))
        chance[best] = 0.0
        chance[best] = 1.0 - chance.sum()
        due = (promising & has_waited(self._wait(context), self._cells(context)))[context.admitted]
        due[best] = False
        if due.any():
            share = TURN * chance[best]
            chance[best] -= share
            chance[due] += share / due.sum()
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
        is_late = outcome.is_late(context.goal)
        seen = np.array([cost, latency, float(is_late)])
        cells = self._cells(context)
        belief = self._belief(context)
        if tried(self._wait(context), cells, index, is_late or cost > FAILED, self._losses(context)[1]):
            belief[0, cells[0][index], index] = 0.0
        _add(belief, cells, index, seen)
        _add(self._pooled, cells, index, seen)

    def state(self) -> Arrays:
        """Beliefs of every network, shape (networks + 1, 4, conditions, targets); the first is the pooled one.

        The four are the weight of what was seen, the logs of cost and latency over their forecasts, and how often it
        was late. ``waits``, shape (networks + 1, 2, conditions, targets), begins with zeros; see ``nothing_waited``.
        """
        beliefs = np.stack([self._pooled, *self._beliefs.values()])
        none = nothing_waited(_LOADS, len(self.targets))
        waits = np.stack([none, *(self._waits.get(key, none) for key in self._beliefs)])
        return {"beliefs": beliefs, "waits": waits, "networks": np.array([*self._beliefs], dtype=np.str_)}

    def restore(self, state: Arrays) -> None:
        """Take beliefs back.

        Raises:
            PolicyError: arrays are missing or of another shape.
        """
        missing = {"beliefs", "networks"} - state.keys()
        if missing:
            raise PolicyError(f"policy lacks the arrays {sorted(missing)} that '{self.name}' needs")
        shape = (len(state["networks"]) + 1, *self._pooled.shape)
        if state["beliefs"].shape != shape:
            raise PolicyError(f"policy array 'beliefs' is {state['beliefs'].shape}; '{self.name}' needs {shape}")
        self._pooled, *beliefs = np.array(state["beliefs"], dtype=np.float64)
        names = state["networks"].tolist()
        self._beliefs = dict(zip(names, beliefs, strict=True))
        if "waits" in state:  # older policies have none
            _, *waits = np.array(state["waits"], dtype=np.float64)
            self._waits = dict(zip(names, waits, strict=True))

    def _losses(self, context: Context) -> tuple[Floats, Flags]:
        """Expected loss of every target, where 1 is the cost of the best; and for which the forecast speaks.

        Those would be the best, if nothing were believed of how often they are late. Both of shape (targets,).
        """
        forecast, goal = _forecast(context), context.goal
        cells = self._cells(context)
        weight, cost, latency, late = self._belief(context)[:, *cells]
        pooled_weight, pooled_cost, pooled_latency, _ = self._pooled[:, *cells]
        confidence = weight / (weight + PRIOR_WEIGHT)
        borrowed = (1.0 - confidence) * pooled_weight / (pooled_weight + PRIOR_WEIGHT)
        cost = confidence * cost + borrowed * pooled_cost
        latency = confidence * latency + borrowed * pooled_latency
        room = (np.log(goal.latency_s / forecast.latency_s) - latency) / LATENCY_SPREAD
        by_forecast = 1.0 / (1.0 + np.exp(np.minimum(_LOGISTIC * room, 50.0)))
        value = np.maximum(forecast.objective(goal), _TINY) * np.exp(cost)
        hoped: Floats = value / value[context.admitted].min() + MISS_PENALTY * by_forecast
        if goal.min_accuracy is not None:
            hoped = hoped + MISS_PENALTY * (forecast.accuracy < goal.min_accuracy)
        loss = hoped + MISS_PENALTY * confidence * (late - by_forecast)
        return loss, hoped <= loss[context.admitted].min()

    def _cells(self, context: Context) -> Cells:
        """Condition and number of each target; the load is a device's condition, the signal that of a remote place."""
        loads, signals = divmod(world_state(context.observation), 4)
        remote = np.where(self._is_cloud, signals >> 1, signals & 1)
        return np.where(self._is_device, loads, remote), self._columns

    def _key(self, context: Context) -> str:
        goal = context.goal
        return f"{context.model.name}|{goal.objective}|{goal.latency_s:g}"

    def _belief(self, context: Context) -> Floats:
        key = self._key(context)
        belief = self._beliefs.get(key)
        if belief is None:
            belief = self._beliefs[key] = self._nothing_known()
        return belief

    def _wait(self, context: Context) -> Floats:
        key = self._key(context)
        waits = self._waits.get(key)
        if waits is None:
            waits = self._waits[key] = nothing_waited(_LOADS, len(self.targets))
        return waits

    def _nothing_known(self) -> Floats:
        return np.zeros((_FIELDS, _LOADS, len(self.targets)))


def _add(belief: Floats, cells: Cells, index: int, seen: Floats) -> None:
    """Take in what target ``index`` did, and let fade what the others did under the same conditions."""
    belief[0][cells] *= FADE
    weight = belief[0, cells[0][index], index] = min(belief[0, cells[0][index], index] + 1.0, MEMORY)
    known = belief[1:, cells[0][index], index]
    known += np.minimum(np.maximum(seen - known, -LONGEST_STEP), LONGEST_STEP) / weight


def _forecast(context: Context) -> Forecast:
    if context.forecast is None:
        raise InvalidInput("agent 'cost-model' needs a world that forecasts; use 'q-learning' in one that does not")
    return context.forecast


def _log_ratio(actual: float, expected: float) -> float:
    return math.log(max(actual, _TINY)) - math.log(max(expected, _TINY))
