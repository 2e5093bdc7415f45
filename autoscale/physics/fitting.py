"""The few speeds that explain many latencies best: least squares of logarithms, robust, held near what is usual.

Every figure of a ``Speed`` is a positive parameter with a usual value and a spread (a log-normal prior), so that one
the data does not speak of stays usual. Residuals have heavy tails, so that one network that a framework runs badly
does not bend the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.physics.roofline import pace_of, seconds
from autoscale.profiles import Processor, Speed
from autoscale.query.model_profile import LAYER_KINDS, ModelProfile
from autoscale.query.target import Target

NOISE: Final = 0.1
"""Spread of a measured latency around a perfect prediction, as a logarithm."""

HEAVY: Final = 2.0
"""Residuals of more spreads than this lose their hold (Cauchy's loss)."""

STEPS: Final = 25
_DELTA: Final = 1e-4

Prior = Mapping[str, tuple[float, float]]
"""Parameter to its usual value and the spread of its logarithm."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured latency of one network on one setting."""

    network: str
    target: Target
    latency_s: float


@dataclass(frozen=True, slots=True)
class Problem:
    """What is fitted: measured latencies on one processor, its precisions, and what is usual of it."""

    processor: Processor
    samples: Sequence[Sample]
    networks: Mapping[str, ModelProfile]
    precisions: Sequence[str]
    prior: Prior

    @property
    def measured_s(self) -> Floats:
        """The latencies, shape (samples,)."""
        return np.array([sample.latency_s for sample in self.samples])


def fit(problem: Problem) -> dict[str, float]:
    """The likeliest parameters, by Levenberg and Marquardt's method."""
    names = list(problem.prior)
    usual, spread = np.log([problem.prior[name][0] for name in names]), np.array([s for _, s in problem.prior.values()])
    theta, damping = usual.copy(), 1e-2
    residual = _residuals(problem, names, theta)
    for _ in range(STEPS):
        jacobian = _jacobian(problem, names, theta, residual)
        weight = _weight(residual)
        curve = (jacobian.T * weight) @ jacobian + np.diag(spread**-2.0)
        slope = (jacobian.T * weight) @ residual + (theta - usual) / spread**2
        step = np.linalg.solve(curve + damping * np.diag(np.diag(curve)), -slope)
        tried = _residuals(problem, names, theta + step)
        if _loss(tried, theta + step - usual, spread) < _loss(residual, theta - usual, spread):
            theta, residual, damping = theta + step, tried, damping / 4.0
        else:
            damping *= 8.0
        if np.abs(step).max() < 1e-3:
            break
    return dict(zip(names, np.exp(theta).tolist(), strict=True))


def predicted_s(problem: Problem, speed: Speed) -> Floats:
    """Latencies of the samples, shape (samples,)."""
    return np.array(
        [
            seconds(
                speed,
                sample.target.precision,
                problem.networks[sample.network],
                pace_of(problem.processor, speed, sample.target),
            ).total_s
            for sample in problem.samples
        ]
    )


def speed_of(parameters: Mapping[str, float], precisions: Sequence[str]) -> Speed:
    """The speed that parameters stand for.

    Rates are products, so that the little data of one kind or precision can lean on the rest: the rate of convolutions
    in the first precision, times the ratio of the kind, times the gain of the precision, times that kind's own gain
    in it. ``serial`` is what Amdahl's parallel fraction leaves, and ``serial_traffic`` likewise of the memory's: all of
    it at most, also where more threads were measured to be slower.
    """
    rates = {
        precision: {
            kind: parameters["rate"]
            * parameters.get(kind, 1.0)
            * parameters.get(precision, 1.0)
            * parameters.get(f"{precision}.{kind}", 1.0)
            for kind in LAYER_KINDS
            if kind == "conv" or kind in parameters
        }
        for precision in precisions
    }
    return Speed(
        parameters["launch_s"],
        parameters["layer_s"],
        parameters["bandwidth"],
        1.0 - min(parameters.get("serial", 1.0), 1.0),
        parameters.get("spatial_ratio", 1.0),
        rates,
        parameters.get("wake_s", 0.0),
        1.0 - min(parameters.get("serial_traffic", 1.0), 1.0),
    )


def errors(problem: Problem, speed: Speed) -> Floats:
    """Predicted over measured less one, shape (samples,)."""
    return predicted_s(problem, speed) / problem.measured_s - 1.0


def left_out_errors(problem: Problem, group: Callable[[str], str] = str) -> Floats:
    """``errors``, each of a fit that saw no sample of the same network, or of the same group of networks."""
    groups = [group(sample.network) for sample in problem.samples]
    found = np.empty(len(groups))
    for name in set(groups):
        is_out = np.array([each == name for each in groups])
        seen = [sample for sample, out in zip(problem.samples, is_out, strict=True) if not out]
        speed = speed_of(fit(replace(problem, samples=seen)), problem.precisions)
        found[is_out] = errors(problem, speed)[is_out]
    return found


def _residuals(problem: Problem, names: Sequence[str], theta: Floats) -> Floats:
    speed = speed_of(dict(zip(names, np.exp(theta).tolist(), strict=True)), problem.precisions)
    residual: Floats = np.log(predicted_s(problem, speed) / problem.measured_s) / NOISE
    return residual


def _jacobian(problem: Problem, names: Sequence[str], theta: Floats, residual: Floats) -> Floats:
    moved = theta + _DELTA * np.eye(theta.size)
    return np.stack([(_residuals(problem, names, each) - residual) / _DELTA for each in moved], axis=1)


def _weight(residual: Floats) -> Floats:
    weight: Floats = 1.0 / (1.0 + (residual / HEAVY) ** 2)
    return weight


def _loss(residual: Floats, away: Floats, spread: Floats) -> float:
    cauchy = 0.5 * HEAVY**2 * np.log1p((residual / HEAVY) ** 2)
    return float(cauchy.sum() + 0.5 * ((away / spread) ** 2).sum())
