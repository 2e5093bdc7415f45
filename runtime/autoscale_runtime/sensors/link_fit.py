"""The arithmetic under the link estimator: a bounded least-squares fit in relative errors."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PULL: Final = 0.003
"""Weight of the earlier belief against a transfer's 1."""

FASTEST: Final = np.array([1e-6, 1e-11, 1e-11])
"""No link is better than 1 us of round trip and 100 Gbit/s: keeps the three above zero."""


def features(sent_bytes: int, received_bytes: int) -> Vector:
    """What a transfer's time is linear in: 1, bits sent, bits received."""
    return np.array([1.0, 8.0 * sent_bytes, 8.0 * received_bytes])


@dataclass(frozen=True, slots=True)
class LinkFit:
    """Round trip (s) and seconds per bit up and down, and how sure they are.

    Attributes:
        values: the three.
        covariance: of the three, in units of the variance of a transfer's relative error.
    """

    values: Vector
    covariance: Vector

    def time_s(self, of: Vector) -> float:
        """The expected time of a transfer with these features."""
        return float(of @ self.values)

    def leverage(self, of: Vector) -> float:
        """How far these features lie from those that were fitted: near 0 for a size often seen."""
        return float(of @ self.covariance @ of) / self.time_s(of) ** 2


def fit_link(times_s: Vector, transfers: Vector, weights: Vector, belief: Vector) -> LinkFit:
    """The values that explain the times best, pulled weakly towards the belief, none below ``FASTEST``.

    Errors are relative to the times. The unknowns are scaled by what each would be if it explained
    everything alone, so that the pull is as strong for seconds as for seconds per bit.

    Args:
        times_s: shape (n,).
        transfers: their features, shape (n, 3).
        weights: shape (n,), not all zero.
        belief: shape (3,), at least ``FASTEST``.
    """
    rows = transfers / times_s[:, None]
    explained = weights @ rows / weights.sum()
    scale = np.maximum(1.0 / np.maximum(explained, 1e-30), FASTEST)
    scale = np.where(explained > 0.0, scale, belief)
    rows = rows * scale
    normal = (rows.T * weights) @ rows + PULL * np.eye(3)
    target = rows.T @ weights + PULL * belief / scale
    values = _solve_bounded(normal, target, FASTEST / scale) * scale
    covariance = np.linalg.inv(normal) * np.outer(scale, scale)
    return LinkFit(values, covariance)


def _solve_bounded(normal: Vector, target: Vector, bound: Vector) -> Vector:
    """Solve, hold what comes out below its bound there, and solve again for the others."""
    solution = np.linalg.solve(normal, target)
    held = solution < bound
    while held.any() and not held.all():
        solution = np.where(held, bound, 0.0)
        free = np.ix_(~held, ~held)
        solution[~held] = np.linalg.solve(normal[free], (target - normal @ solution)[~held])
        below = solution < bound
        if not (below & ~held).any():
            break
        held |= below
    bounded: Vector = np.maximum(solution, bound)
    return bounded
