"""An input or output of a LiteRT file: its name, and its arithmetic where it is quantised."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.errors import UnsupportedModel
from autoscale_runtime.backends.tensors import Array, TensorSpec

NUMERIC: Final = "fiub"
"""Kinds of numpy dtypes that a query can carry."""


@dataclass(frozen=True, slots=True)
class LiteRTTensor:
    """One tensor of the interpreter.

    Attributes:
        spec: as the caller sees it: float32 where the file quantises.
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
    def of(cls, detail: Mapping[str, Any], named: Mapping[int, str], path: Path) -> "LiteRTTensor":
        """Read the interpreter's details of a tensor.

        Raises:
            UnsupportedModel: its dtype is not a number or a truth value.
        """
        stored = np.dtype(detail["dtype"])
        scale, zero_point = detail["quantization"]
        name = named.get(detail["index"]) or _plain(detail["name"])
        if stored.kind not in NUMERIC:
            raise UnsupportedModel(f"'{path}': '{name}' is {stored}; allowed: numbers and truth values")
        # Files written without a signature of shapes have the shape alone.
        lengths = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
        shape = tuple(None if length < 0 else int(length) for length in lengths)
        seen = np.dtype(np.float32) if scale else stored
        return cls(TensorSpec(name, seen, shape), int(detail["index"]), stored, float(scale), int(zero_point))

    def write(self, array: Array) -> Array:
        """The caller's values as the file stores them: ``round(x / scale) + zero_point``, clipped."""
        if not self.scale:
            return array
        limits = np.iinfo(self.stored)
        steps: Array = np.rint(array / np.float32(self.scale)) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(self.stored)

    def read(self, array: Array) -> Array:
        """The file's values as the caller sees them: ``(q - zero_point) * scale``."""
        if not self.scale:
            return array
        return (array.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").removesuffix(":0")
