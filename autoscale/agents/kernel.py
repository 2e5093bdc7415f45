"""Predictors that compare a context with stored ones: a weighted sum of Gaussian bumps (SVR, SVM, Gaussian process)."""

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.agents.features import FEATURES, Rows
from autoscale.agents.frozen import OUTPUTS, FrozenPolicy, Singles, require_shape


class Kernel(FrozenPolicy):
    """``exp(-|s * (x - p)|^2) @ dual + bias`` over stored points p.

    Its arrays are ``points`` (n, features), ``sharpness`` s (features,), ``dual`` (n, 1 or 2, targets) and ``bias``
    (1 or 2, targets).
    """

    per_target = ("dual", "bias")

    def evaluate(self, features: Rows) -> Singles:
        """One product for the distances, one for the sum."""
        here = features * self._sharpness
        nearness = self._twice.dot(here)
        nearness -= self._norms
        nearness -= here.dot(here)
        np.exp(nearness, out=nearness)
        outputs: Singles = self._dual.dot(nearness) + self._bias
        return outputs.reshape(-1, len(self.targets))

    def check(self, state: Arrays) -> None:
        """As many weights as points."""
        require_shape(state, "points", (len(state["points"]), len(FEATURES)))
        require_shape(state, "sharpness", (len(FEATURES),))
        require_shape(state, "dual", (len(state["points"]), OUTPUTS[self.outputs], len(self.targets)))
        require_shape(state, "bias", (OUTPUTS[self.outputs], len(self.targets)))

    def prepare(self, state: Arrays) -> None:
        """Scale the points once and for all."""
        self._sharpness = state["sharpness"].astype(np.float32)
        points = np.ascontiguousarray(state["points"] * state["sharpness"], np.float32)
        self._twice, self._norms = np.asfortranarray(2.0 * points), np.square(points).sum(axis=1)
        dual = state["dual"].reshape(len(state["dual"]), state["bias"].size)
        self._dual = np.ascontiguousarray(dual.T, np.float32)
        self._bias = state["bias"].astype(np.float32).ravel()


class SupportVectorRegression(Kernel):
    """The paper's SVR: latency and objective of every target, then the cheapest in time."""

    name = "svr"
    outputs = "costs"


class GaussianProcess(Kernel):
    """The paper's BO: the mean of the Gaussian process that Bayesian optimisation fits to what targets cost."""

    name = "bo"
    outputs = "costs"


class SupportVectorMachine(Kernel):
    """The paper's SVM: one classifier a target, each telling its contexts from all others."""

    name = "svm"
