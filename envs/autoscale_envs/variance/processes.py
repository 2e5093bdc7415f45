"""The two stochastic processes that every source of variance is made of.

Both work on blocks: the innovations of ``queries`` successive queries of ``n`` environments come in, their paths go
out. They compute element by element, so a path does not depend on which environments are computed beside it.
"""

import math
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices

Flags = npt.NDArray[np.bool_]

FEWEST_BY_ROWS: Final = 64
"""Environments below which a call a query costs more than it gains."""


def correlation(step_s: float, memory_s: float) -> float:
    """The correlation of neighbours ``step_s`` apart in a process that forgets with time constant ``memory_s``."""
    return math.exp(-step_s / memory_s) if memory_s > 0.0 else 0.0


def gauss_markov(normals: Floats, previous: Floats, rho: Floats) -> Floats:
    """Gauss-Markov processes of mean 0 and variance 1; Gaussian and independent where ``rho`` is 0.

    ``x[t] = rho x[t-1] + sqrt(1 - rho^2) e[t]``

    Args:
        normals: innovations, shape (queries, processes, n).
        previous: the values before the first, shape (processes, n).
        rho: correlation of neighbours, 0 to below 1, shape (processes,).

    Returns:
        Shape (queries, processes, n).
    """
    kept = rho[:, None]
    path = np.sqrt(1.0 - kept * kept) * normals
    held = np.empty_like(path[0])
    for now in path:
        now += np.multiply(kept, previous, out=held)
        previous = now
    return path


def regimes(uniforms: Floats, previous: Indices, switch: float, cumulative: Floats) -> Indices:
    """A process that keeps its regime, and now and then draws a new one.

    Args:
        uniforms: shape (queries, n).
        previous: the regime before the first, shape (n,).
        switch: the probability that a query finds a newly drawn regime, above 0.
        cumulative: cumulative weights of the regimes, the last one 1, shape (regimes,).

    Returns:
        Indices of regimes, shape (queries, n).
    """
    is_new = uniforms < switch
    # By number: few are new, and picking by flags numpy goes through all of them each time.
    at = np.flatnonzero(is_new)
    # One uniform decides both: below ``switch`` it is, rescaled, uniform again.
    drawn = np.searchsorted(cumulative, uniforms.take(at) / switch, side="right")
    # When a regime was drawn stands above which it is, so the greatest of all up to a query is the one that holds. Each
    # pass looks twice as far back: a few passes over all, where a pass a query would have as many calls as queries.
    last, queries = len(cumulative) - 1, len(uniforms)
    bits = last.bit_length()
    marks = np.zeros(uniforms.shape, dtype=np.int32)
    marks[0] = previous
    marks.put(at, np.minimum(drawn, last))
    marks += is_new * (np.arange(1, queries + 1, dtype=np.int32) << bits)[:, None]
    for power in range((queries - 1).bit_length()):
        marks[1 << power :] = np.maximum(marks[1 << power :], marks[: -1 << power])
    return (marks & ((1 << bits) - 1)).astype(np.intp)


def times(steps: Floats, first: Floats) -> Floats:
    """When each query is asked, and the one after the last, in double precision: shape (queries + 1, n).

    Args:
        steps: from each to the next, shape (queries, n).
        first: when the first is, shape (n,).

    >>> times(np.array([[1.0], [2.0], [3.0]]), np.array([0.5])).ravel()
    array([0.5, 1.5, 3.5, 6.5])
    """
    # A day in single precision is only known to ms. Of many, rows lie together: ``np.cumsum`` takes ten times as long.
    asked = np.concatenate([first[None], steps], dtype=np.float64)
    if len(first) < FEWEST_BY_ROWS:
        return np.cumsum(asked, axis=0)
    for before, now in pairwise(asked):
        now += before
    return asked
