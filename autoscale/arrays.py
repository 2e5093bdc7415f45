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
    """``table.take``; for one plain index a plain number, with which Python reckons in a third of the time.

    An index that is neither, but stands for one while a formula is written down, says itself what that is.
    """
    if isinstance(index, int):
        return table.item(index)
    return index.looked_up_in(table) if hasattr(index, "looked_up_in") else table.take(index)


def row_of(table: Any, index: Numbers) -> Any:
    """The numbers of a table's row, a sequence of what ``looked_up`` gives."""
    if hasattr(index, "row_of"):
        return index.row_of(table)
    found = table.take(index, axis=0)
    return found.tolist() if found.ndim == 1 else [found[..., column] for column in range(found.shape[-1])]


def column_of(table: Any, index: Numbers) -> Any:
    """The numbers of a table's column, likewise."""
    if hasattr(index, "column_of"):
        return index.column_of(table)
    found = table.take(index, axis=1)
    return found.tolist() if found.ndim == 1 else found


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
