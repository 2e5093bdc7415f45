"""Linear bandits, as yardsticks: of each network by itself, residuals linear in what targets have in common.

``lin-ucb`` takes the target that may be the cheapest (Li, Chu, Langford and Schapire, A Contextual-Bandit Approach to
Personalized News Article Recommendation, WWW 2010); ``lin-ts`` draws from what it believes and takes the cheapest of
that (Agrawal and Goyal, Thompson Sampling for Contextual Bandits with Linear Payoffs, ICML 2013). Both need a forecast,
forget nothing, and keep networks apart.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.cells import Cells
from autoscale.agents.correction.hierarchy import TINY
from autoscale.arrays import Floats, Indices
from autoscale.errors import InvalidInput, PolicyError
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast, best_targets
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

PRIOR: Final = 0.3
"""Standard deviation of a coefficient before anything was seen, in ln(actual / forecast)."""
NOISE: Final = 0.08
"""Standard deviation of a figure's ln around its middle."""
OPTIMISM: Final = 1.0
"""How many standard deviations below its middle ``lin-ucb`` takes a cost to be."""
DRAWS: Final = 128
"""Of what ``lin-ts`` believes, for one choice: one of them decides, and all tell its chance."""
MOST_NETWORKS: Final = 500


class Linear(Agent):
    """Ridge regression of each network's residuals, of objective and latency alike.

    Raises:
        InvalidInput: from ``select``, in a world that has no forecast.
    """

    per_target = ("counts", "sums")

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._features = _features(Cells(self.targets))
        self._networks: dict[str, Floats] = {}

    @abstractmethod
    def select(self, context: Context) -> Choice:
        """By what is believed."""

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Count what the target did; what is believed follows from that."""
        forecast = _forecast(context, self.name)
        told = (forecast.latency_s[index], forecast.objective(context.goal)[index])
        actual = (outcome.latency_s, outcome.objective_value(context.goal))
        seen = np.log(np.maximum(actual, TINY)) - np.log(np.maximum(told, TINY))
        self._network(context)[:, index] += (1.0, *seen)

    def state(self) -> Arrays:
        """Of each network, after one of which nothing is known, how often each target was tried, and the sums of what
        came of it: ``counts`` (networks + 1, targets), ``sums`` (networks + 1, 2, targets).
        """
        kept = np.stack([np.zeros((3, len(self.targets))), *self._networks.values()])
        return {
            "networks": np.array([*self._networks], dtype=np.str_),
            "counts": kept[:, 0],
            "sums": kept[:, 1:],
        }

    def restore(self, state: Arrays) -> None:
        """Take them back.

        Raises:
            PolicyError: arrays are missing or of another shape.
        """
        if {"counts", "sums", "networks"} - state.keys():
            raise PolicyError(f"policy lacks arrays of '{self.name}'; needed: networks, counts, sums")
        size, count = len(state["networks"]) + 1, len(self.targets)
        for name, shape in (("counts", (size, count)), ("sums", (size, 2, count))):
            if state[name].shape != shape:
                raise PolicyError(f"policy array '{name}' is {state[name].shape}; '{self.name}' needs {shape}")
        kept = np.concatenate([state["counts"][:, None], state["sums"]], axis=1)[1:].astype(np.float64)
        self._networks = dict(zip(state["networks"].tolist(), kept, strict=True))

    def _network(self, context: Context) -> Floats:
        """Counts and sums of a network, shape (3, targets)."""
        name = context.model.name
        if name not in self._networks:
            if len(self._networks) >= MOST_NETWORKS:
                del self._networks[next(iter(self._networks))]
            self._networks[name] = np.zeros((3, len(self.targets)))
        return self._networks[name]

    def _believed(self, context: Context) -> tuple[Floats, Floats]:
        """Covariance of the coefficients, (n, n), and their means, (n, 2): ridge regression on what was counted."""
        counts, *sums = self._network(context)
        weighted = self._features.T / NOISE**2
        spread = np.linalg.inv((weighted * counts) @ self._features + np.eye(len(weighted)) / PRIOR**2)
        return spread, spread @ (weighted @ np.stack(sums, axis=1))

    def _best(self, context: Context, residuals: Floats) -> Indices:
        """The best admitted target of each row of residuals, of shape (..., 2, targets)."""
        forecast, goal = _forecast(context, self.name), context.goal
        admitted = np.zeros(len(self.targets), dtype=np.bool_)
        admitted[context.admitted] = True
        latency_s = forecast.latency_s * np.exp(residuals[..., 0, :])
        cost = np.maximum(forecast.objective(goal), TINY) * np.exp(residuals[..., 1, :])
        may = np.broadcast_to(admitted, cost.shape)
        accuracy = np.broadcast_to(forecast.accuracy, cost.shape)
        best: Indices = best_targets(latency_s, cost, accuracy, may, goal.latency_s, goal.min_accuracy)
        return best


class LinUcb(Linear):
    """Optimism in the face of uncertainty."""

    name = "lin-ucb"

    def select(self, context: Context) -> Choice:
        """The target that may be the cheapest, with certainty."""
        spread, mean = self._believed(context)
        residuals = (self._features @ mean).T
        width = np.sqrt(np.maximum(np.einsum("tf,fg,tg->t", self._features, spread, self._features), 0.0))
        residuals[1] -= OPTIMISM * width
        return Choice(int(self._best(context, residuals)), 1.0)


class LinTs(Linear):
    """Thompson sampling; a choice is one of ``DRAWS`` draws, and its probability the share of them that agree.

    That is the chance of the choice given the draws, known exactly; what none of them found best had no chance then.
    """

    name = "lin-ts"

    def select(self, context: Context) -> Choice:
        """The best target of one draw from what is believed."""
        spread, mean = self._believed(context)
        values, vectors = np.linalg.eigh(spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normals = self.rng.standard_normal((DRAWS, 2, len(values)))
        coefficients = mean.T + normals @ root.T
        best = self._best(context, coefficients @ self._features.T)
        return Choice(int(best[0]), float((best == best[0]).mean()))


def _features(cells: Cells) -> Floats:
    """Of each target: its processor, its precision there, and its setting's position there; shape (targets, n)."""
    by_processor = np.eye(len(cells.processors))[cells.processor]
    by_precision = np.eye(len(cells.precisions))[cells.precision]
    return np.hstack([by_processor, 0.7 * by_precision, 0.5 * by_processor * cells.position[:, None]])


def _forecast(context: Context, name: str) -> Forecast:
    if context.first_forecast is None:
        raise InvalidInput(f"agent '{name}' needs a world that forecasts; use 'corrector' in one that does not")
    return context.first_forecast
