"""The arrays that the engine's numbers come in."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Numbers: TypeAlias = Any
"""A number or an array of them: what serves one query and many has no narrower type that numpy's stubs know."""
