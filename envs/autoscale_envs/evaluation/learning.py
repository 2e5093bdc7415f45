"""Learning curves over all runs: interquartile means with intervals, by how often a network had asked before."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats
from autoscale_envs.evaluation.statistics import ConfidenceInterval, interval

GROWTH: Final = 1.35
"""Each stretch of a curve is longer than the one before by this factor: what is learned first is learned fast."""
RESAMPLES: Final = 400


class Stretch(NamedTuple):
    """Some queries of a network, the first one being 1, and what was spent in them beyond the oracle's.

    Attributes:
        first: its first query.
        last: its last.
        excess: the interquartile mean over runs of each run's mean there, as a fraction, with its 95 % interval.
    """

    first: int
    last: int
    excess: ConfidenceInterval


def learning_curve(curves: Sequence[Floats]) -> list[Stretch]:
    """The curve of one contestant.

    Args:
        curves: of each cell, see ``metrics.curves``: shape (runs, visits), the runs as many in each.
    """
    shortest = min(each.shape[1] for each in curves)
    found = np.stack([each[:, :shortest] for each in curves])
    return [
        Stretch(first + 1, last, interval(np.nanmean(found[:, :, first:last], axis=2), RESAMPLES))
        for first, last in stretches(shortest)
        if not np.isnan(found[:, :, first:last]).all(axis=2).any()
    ]


def stretches(queries: int) -> list[tuple[int, int]]:
    """Where each begins and ends, counted from 0, the end not being part of it.

    >>> stretches(8)
    [(0, 1), (1, 2), (2, 3), (3, 5), (5, 8)]
    """
    found, first, length = [], 0, 1.0
    while first < queries:
        last = min(first + int(length), queries)
        found.append((first, last))
        first, length = last, length * GROWTH
    return found
