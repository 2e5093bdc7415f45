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
from autoscale.agents.waits import Flags, has_waited, nothing_waited, tried
from autoscale.arrays import Floats, Indices
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
_CONDITIONS: Final = WORLD_STATES // 4
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
        self._cells = _cells_of(self.targets)
        self._pooled = self._nothing_known()
        self._beliefs: dict[str, Floats] = {}
        self._waits: dict[str, Floats] = {}

    def select(self, context: Context) -> Choice:
        """Draw a target by inverse-gap weighting of the expected losses."""
        cells = self._cells[world_state(context.observation)]
        losses, hopes = self._losses(context, cells)
        loss = losses[context.admitted]
        best = int(loss.argmin())
        count = loss.size
        chance = 1.0 / (count * (1.0 + GREED * (loss - loss[best])))
        chance[best] = 0.0
        chance[best] = 1.0 - chance.sum()
        promising = hopes[context.admitted] <= loss[best]
        promising[best] = False
        due = promising.nonzero()[0]
        if due.size:
            due = due[has_waited(self._wait(_key(context)), cells[context.admitted[due]])]
        if due.size:
            share = TURN * chance[best]
            chance[best] -= share
            chance[due] += share / due.size
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
        seen = cost, latency, float(is_late)
        cells = self._cells[world_state(context.observation)]
        key = _key(context)
        belief = self._belief(key)
        has_failed = is_late or cost > FAILED
        if tried(self._wait(key), cells, index, has_failed, lambda: self._promising(context, cells)):
            belief[0, cells[index]] = 0.0
        _add(belief, cells, index, seen)
        _add(self._pooled, cells, index, seen)

    def state(self) -> Arrays:
        """Beliefs of every network, shape (networks + 1, 4, conditions, targets); the first is the pooled one.

        The four are the weight of what was seen, the logs of cost and latency over their forecasts, and how often it
        was late. ``waits``, shape (networks + 1, 2, conditions, targets), begins with zeros; see ``nothing_waited``.
        """
        beliefs = [self._pooled, *self._beliefs.values()]
        none = nothing_waited(_CONDITIONS * len(self.targets))
        waits = [none, *(self._waits.get(key, none) for key in self._beliefs)]
        per_target = {
            name: np.stack(each).reshape(len(each), -1, _CONDITIONS, len(self.targets))
            for name, each in (("beliefs", beliefs), ("waits", waits))
        }
        return {**per_target, "networks": np.array([*self._beliefs], dtype=np.str_)}

    def restore(self, state: Arrays) -> None:
        """Take beliefs back.

        Raises:
            PolicyError: arrays are missing or of another shape.
        """
        missing = {"beliefs", "networks"} - state.keys()
        if missing:
            raise PolicyError(f"policy lacks the arrays {sorted(missing)} that '{self.name}' needs")
        shape = (len(state["networks"]) + 1, _FIELDS, _CONDITIONS, len(self.targets))
        if state["beliefs"].shape != shape:
            raise PolicyError(f"policy array 'beliefs' is {state['beliefs'].shape}; '{self.name}' needs {shape}")
        self._pooled, *beliefs = _flat(state["beliefs"])
        names = state["networks"].tolist()
        self._beliefs = dict(zip(names, beliefs, strict=True))
        if "waits" in state:  # older policies have none
            _, *waits = _flat(state["waits"])
            self._waits = dict(zip(names, waits, strict=True))

    def _losses(self, context: Context, cells: Indices) -> tuple[Floats, Floats]:
        """Expected loss of every target, where 1 is the cost of the best; and what it would be by the forecast alone.

        That is, if nothing were believed of how often it is late. Both of shape (targets,).
        """
        forecast, goal = _forecast(context), context.goal
        weight, cost, latency, late = self._belief(_key(context)).take(cells, axis=1)
        pooled_weight, pooled_cost, pooled_latency, _ = self._pooled.take(cells, axis=1)
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
        return hoped + MISS_PENALTY * confidence * (late - by_forecast), hoped

    def _promising(self, context: Context, cells: Indices) -> Flags:
        """Which targets would be the best by the forecast alone, shape (targets,)."""
        losses, hopes = self._losses(context, cells)
        return np.asarray(hopes <= losses[context.admitted].min())

    def _belief(self, key: str) -> Floats:
        belief = self._beliefs.get(key)
        if belief is None:
            belief = self._beliefs[key] = self._nothing_known()
        return belief

    def _wait(self, key: str) -> Floats:
        waits = self._waits.get(key)
        if waits is None:
            waits = self._waits[key] = nothing_waited(_CONDITIONS * len(self.targets))
        return waits

    def _nothing_known(self) -> Floats:
        return np.zeros((_FIELDS, _CONDITIONS * len(self.targets)))


def _key(context: Context) -> str:
    goal = context.goal
    return f"{context.model.name}|{goal.objective}|{goal.latency_s:g}"


def _cells_of(targets: Sequence[Target]) -> Indices:
    """Of each state of the world the cell of each target, a condition and the target; shape (WORLD_STATES, targets).

    The load is a device's condition, the signal that of a remote place.
    """
    loads, signals = np.divmod(np.arange(WORLD_STATES)[:, None], 4)
    remote = np.where([target.place == "cloud" for target in targets], signals >> 1, signals & 1)
    conditions = np.where([target.is_remote for target in targets], remote, loads)
    return np.asarray(conditions * len(targets) + np.arange(len(targets)), dtype=np.intp)


def _flat(per_target: Floats) -> Floats:
    """An array over conditions and targets as one over their cells, of its own."""
    return np.array(per_target, dtype=np.float64).reshape(*per_target.shape[:2], -1)


def _add(belief: Floats, cells: Indices, index: int, seen: Sequence[float]) -> None:
    """Take in what target ``index`` did, and let fade what the others did under the same conditions."""
    at = cells[index]
    belief[0][cells] *= FADE
    weight, *known = belief[:, at].tolist()
    weight = min(weight + 1.0, MEMORY)
    steps = (min(max(new - old, -LONGEST_STEP), LONGEST_STEP) for new, old in zip(seen, known, strict=True))
    belief[:, at] = [weight, *(old + step / weight for old, step in zip(known, steps, strict=True))]


def _forecast(context: Context) -> Forecast:
    if context.forecast is None:
        raise InvalidInput("agent 'cost-model' needs a world that forecasts; use 'q-learning' in one that does not")
    return context.forecast


def _log_ratio(actual: float, expected: float) -> float:
    return math.log(max(actual, _TINY)) - math.log(max(expected, _TINY))
