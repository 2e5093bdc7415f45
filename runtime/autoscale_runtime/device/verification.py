"""Whether a target's answer is one to be trusted: it must agree with the reference target's."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from autoscale_runtime.backends.comparison import other_finiteness, other_shape
from autoscale_runtime.backends.tensors import Array

LEAST_COSINE: Final = 0.9
"""Between the answers of two targets, as vectors; right int8 variants stay above 0.95, broken ones near 0."""


class Reference:
    """The answer to which others are held, and whether its values mean anything.

    Args:
        answer: all outputs of the reference target.
        is_random: asked once, when values first disagree: whether the network draws at random. Then no two answers
            have to be alike, and shapes alone are compared.
    """

    def __init__(self, answer: Sequence[Array], is_random: Callable[[], bool] = lambda: False) -> None:
        self.answer = answer
        self._ask = is_random
        self._is_random: bool | None = None

    @property
    def is_random(self) -> bool:
        """Whether the network draws at random."""
        if self._is_random is None:
            self._is_random = self._ask()
        return self._is_random

    @property
    def found_random(self) -> bool:
        """Whether somebody had to ask, and it does."""
        return bool(self._is_random)

    def disagreement(self, outputs: Sequence[Array]) -> str | None:
        """Why an answer cannot be trusted, or None where it agrees."""
        reason = other_shape(self.answer, outputs)
        if reason is not None:
            return reason
        reason = disagreement(self.answer, outputs)
        return None if reason is None or self.is_random else reason


def disagreement(reference: Sequence[Array], outputs: Sequence[Array]) -> str | None:
    """How an answer differs from the reference's in more than precision, or None where it does not."""
    reason = other_shape(reference, outputs) or other_finiteness(reference, outputs)
    if reason is not None:
        return reason
    for one, other in zip(reference, outputs, strict=True):
        if one.dtype.kind != "f" or one.size == 0:
            continue
        left, right = _finite(one), _finite(other)
        length = float(np.linalg.norm(left) * np.linalg.norm(right))
        cosine = float(left @ right) / length if length else 1.0
        if cosine < LEAST_COSINE:
            return f"its answer has a cosine of {cosine:.2f} with the reference's; allowed: {LEAST_COSINE} or more"
    return None


def _finite(array: Array) -> Array:
    values = array.ravel().astype(np.float64)
    return values[np.isfinite(values)]
