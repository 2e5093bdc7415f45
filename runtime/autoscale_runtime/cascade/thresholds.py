"""Which margins are enough: the thresholds that cost least among those that are accurate enough, on samples."""

from itertools import product
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats

MOST_TRIED: Final = 4096
"""So many combinations of thresholds are tried, the same number at every stage."""

ALWAYS: Final = 2.0
"""A threshold that no margin reaches: whoever asks the stage always goes on to the next."""

NEVER: Final = 0.0
"""One that every margin reaches."""


class Samples(NamedTuple):
    """What every stage said of every sample, whether or not a cascade would have asked it.

    Attributes:
        margins: of all stages but the last, shape (samples, stages - 1).
        is_right: shape (samples, stages).
        costs: of each stage by itself, in the goal's unit, shape (samples, stages).
    """

    margins: Floats
    is_right: Floats
    costs: Floats


class Chosen(NamedTuple):
    """Thresholds, and what a cascade with them comes to on the samples.

    Attributes:
        thresholds: of all stages but the last: a smaller margin goes on.
        accuracy: share of right answers.
        cost: mean of a query, all the stages that it asked.
        asked: share of the samples that each stage is asked.
    """

    thresholds: tuple[float, ...]
    accuracy: float
    cost: float
    asked: tuple[float, ...]


def choose(samples: Samples, floor: float) -> Chosen:
    """The cheapest thresholds whose answers reach the floor; the most accurate ones where none do."""
    stages = samples.costs.shape[1]
    tried = [judge(samples, each) for each in product(*(_candidates(each, stages) for each in samples.margins.T))]
    enough = [each for each in tried if each.accuracy >= floor]
    if not enough:
        return max(tried, key=lambda each: (each.accuracy, -each.cost))
    return min(enough, key=lambda each: (each.cost, -each.accuracy))


def judge(samples: Samples, thresholds: tuple[float, ...]) -> Chosen:
    """What a cascade with these thresholds comes to."""
    stages = samples.costs.shape[1]
    goes_on = np.cumprod(samples.margins < np.array(thresholds), axis=1)
    is_asked = np.column_stack([np.ones(len(goes_on)), goes_on])
    last = is_asked.sum(axis=1).astype(np.intp) - 1
    is_right = samples.is_right[np.arange(len(last)), np.minimum(last, stages - 1)]
    asked = is_asked.mean(axis=0)
    cost = float((samples.costs * is_asked).sum(axis=1).mean())
    return Chosen(tuple(map(float, thresholds)), float(is_right.mean()), cost, tuple(map(float, asked)))


def _candidates(margins: Floats, stages: int) -> list[float]:
    """Thresholds between the margins that were met, no more than all combinations allow."""
    most = max(int(MOST_TRIED ** (1.0 / max(stages - 1, 1))) - 2, 1)
    met = np.unique(margins)
    between = (met[1:] + met[:-1]) / 2
    if len(between) > most:
        between = np.quantile(between, np.linspace(0.0, 1.0, most))
    return [NEVER, *between.tolist(), ALWAYS]
