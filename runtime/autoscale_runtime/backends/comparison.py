"""How two answers to one query compare, before any tolerance: their shapes, and where they are infinite or no number.

Infinity and NaN are answers like others where the reference gives them too.
"""

from collections.abc import Sequence

import numpy as np

from autoscale_runtime.backends.tensors import Array


def other_shape(reference: Sequence[Array], outputs: Sequence[Array]) -> str | None:
    """Where an output has another shape than the reference's; None where all have the same."""
    for one, other in zip(reference, outputs, strict=True):
        if one.shape != other.shape:
            return f"its answer has shape {other.shape}, the reference's {one.shape}"
    return None


def is_finite(outputs: Sequence[Array]) -> bool:
    """Whether no output holds infinity or NaN."""
    return all(bool(np.isfinite(each).all()) for each in outputs if each.dtype.kind == "f")


def other_finiteness(reference: Sequence[Array], outputs: Sequence[Array]) -> str | None:
    """Where one holds infinity or NaN and the other, of the same shape, does not; None where they hold the same."""
    for one, other in zip(reference, outputs, strict=True):
        if one.dtype.kind != "f" or other.dtype.kind != "f":
            continue
        odd = ~(np.isfinite(one) & np.isfinite(other))
        with np.errstate(invalid="ignore"):  # bytes of something else may be a signalling NaN, which is to be told
            left, right = one[odd].astype(np.float64), other[odd].astype(np.float64)
        differs = ~((left == right) | (np.isnan(left) & np.isnan(right)))
        if differs.any():
            at = int(differs.argmax())
            return (
                f"its answer has {right[at]:g} where the reference's has {left[at]:g}: both must be finite, or neither"
            )
    return None


def repeats(reference: Sequence[Array], again: Sequence[Array], tolerance: float = 1e-3) -> bool:
    """Whether a second answer of one target to the same query is the first, up to the order of its sums.

    Args:
        reference: the first.
        again: the second, as many outputs.
        tolerance: of each value, and of an output's largest.
    """
    return all(_repeats(one, other, tolerance) for one, other in zip(reference, again, strict=True))


def _repeats(one: Array, other: Array, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = one[np.isfinite(one)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance * largest, equal_nan=True))
