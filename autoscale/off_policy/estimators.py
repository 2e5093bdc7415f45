"""What a policy would have cost, from a log of another: inverse propensity, self-normalised, doubly robust.

With w = p / q, the policy's chance of what was chosen over the logged one:

- IPS = mean(w y) (Horvitz and Thompson 1952): unbiased, of great variance;
- SNIPS = sum(w y) / sum(w) (Swaminathan and Joachims 2015): a little biased, of far less variance;
- DR = mean(sum_a p(a) m(a) + w (y - m(chosen))) (Dudik, Langford and Li 2011), m being a model of the outcome: unbiased
  whatever the model, and of the less variance the better that is.

Each is a ratio of sums over parts of the log that tell independently of each other: single queries here, a region's
hours in the fleet's report. Intervals of single queries are Student's, with as many degrees of freedom as the weights
leave (Kish's effective sample size less one): few heavy weights are few queries.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % confidence interval, in the unit of what was given."""

    mean: float
    low: float
    high: float

    def within(self, least: float, most: float) -> "Estimate":
        """The same, where what is estimated cannot lie outside of two values."""
        return Estimate(*(min(max(each, least), most) for each in (self.mean, self.low, self.high)))


def effective_queries(weights: Floats) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2; 0 where no weight is above 0.

    >>> import numpy as np
    >>> effective_queries(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    squares = float(weights @ weights)
    return 0.0 if squares == 0.0 else float(weights.sum()) ** 2 / squares


class Ratio(NamedTuple):
    """A ratio of sums and its standard error, infinite where there are fewer than two parts."""

    mean: float
    error: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """Sums over the parts of a log, each of shape (parts,).

    Attributes:
        queries: how many a part has.
        weights: the sum of their p / q.
        values: of that times what came of each.
        expected: of what a model says the policy would have cost.
        modelled: of the weights times what the model says of what was chosen.
    """

    queries: Floats
    weights: Floats
    values: Floats
    expected: Floats
    modelled: Floats

    def estimates(self) -> dict[str, Ratio]:
        """What a query would have cost, by the name of each estimator; not all weights are 0."""
        return {
            "ips": _ratio(self.values, self.queries),
            "snips": _ratio(self.values, self.weights),
            "doubly_robust": _ratio(self.expected + (self.values - self.modelled), self.queries),
        }


def estimated(weights: Floats, values: Floats, expected: Floats, modelled: Floats) -> dict[str, Estimate]:
    """Of single queries, by the name of each estimator; all of shape (queries,).

    Args:
        weights: p / q of what was chosen, not all 0.
        values: what came of it.
        expected: what a model says the policy would have cost.
        modelled: what the model says of what was chosen.
    """
    parts = Weighed(np.ones(weights.size), weights, weights * values, expected, weights * modelled)
    return {name: _interval(found, weights, values) for name, found in parts.estimates().items()}


def mean_of(values: Floats) -> Estimate:
    """The mean of what happened, shape (queries,)."""
    ones = np.ones(values.size)
    return _interval(_ratio(values, ones), ones, values)


def _ratio(above: Floats, below: Floats) -> Ratio:
    """By Taylor's expansion (Cochran 1977, Sampling Techniques, 6.3); summed exactly, in whatever order."""
    whole, count = math.fsum(below), above.size
    mean = math.fsum(above) / whole
    if count < 2:
        return Ratio(mean, math.inf)
    squares = math.fsum((above - mean * below) ** 2)
    return Ratio(mean, math.sqrt(squares * count / (count - 1)) / whole)


def _interval(found: Ratio, weights: Floats, values: Floats) -> Estimate:
    """Multiplicative where all values have one sign: of weighted costs a few are very large, none is below 0."""
    mean, freedom = found.mean, effective_queries(weights) - 1.0
    if values.size < 2 or freedom <= 0.0:
        return Estimate(mean, -math.inf, math.inf)
    half = student_quantile(freedom) * found.error
    if mean * values.min() > 0.0 and mean * values.max() > 0.0:
        factor = math.exp(half / abs(mean))
        return Estimate(mean, *sorted((mean / factor, mean * factor)))
    return Estimate(mean, mean - half, mean + half)


def student_quantile(freedom: float) -> float:
    """The two-sided 95 % point of Student's t, by Hill's expansion (1970, CACM algorithm 396) around the normal's.

    >>> round(student_quantile(10.0), 2), round(student_quantile(1e9), 2)
    (2.23, 1.96)
    """
    if freedom < 3.0:  # where the expansion ends: the points of 1 and 2 degrees, between them on the safe side
        return 12.71 if freedom < 2.0 else 4.30
    z = 1.959963984540054
    terms = (
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
        (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
