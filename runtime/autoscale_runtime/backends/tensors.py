"""Names, dtypes and shapes of a network's inputs and outputs, and the checks against them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autoscale.errors import FeedError, WrongAnswer, listing, nearest
from autoscale.extras import package

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: as the graph names it.
        dtype: numpy's dtype; ``object`` for strings, ``bfloat16()`` for that.
        shape: a dimension is an int, or None where the graph leaves it open.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def admits(self, array: Array) -> bool:
        """Whether an array has this dtype and a shape this spec allows."""
        return (
            array.dtype == self.dtype
            and array.ndim == len(self.shape)
            and all(want is None or want == have for want, have in zip(self.shape, array.shape, strict=True))
        )

    @property
    def nbytes(self) -> int:
        """Bytes of one such tensor, an open dimension counted as 1; strings count as 0."""
        if self.dtype == object:
            return 0
        size = int(np.prod([1 if each is None else each for each in self.shape], dtype=np.int64))
        return size * self.dtype.itemsize

    def __str__(self) -> str:
        shape = "x".join("?" if each is None else str(each) for each in self.shape) or "scalar"
        return f"'{self.name}': {self.dtype}[{shape}]"


def bfloat16() -> np.dtype[Any]:
    """bfloat16 as a dtype of numpy's: that of the package ``ml_dtypes``, which onnx and JAX have for it.

    Raises:
        MissingExtra: it is not installed.
    """
    known = package("ml_dtypes", "prepare", "tensors of bfloat16", "ml-dtypes")
    dtype: np.dtype[Any] = np.dtype(known.bfloat16)
    return dtype


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is bfloat16; ``ml_dtypes`` need not be installed."""
    return dtype.kind == "V" and dtype.name == "bfloat16"


def check_feeds(specs: Sequence[TensorSpec], feeds: Feeds) -> None:
    """Raise unless the feeds are what the inputs ask for.

    Raises:
        FeedError: a name that is unknown or missing, a wrong dtype or a wrong shape.
    """
    names = [spec.name for spec in specs]
    for name in feeds:
        if name not in names:
            raise FeedError(f"no input is named '{name}'{nearest(str(name), names)}; inputs: {listing(names)}")
    for spec in specs:
        if spec.name not in feeds:
            raise FeedError(f"input {spec} is missing; given: {listing(feeds) or 'nothing'}")
        array = feeds[spec.name]
        if not isinstance(array, np.ndarray):
            raise FeedError(f"input '{spec.name}' is a {type(array).__name__}; allowed: a numpy array for {spec}")
        if not spec.admits(array):
            shape = "x".join(map(str, array.shape)) or "scalar"
            raise FeedError(f"input '{spec.name}' is {array.dtype}[{shape}]; allowed: {spec}")


def check_outputs(specs: Sequence[TensorSpec], outputs: Mapping[str, Array]) -> None:
    """Raise unless an answer has the outputs of its model. Infinity and NaN are answers like others.

    Raises:
        WrongAnswer: an output is missing, or has another dtype or shape.
    """
    for spec in specs:
        array = outputs.get(spec.name)
        if array is None:
            raise WrongAnswer(f"the answer lacks output {spec}; it has {listing(outputs) or 'nothing'}")
        if not spec.admits(array):
            shape = "x".join(map(str, array.shape)) or "scalar"
            raise WrongAnswer(f"output '{spec.name}' came back as {array.dtype}[{shape}]; the model gives {spec}")
