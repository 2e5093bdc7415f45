"""How sure a classifier is: the distance between its first and its second class."""

from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import InvalidInput
from autoscale_runtime.backends.tensors import Array

SUMS_TO_ONE: Final = 1e-3
"""Rows that are nowhere negative and whose sum is this near to 1 are probabilities already."""


def margins(scores: Array) -> Floats:
    """Probability of the first class less that of the second, of each row.

    Args:
        scores: logits or probabilities, shape (..., classes), two classes or more.

    Returns:
        Shape (rows,), 0 to 1; 0 where a score is no finite number.

    Raises:
        InvalidInput: fewer classes.

    >>> margins(np.array([[0.7, 0.2, 0.1], [np.nan, 1.0, 0.0]])).round(3).tolist()
    [0.5, 0.0]
    """
    rows = np.asarray(scores, dtype=np.float64)
    rows = rows.reshape(-1, rows.shape[-1] if rows.ndim else 1)
    if rows.shape[1] < 2:
        raise InvalidInput(f"scores are of shape {scores.shape}; allowed: two classes or more, along the last axis")
    is_finite = np.logical_and.reduce(np.isfinite(rows), axis=1)
    rows = np.where(is_finite[:, None], rows, 0.0)
    best = np.partition(_probabilities(rows), rows.shape[1] - 2, axis=1)[:, -2:]
    return np.where(is_finite, best[:, 1] - best[:, 0], 0.0)


def classes(scores: Array) -> Array:
    """The first class of each row, shape (rows,)."""
    return np.asarray(np.asarray(scores).reshape(-1, scores.shape[-1]).argmax(axis=1))


def classes_of(label: object, rows: int, count: int) -> Array:
    """A sample's label as the classes of its rows.

    Args:
        label: a number, or one for each row.
        rows: of the sample.
        count: of the classes.

    Raises:
        InvalidInput: not one for each row, or none of the classes.
    """
    given = np.atleast_1d(np.asarray(label))
    if given.dtype.kind not in "iuf" or not ((given >= 0) & (given < count) & (given % 1 == 0)).all():
        raise InvalidInput(f"a label is {label!r}; allowed: the number of a class, 0 to {count - 1}")
    if given.size != rows:
        raise InvalidInput(f"a sample of {rows} rows has {given.size} labels; allowed: one for each row")
    return given.reshape(-1)


def _probabilities(rows: Floats) -> Floats:
    is_probable = (rows >= 0.0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1.0) < SUMS_TO_ONE)
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.where(is_probable[:, None], rows, powers / powers.sum(axis=1, keepdims=True))
