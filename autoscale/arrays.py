"""The arrays that the engine's numbers come in."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = Any
"""A number or an array of them: what serves one query and many has no narrower type that numpy's stubs know."""


def looked_up(table: Any, index: Numbers) -> Numbers:
    """``table.take``; for one plain index a plain number, with which Python reckons in a third of the time."""
    return table.item(index) if isinstance(index, int) else table.take(index)


def in_place(indices: Indices) -> slice | Indices:
    """Rising indices as a slice where they are neighbours: numpy reads and writes that in place, many times faster."""
    are_neighbours = len(indices) > 0 and indices[-1] - indices[0] == len(indices) - 1
    return slice(indices[0], indices[-1] + 1) if are_neighbours else indices


def exponential(power: Numbers) -> Numbers:
    """``np.exp``; of a plain number a plain number. ``math.exp`` differs from it in the last bit."""
    return float(np.exp(power)) if isinstance(power, float) else np.exp(power)


def least(one: Numbers, other: Numbers) -> Numbers:
    """``np.minimum``, which for two plain numbers takes several times as long as Python's own."""
    return min(one, other) if isinstance(one, float) and isinstance(other, float) else np.minimum(one, other)


def most(one: Numbers, other: Numbers) -> Numbers:
    """``np.maximum``, likewise."""
    return max(one, other) if isinstance(one, float) and isinstance(other, float) else np.maximum(one, other)
