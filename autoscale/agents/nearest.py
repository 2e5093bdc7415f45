"""The paper's KNN: what was best in the stored contexts nearest to this one."""

from typing import Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.agents.features import FEATURES, Rows
from autoscale.agents.frozen import FrozenPolicy, Singles, require_shape

NEIGHBOURS: Final = 5
CLOSE: Final = 1e-6
"""Half a squared distance; closer points weigh no more."""
FAINT: Final = np.float32(1e-9)
"""What all contexts together weigh beside the nearest."""


class NearestNeighbours(FrozenPolicy):
    """The ``NEIGHBOURS`` nearest stored contexts vote, each with one over its squared distance.

    Where they voted for no target that is admitted, all contexts together decide.

    Its arrays are ``points`` (n, features), ``weights`` (features,) by which differences are multiplied, and ``votes``
    (n, targets).
    """

    name = "knn"
    per_target = ("votes",)

    def evaluate(self, features: Rows) -> Singles:
        """The votes, shape (1, targets)."""
        here = features * self._weights
        farness = self._half_norms - self._points.dot(here)
        count = min(NEIGHBOURS, farness.size)
        nearest = farness.argpartition(count - 1)[:count]
        weight = 1.0 / np.maximum(farness.take(nearest) + 0.5 * here.dot(here), CLOSE)
        votes = weight.dot(self._votes.take(nearest, axis=0))
        votes += self._usual
        return np.asarray(votes, dtype=np.float32)[None]

    def check(self, state: Arrays) -> None:
        """One vote a point, and at least one point."""
        require_shape(state, "points", (max(1, len(state["points"])), len(FEATURES)))
        require_shape(state, "weights", (len(FEATURES),))
        require_shape(state, "votes", (len(state["points"]), len(self.targets)))

    def prepare(self, state: Arrays) -> None:
        """Scale the points once and for all."""
        self._weights = state["weights"].astype(np.float32)
        self._points = np.asfortranarray(state["points"] * state["weights"], np.float32)
        self._half_norms = 0.5 * np.square(self._points).sum(axis=1)
        self._votes = state["votes"].astype(np.float32)
        self._usual = FAINT * self._votes.mean(axis=0)
