"""An input or output of a LiteRT file: its name, and its arithmetic where it is quantised."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.errors import UnsupportedModel
from autoscale_runtime.backends.tensors import Array, TensorSpec

NUMERIC: Final = "fiub"
"""Kinds of numpy dtypes that a query can carry."""

REAL: Final = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class LiteRTTensor:
    """One tensor of the interpreter.

    Attributes:
        spec: as the caller sees it: as the file stores it, unless ``real`` says otherwise.
        index: the interpreter's number for it.
        stored: the dtype in the file.
        scale: real value of one step, or 0 where the tensor is not quantised.
        zero_point: the stored value that stands for 0.
    """

    spec: TensorSpec
    index: int
    stored: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, detail: Mapping[str, Any], name: str, path: Path) -> "LiteRTTensor":
        """Read the interpreter's details of a tensor.

        Raises:
            UnsupportedModel: its dtype is not a number or a truth value.
        """
        stored = np.dtype(detail["dtype"])
        scale, zero_point = detail["quantization"]
        if stored.kind not in NUMERIC:
            raise UnsupportedModel(f"'{path}': '{name}' is {stored}; allowed: numbers and truth values")
        # Files written without a signature of shapes have the shape alone.
        lengths = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
        shape = tuple(None if length < 0 else int(length) for length in lengths)
        return cls(TensorSpec(name, stored, shape), int(detail["index"]), stored, float(scale), int(zero_point))

    def named(self, name: str) -> "LiteRTTensor":
        """The same under another name."""
        return replace(self, spec=replace(self.spec, name=name))

    def fitted(self, spec: TensorSpec) -> "LiteRTTensor":
        """In real values where a quantised tensor stands for a network's float32 one; else as it is."""
        fits = self.scale and spec.dtype == REAL
        return replace(self, spec=replace(self.spec, dtype=REAL)) if fits else self

    def write(self, array: Array) -> Array:
        """The caller's values as the file stores them: of real ones ``round(x / scale) + zero_point``, clipped."""
        if self.spec.dtype == self.stored:
            return array
        limits = np.iinfo(self.stored)
        steps: Array = np.rint(array / np.float32(self.scale)) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(self.stored)

    def read(self, array: Array) -> Array:
        """The file's values as the caller sees them: real ones are ``(q - zero_point) * scale``."""
        if self.spec.dtype == self.stored:
            return array
        return (array.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
