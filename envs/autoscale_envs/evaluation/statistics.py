"""Aggregates that a few lucky runs cannot move, and how sure one may be of them.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021, arXiv 2108.13264):
the interquartile mean over all runs of all tasks, with percentile intervals of a bootstrap that resamples the runs of
each task by themselves.
"""

from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
AT_ONCE: Final = 1_000_000
"""Scores resampled together, to bound memory."""


class ConfidenceInterval(NamedTuple):
    """An interquartile mean and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def interquartile_mean(scores: Floats) -> Floats:
    """The mean of the middle half along the last axis; a quarter, rounded down, is cut at each end."""
    count = scores.shape[-1]
    cut = count // 4
    if cut == 0:
        return np.asarray(scores.mean(axis=-1))
    middle = np.partition(scores, (cut, count - cut - 1), axis=-1)[..., cut : count - cut]
    return np.asarray(middle.mean(axis=-1))


def interval(scores: Floats, resamples: int = RESAMPLES, seed: int = 0, at_once: int = AT_ONCE) -> ConfidenceInterval:
    """The interquartile mean of all scores with its stratified-bootstrap interval.

    Args:
        scores: finite, shape (tasks, runs).
        resamples: how many times the runs of every task are drawn anew, with replacement.
        seed: of the drawing.
        at_once: scores that are drawn at a time, which bounds the memory.
    """
    rng = np.random.default_rng(seed)
    step = max(at_once // scores.size, 1)
    counts = [min(step, resamples - done) for done in range(0, resamples, step)]
    means = np.concatenate([interquartile_mean(_resampled(scores, count, rng)) for count in counts])
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return ConfidenceInterval(float(interquartile_mean(scores.ravel())), float(low), float(high))


def geometric_mean(scores: Floats) -> float:
    """Of all scores, above 0."""
    return float(np.exp(np.log(scores).mean()))


def _resampled(scores: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Each task's runs drawn anew ``count`` times, shape (count, tasks * runs)."""
    tasks, runs = scores.shape
    drawn = rng.integers(runs, size=(count, tasks, runs))
    return scores[np.arange(tasks)[:, None], drawn].reshape(count, -1)
