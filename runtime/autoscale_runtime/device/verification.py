"""Verification of a target's answer: it must agree with the reference target's."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from autoscale_runtime.backends.comparison import other_finiteness, other_shape
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query

LEAST_COSINE: Final = 0.9
"""Between an output of two targets, as vectors around their means: scores that are all high are alike in nothing else.
Right int8 variants stay above 0.95, broken ones near 0."""

NEAR: Final = 1e-2
NEAR_SAME: Final = 1e-4
"""Relative distance within which two outputs are the same, of two precisions and of one: what remains is rounding."""

FAR: Final = 0.1
"""Relative distance beyond which an output is not that of a constant reference."""

MOST_DIFFERENT: Final = 0.01
MOST_ROUNDED: Final = 0.5
"""Share of integers, booleans or strings that may differ: near ties fall otherwise on other machines, and more of them
in another precision."""

RETRAINED: Final = 0.05
"""Relative distance, around its mean, beyond which an output in the same precision is that of other weights, however
alike: a machine that computes in bfloat16, or rounds int8 its own way, stays within it; one trained on does not."""

FEW: Final = 8
"""Fewer values than these may agree by chance."""

Ask: TypeAlias = Callable[[Query], Sequence[Array]]
"""A query to its right answer; it may raise TargetError."""


class Reference:
    """The answer to which others are held, and whether its values mean anything.

    Args:
        answer: all outputs of the reference target, or what gives them when they are first needed.
        is_random: asked once, when values first disagree: whether the network draws at random. Then no two answers
            have to be alike, and shapes alone are compared.
        ask: gives the right answer to another query, or raises TargetError; None where nobody here can.
    """

    def __init__(
        self,
        answer: Sequence[Array] | Callable[[], Sequence[Array]],
        is_random: Callable[[], bool] = lambda: False,
        ask: "Ask | None" = None,
    ) -> None:
        self._given = answer
        self.ask = ask
        self._ask = is_random
        self._is_random: bool | None = None

    @property
    def answer(self) -> Sequence[Array]:
        """All outputs of the reference target; whoever has to be asked for them first may raise TargetError."""
        given = self._given
        if callable(given):
            given = self._given = given()
        return given

    def kept(self) -> Callable[[], Sequence[Array]]:
        """What gives the answer, whatever becomes of arrays that somebody else has too."""
        if callable(self._given):
            return lambda: self.answer
        copies = tuple(each.copy() for each in self._given)
        return lambda: copies

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

    def disagreement(self, outputs: Sequence[Array], is_same: bool = False) -> str | None:
        """Why an answer fails verification, or None where it agrees; arguments as for the function."""
        reason = other_shape(self.answer, outputs)
        if reason is not None:
            return reason
        reason = disagreement(self.answer, outputs, is_same)
        if reason is None and is_same:  # twice the answer, or one beside it, has its direction
            pairs = [pair for pair in zip(self.answer, outputs, strict=True) if is_much(pair[0])]
            reason = next(filter(None, (retrained(*pair) for pair in pairs)), None)
        return None if reason is None or self.is_random else reason


def disagreement(reference: Sequence[Array], outputs: Sequence[Array], is_same: bool = False) -> str | None:
    """How an answer differs from the reference's in more than precision, or None where it does not.

    Args:
        reference: the right answer.
        outputs: the answer in question, as many.
        is_same: whether both come of one model in one precision, where next to nothing may differ. Else a few values
            say little: where a precision rounds otherwise, the arg-max of a near tie is another.
    """
    reason = other_shape(reference, outputs) or other_finiteness(reference, outputs)
    if reason is not None:
        return reason
    return next(filter(None, (differing(*pair, is_same) for pair in zip(reference, outputs, strict=True))), None)


def differing(reference: Array, output: Array, is_same: bool) -> str | None:
    """How one output differs from the reference's of the same shape; arguments as for ``disagreement``."""
    if reference.dtype.kind != "f":
        wrong, allowed = int((reference != output).sum()), MOST_DIFFERENT if is_same else MOST_ROUNDED
        if wrong <= allowed * reference.size or not (is_same or is_much(reference)):
            return None
        return f"{wrong} of the {reference.size} values of an output are not the reference's"
    left, right = _finite(reference), _finite(output)
    size, error = float(np.linalg.norm(left)), float(np.linalg.norm(left - right))
    if error <= (NEAR_SAME if is_same else NEAR) * size:
        return None
    if not is_same and (is_constant(reference) or not is_much(reference)):
        return _other_direction(left, right)
    if is_constant(reference):
        if error <= FAR * size or error <= NEAR_SAME * left.size**0.5:
            return None
        return f"its answer lies {error / size if size else error:.2g} away from the reference's; allowed: {FAR}"
    return _other_direction(left - left.mean(), right - right.mean())


def retrained(reference: Array, output: Array) -> str | None:
    """How far one output lies from the reference's of the same precision, where no rounding brings it; else None."""
    if reference.dtype.kind != "f" or is_constant(reference):
        return None
    left, right = _finite(reference), _finite(output)
    distance = float(np.linalg.norm(left - right) / np.linalg.norm(left - left.mean()))
    if distance <= RETRAINED:
        return None
    return f"its answer lies {distance:.2g} away from the reference's in the same precision; allowed: {RETRAINED}"


def is_constant(array: Array) -> bool:
    """Whether nothing can be seen by an output: all its values are one, up to what rounding may do."""
    if array.dtype.kind != "f":
        return array.size == 0 or bool((array == array.flat[0]).all())
    values = _finite(array)
    return values.size == 0 or bool(np.linalg.norm(values - values.mean()) <= NEAR_SAME * np.linalg.norm(values))


def is_much(array: Array) -> bool:
    """Whether an output has enough values for chance to be left out."""
    return array.size >= FEW


def _other_direction(left: Array, right: Array) -> str | None:
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    cosine = float(left @ right) / length if length else float(not left.any())
    if cosine >= LEAST_COSINE:
        return None
    return f"its answer has a cosine of {cosine:.2f} with the reference's; allowed: {LEAST_COSINE} or more"


def _finite(array: Array) -> Array:
    values = array.ravel().astype(np.float64)
    return values[np.isfinite(values)]
