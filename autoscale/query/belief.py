"""What an agent believes of every target: a distribution of latency and energy, and the chance of being late."""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from autoscale.arrays import Flags, Floats
from autoscale.errors import InvalidInput
from autoscale.query.target import Target

Three: TypeAlias = tuple[float, float, float]
"""Of a lognormal quantity what 5, 50 and 95 in 100 do not exceed."""

_QUANTILES: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Of one query on each target; the figures are lognormal. Arrays are of shape (targets,).

    Attributes:
        targets: what the entries are of.
        latency_s: the median: as likely exceeded as not.
        latency_spread: standard deviation of ln(latency), one answer's noise included.
        energy_j: the median, of the device.
        energy_spread: likewise.
        chance_late: that the answer comes after the goal's limit.
        is_allowed: whether the agent may choose the target for what it costs: it is in time and accurate enough.
        chance: with which the agent chooses it.
    """

    targets: tuple[Target, ...]
    latency_s: Floats
    latency_spread: Floats
    energy_j: Floats
    energy_spread: Floats
    chance_late: Floats
    is_allowed: Flags
    chance: Floats

    def latency_quantile_s(self, share: float) -> Floats:
        """The latency that is not exceeded in this share of queries.

        Raises:
            InvalidInput: a share that is not between 0 and 1.
        """
        return np.asarray(self.latency_s * np.exp(_deviations(share) * self.latency_spread))

    def energy_quantile_j(self, share: float) -> Floats:
        """The device's energy that is not exceeded in this share of queries.

        Raises:
            InvalidInput: a share that is not between 0 and 1.
        """
        return np.asarray(self.energy_j * np.exp(_deviations(share) * self.energy_spread))

    def of(self, index: int) -> "TargetBelief":
        """What is believed of one target."""
        fields = (getattr(self, name)[index] for name in TargetBelief.__slots__)
        return TargetBelief(*(each.item() for each in fields))


@dataclass(frozen=True, slots=True)
class TargetBelief:
    """Of one query on one target; the attributes are those of ``Belief``."""

    latency_s: float
    latency_spread: float
    energy_j: float
    energy_spread: float
    chance_late: float
    is_allowed: bool
    chance: float

    def latency_quantile_s(self, share: float) -> float:
        """The latency that is not exceeded in this share of queries."""
        return self.latency_s * math.exp(_deviations(share) * self.latency_spread)

    def latency_quantiles_s(self) -> Three:
        """The latency that 5, 50 and 95 in 100 queries do not exceed."""
        low, middle, high = map(self.latency_quantile_s, _QUANTILES)
        return low, middle, high

    def energy_quantiles_j(self) -> Three:
        """The same of the device's energy."""
        low, middle, high = map(self.energy_quantile_j, _QUANTILES)
        return low, middle, high

    def energy_quantile_j(self, share: float) -> float:
        """The device's energy that is not exceeded in this share of queries."""
        return self.energy_j * math.exp(_deviations(share) * self.energy_spread)


def _deviations(share: float) -> float:
    if not 0.0 < share < 1.0:
        raise InvalidInput(f"the share of a quantile is {share}; allowed: above 0 and below 1")
    from statistics import NormalDist  # here: a session's import need not wait for it

    return NormalDist().inv_cdf(share)
