"""What is known of one network, and, where there is no forecast, how large it is and how far targets lie apart."""

from typing import Final

from autoscale.agents.correction.hierarchy import OWN, QUANTITIES, UNINFORMED
from autoscale.arrays import Floats

LEVEL: Final = 4.0**2
"""Variance of a network's level before its first query, in a world without a forecast: it may be of any size."""
SETTLED: Final = 0.1
"""A level of less variance is known: what a target then does that was not expected tells how far targets lie apart."""
FIRST_WEIGHT: Final = 4.0
MOST_WEIGHT: Final = 400.0


class Level:
    """What all targets of a network have in common; nothing, with certainty, where a forecast tells sizes.

    Attributes:
        mean: of ln(actual / forecast), of each quantity.
        variance: likewise.
    """

    __slots__ = ("mean", "variance")

    def __init__(self, variance: float = 0.0) -> None:
        self.mean, self.variance = [0.0] * QUANTITIES, [variance] * QUANTITIES

    def take_in(self, quantity: int, surprise: float, width: float) -> None:
        """Learn from a surprise of this variance."""
        gain = self.variance[quantity] / width
        self.mean[quantity] += gain * surprise
        self.variance[quantity] *= 1.0 - gain


class Network:
    """What is known of one network.

    Attributes:
        known: its tree, see ``Hierarchy``.
        queries: how many were answered.
        scale: of the tree's variances.
        level: of its targets, all together.
        restless: of each quantity, how many times the processors' usual variance its single figures have.
        spacing: one of how many queries is the network's, by the last ones.
        last: of all networks' queries, which one was its last; 0 before the first.
    """

    __slots__ = ("known", "last", "level", "queries", "restless", "scale", "spacing")

    def __init__(
        self,
        known: Floats,
        queries: float = 0.0,
        scale: float = 1.0,
        level: Level | None = None,
        spacing: float = 1.0,
    ) -> None:
        self.known, self.queries, self.scale = known, queries, scale
        self.level = Level() if level is None else level
        self.restless = [1.0] * QUANTITIES
        self.spacing, self.last = spacing, 0

    def answered(self, count: int) -> None:
        """Take in that one of its queries was answered, of all networks' the ``count``-th."""
        self.queries += 1.0
        if self.last:
            self.spacing += 0.5 * (count - self.last - self.spacing)
        self.last = count


class Scale:
    """How far targets lie apart where no forecast tells: learned from first looks, for the networks to come.

    Attributes:
        total: of squares, in units of what trees vary by where a forecast tells.
        weight: how many those were.
    """

    __slots__ = ("total", "weight")

    def __init__(self) -> None:
        self.total, self.weight = FIRST_WEIGHT * UNINFORMED, FIRST_WEIGHT

    @property
    def value(self) -> float:
        """The scale of a network's tree."""
        return min(max(self.total / self.weight, 1.0), UNINFORMED)

    def take_in(self, surprise: float, explained: float) -> None:
        """Learn from how far a target that was not tried before was off, beside the variance of what is shared."""
        if self.weight >= MOST_WEIGHT:
            self.total, self.weight = 0.5 * self.total, 0.5 * self.weight
        self.total += min(max(surprise * surprise - explained, 0.0) / sum(OWN), 2.0 * UNINFORMED)
        self.weight += 1.0
