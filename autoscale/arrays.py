"""The arrays that the engine's numbers come in."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = Any
"""A number or an array of them: what serves one query and many has no narrower type that numpy's stubs know."""


def least(one: Numbers, other: Numbers) -> Numbers:
    """``np.minimum``, which for two plain numbers takes several times as long as Python's own."""
    return min(one, other) if isinstance(one, float) and isinstance(other, float) else np.minimum(one, other)


def most(one: Numbers, other: Numbers) -> Numbers:
    """``np.maximum``, likewise."""
    return max(one, other) if isinstance(one, float) and isinstance(other, float) else np.maximum(one, other)
