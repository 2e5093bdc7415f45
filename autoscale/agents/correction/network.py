"""What is known of one network, and, where there is no forecast, how large it is and how far targets lie apart."""

from typing import Final

import numpy as np

from autoscale.agents.correction.hierarchy import OWN, QUANTITIES, UNINFORMED
from autoscale.agents.correction.shared import JUMP, RESTLESS
from autoscale.arrays import Floats

LEVEL: Final = 4.0**2
"""Variance of a network's level before its first query, in a world without a forecast: it may be of any size."""
SETTLED: Final = 0.1
"""A level of less variance is known: what a target then does that was not expected tells how far targets lie apart."""
FIRST_WEIGHT: Final = 4.0
MOST_WEIGHT: Final = 400.0
FADING: Final = 1.0 / 64.0
"""The share of a shift that is forgotten with each query of the network that another processor answers."""


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


class Shift:
    """By how much a network costs more or less on a processor than it did; what other networks did not show.

    Attributes:
        mean: in ln(cost).
        variance: of that; 0 until a change was noticed.
        dearer: a sum of standardised surprises, see ``Shared.alarms``.
        cheaper: likewise.
        since: how often the processor had changed for all networks when the sums began.
    """

    __slots__ = ("cheaper", "dearer", "mean", "since", "variance")

    def __init__(self, mean: float = 0.0, variance: float = 0.0, dearer: float = 0.0, cheaper: float = 0.0) -> None:
        self.mean, self.variance, self.dearer, self.cheaper = mean, variance, dearer, cheaper
        self.since = 0

    @property
    def is_still(self) -> bool:
        """Whether it says nothing."""
        return not (self.variance or self.dearer or self.cheaper)

    def watch_since(self, changes: int) -> None:
        """Begin the sums anew if the processor has changed for all networks meanwhile."""
        if self.since != changes:
            self.dearer, self.cheaper, self.since = 0.0, 0.0, changes

    def row(self, changes: int) -> tuple[float, float, float, float]:
        """What it is made of, where the processor has changed so often for all networks."""
        sums = (self.dearer, self.cheaper) if self.since == changes else (0.0, 0.0)
        return self.mean, self.variance, *sums

    def fade(self) -> None:
        """Become more like nothing, and less certain: where nobody looks, a change may be over."""
        if self.variance:
            self.mean *= 1.0 - FADING
            self.variance += FADING * (JUMP - self.variance)

    def take_in(self, gain: float, width: float, jump: float) -> float:
        """Learn from a surprise, given over its variance, and from it; the shift's own grows by so much afterwards.

        Returns:
            What it moved by.
        """
        variance = self.variance
        moved = variance * gain
        self.mean += moved
        growth = jump + RESTLESS * self.mean * self.mean if variance else jump
        self.variance = min(variance * (1.0 - variance / width) + growth, max(variance, JUMP))
        return moved


class Network:
    """What is known of one network.

    Attributes:
        known: its tree, see ``Hierarchy``.
        queries: how many were answered.
        scale: of the tree's variances.
        level: of its targets, all together.
        shifts: of processors where a figure was striking, one a quantity.
        restless: of each quantity, how many times the processors' usual variance its single figures have.
        spacing: one of how many queries is the network's, by the last ones.
        last: of all networks' queries, which one was its last; 0 before the first.
    """

    __slots__ = ("known", "last", "level", "queries", "restless", "scale", "shifts", "spacing")

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
        self.shifts: dict[int, list[Shift]] = {}
        self.restless = [1.0] * QUANTITIES
        self.spacing, self.last = spacing, 0

    def shift(self, processor: int, quantity: int) -> Shift:
        """Its shift on a processor, from now on kept."""
        return self.shifts.setdefault(processor, [Shift() for _ in range(QUANTITIES)])[quantity]

    def moved(self, quantities: int, processors: int) -> Floats | None:
        """Mean and variance of its shifts, of the first quantities, shape (2, quantities, processors); None for 0."""
        if not any(each.variance for shifts in self.shifts.values() for each in shifts[:quantities]):
            return None
        moments = np.zeros((2, quantities, processors))
        for processor, shifts in self.shifts.items():
            moments[:, :, processor] = np.transpose([(each.mean, each.variance) for each in shifts[:quantities]])
        return moments

    def answered(self, count: int, processor: int) -> None:
        """Take in that one of its queries was answered by a processor, of all networks' the ``count``-th."""
        for other, shifts in self.shifts.items():
            if other != processor:
                for each in shifts:
                    each.fade()
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
