"""Whether a target's answer is one to be trusted: it must agree with the reference target's."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale_runtime.backends.tensors import Array

LEAST_COSINE: Final = 0.9
"""Between the answers of two targets, as vectors; right int8 variants stay above 0.95, broken ones near 0."""


def disagreement(reference: Sequence[Array], outputs: Sequence[Array]) -> str | None:
    """Why an answer cannot be trusted, or None where it agrees with the reference's."""
    for one, other in zip(reference, outputs, strict=True):
        if one.shape != other.shape:
            return f"its answer has shape {other.shape}, the reference's {one.shape}"
        if one.dtype.kind != "f" or one.size == 0:
            continue
        left, right = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
        if not np.isfinite(right).all():
            return "its answer is not finite"
        length = float(np.linalg.norm(left) * np.linalg.norm(right))
        cosine = float(left @ right) / length if length else 1.0
        if cosine < LEAST_COSINE:
            return f"its answer has a cosine of {cosine:.2f} with the reference's; allowed: {LEAST_COSINE} or more"
    return None
