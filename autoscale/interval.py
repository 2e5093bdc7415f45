"""A figure with its range: the least it may be, the best estimate, the most."""

import math
from dataclasses import dataclass

from autoscale.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Interval:
    """Low, mid and high of one quantity; the unit is in the name of what holds it.

    Sums and products take the ends together: what is high is high everywhere. That is the widest a total can be, and
    so the honest one where the errors share their causes.

    Raises:
        InvalidInput: not 0 <= low <= mid <= high, or not finite.

    >>> Interval(1.0, 2.0, 4.0) * 3.0
    Interval(low=3.0, mid=6.0, high=12.0)
    >>> Interval(1.0, 2.0, 4.0) + Interval.exactly(1.0)
    Interval(low=2.0, mid=3.0, high=5.0)
    """

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.mid <= self.high < math.inf:
            raise InvalidInput(f"range is {self.low} to {self.mid} to {self.high}; allowed: rising, 0 or more, finite")

    @classmethod
    def exactly(cls, value: float) -> "Interval":
        """A figure without a range."""
        return cls(value, value, value)

    @classmethod
    def about(cls, value: float, fraction: float) -> "Interval":
        """A figure that may be off by a fraction of itself, either way.

        >>> Interval.about(100.0, 0.2)
        Interval(low=80.0, mid=100.0, high=120.0)
        """
        return cls(value * (1.0 - fraction), value, value * (1.0 + fraction))

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, factor: float) -> "Interval":
        return Interval(self.low * factor, self.mid * factor, self.high * factor)

    def times(self, other: "Interval") -> "Interval":
        """End by end; a quantity that itself has a range."""
        return Interval(self.low * other.low, self.mid * other.mid, self.high * other.high)


ZERO_INTERVAL = Interval(0.0, 0.0, 0.0)
