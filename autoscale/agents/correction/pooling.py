"""What the devices of one model learned, made one: where a new device starts, with a floor on privacy.

A device states, of each network and target that it tried, the mean of ln(actual / forecast). What it is asked and what
it answers never leaves it. Statements come when they come: a device's latest one counts, once, so a slow or a stale
device delays nobody (as in Papaya, Huba et al., MLSys 2022, whose rounds do not wait either), and because statements
are sums and no gradients, their order does not matter.

A release adds Gaussian noise to counts and sums of bounded statements, by which what one device adds to the figures is
hidden up to (epsilon, delta) (the analysis of Balle and Wang, ICML 2018, which holds for every epsilon), and leaves out
what fewer than ``least_devices`` tried, or so few that noise would drown them. Which pairs are told rests on counts
without noise too, so of that the floor alone is promised. Each release spends its epsilon anew.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from autoscale.agents.correction.hierarchy import QUANTITIES
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput
from autoscale.query.target import Target

CELLS: Final = 16
"""Pairs of network and target that one device states at most, those that it tried most: so its weight is bounded."""

CLIP: Final = 0.7
"""No single figure is further from the forecast than a factor of 2."""

REACH: Final = 2.0
"""Nor are all figures of a device together (Euclidean); those that are further are scaled down."""

COUNTED: Final = 0.5
"""What one in a count weighs beside one in ln: the noise of both is of one size."""

DROWNED: Final = 2.0
"""Counts below so many standard deviations of their noise tell nothing."""

_STANDARD: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a release may tell of one device.

    Attributes:
        epsilon: of differential privacy; infinite for no noise.
        delta: likewise.
        least_devices: of what fewer than so many tried, nothing is told.

    Raises:
        InvalidInput: one of them is not above 0.
    """

    epsilon: float = 1.0
    delta: float = 1e-6
    least_devices: int = 20

    def __post_init__(self) -> None:
        if not self.epsilon > 0.0:
            raise InvalidInput(f"epsilon is {self.epsilon}; allowed: above 0, or inf for no noise")
        if not 0.0 < self.delta < 1.0:
            raise InvalidInput(f"delta is {self.delta}; allowed: above 0, below 1")
        if self.least_devices < 1:
            raise InvalidInput(f"least_devices is {self.least_devices}; allowed: 1 or more")

    def noise(self, sensitivity: float) -> float:
        """Standard deviation that hides what moves a vector by ``sensitivity`` (Euclidean)."""
        return 0.0 if math.isinf(self.epsilon) else sensitivity * _gaussian(self.epsilon, self.delta)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one device says: of each network the mean of ln(actual / forecast), shape (quantities, targets), NaN where
    it tried nothing; and how much of each target it saw, shape (targets,).
    """

    residual: dict[str, Floats]
    seen: dict[str, Floats]

    def bounded(self) -> "Statement":
        """The same, clipped, of no more than ``CELLS`` pairs of network and target."""
        weights = np.concatenate([*self.seen.values(), np.zeros(1)])
        least = np.sort(weights)[::-1][min(CELLS, weights.size - 1)]
        kept = {name: (seen > max(least, 0.0)) for name, seen in self.seen.items()}
        residual = {
            name: np.where(kept[name], np.clip(each, -CLIP, CLIP), math.nan) for name, each in self.residual.items()
        }
        reach = math.sqrt(sum(float(np.nansum(each * each)) for each in residual.values()))
        scale = min(1.0, REACH / reach) if reach else 1.0
        return Statement(
            {name: each * scale for name, each in residual.items()},
            {name: np.where(kept[name], each, 0.0) for name, each in self.seen.items()},
        )


class Pool:
    """The latest statement of every device of one model.

    Args:
        targets: of all of them.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = tuple(targets)
        self._statements: dict[str, Statement] = {}

    def __len__(self) -> int:
        return len(self._statements)

    def add(self, device_id: str, statement: Statement) -> None:
        """Take a device's statement; an earlier one of it no longer counts.

        Raises:
            InvalidInput: it is of other targets.
        """
        for name, each in statement.residual.items():
            if each.shape != (QUANTITIES, len(self.targets)):
                raise InvalidInput(f"statement of '{name}' is {each.shape}; allowed: {(QUANTITIES, len(self.targets))}")
        self._statements[device_id] = statement.bounded()

    def release(self, privacy: Privacy, rng: np.random.Generator) -> dict[str, Floats]:
        """Of each network what devices of this model add to the forecast: ln, shape (quantities, targets); 0 where
        nothing may be told.

        Args:
            privacy: what it may tell of one device.
            rng: of the noise; one that nobody can foresee, where privacy is meant.
        """
        networks = sorted({name for each in self._statements.values() for name in each.residual})
        noise = privacy.noise(math.hypot(REACH, COUNTED * math.sqrt(CELLS)))
        return {name: self._mean(name, privacy.least_devices, noise, rng) for name in networks}

    def _mean(self, network: str, least: int, noise: float, rng: np.random.Generator) -> Floats:
        shape = (QUANTITIES, len(self.targets))
        counts, sums = np.zeros(shape[1]), np.zeros(shape)
        for each in self._statements.values():
            if network in each.residual:
                told = each.residual[network]
                counts += each.seen[network] > 0.0
                sums += np.nan_to_num(told)
        tried = counts.copy()
        counts += rng.normal(0.0, noise / COUNTED, shape[1])
        sums += rng.normal(0.0, noise, shape)
        enough = (tried >= least) & (counts >= max(least, DROWNED * noise / COUNTED))  # noise alone lets none pass
        means: Floats = np.where(enough, np.clip(sums / np.maximum(counts, 1.0), -CLIP, CLIP), 0.0)
        return means


def _gaussian(epsilon: float, delta: float) -> float:
    """The least standard deviation that hides what moves a vector by 1: Balle and Wang, theorem 8, by bisection."""

    def spent(deviation: float) -> float:
        """The delta that is needed."""
        half, shift = 0.5 / deviation, epsilon * deviation
        return _STANDARD.cdf(half - shift) - math.exp(epsilon) * _STANDARD.cdf(-half - shift)

    low, high = 1e-3, 1e7
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spent(middle) > delta else (low, middle)
    return high
