"""What ONNX Runtime's session does not take or give as arrays: bfloat16, and strings that are no text."""

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from autoscale.errors import FeedError
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, bfloat16, is_bfloat16

BFLOAT16: Final = 16
"""ONNX's number of the type."""


def run_of(session: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Callable[..., list[Array]]:
    """``run`` of a session for all tensors that these say it has; its own where that does.

    Args:
        session: ONNX Runtime's.
        inputs: of it.
        outputs: of it.
    """
    run: Callable[..., list[Array]] = session.run
    if any(is_bfloat16(each.dtype) for each in (*inputs, *outputs)):
        run = partial(_run_values, session)
    strings = [each.name for each in inputs if each.dtype.hasobject]
    return partial(_run_strings, run, strings) if strings else run


def _run_values(session: Any, names: Sequence[str] | None, feeds: Feeds, options: Any = None) -> list[Array]:
    """Through ONNX Runtime's own values, which lie on the arrays' memory."""
    held = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
    values = {name: _value(array) for name, array in held.items()}
    return [_array(each) for each in session.run_with_ort_values(names, values, options)]


def _value(array: Array) -> Any:
    from onnxruntime import OrtValue

    if is_bfloat16(array.dtype):
        return OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), BFLOAT16)
    return OrtValue.ortvalue_from_numpy(array)


def _array(value: Any) -> Array:
    if value.element_type() != BFLOAT16:
        array: Array = value.numpy()
        return array
    shape = value.shape()
    octets = ctypes.string_at(value.data_ptr(), 2 * math.prod(shape)) if math.prod(shape) else b""
    return np.frombuffer(octets, bfloat16()).reshape(shape)


def _run_strings(
    run: Callable[..., list[Array]],
    strings: Sequence[str],
    names: Sequence[str] | None,
    feeds: Mapping[str, Array],
    options: Any = None,
) -> list[Array]:
    taken = {name: _as_bytes(name, array) if name in strings else array for name, array in feeds.items()}
    return run(names, taken, options)


def _as_bytes(name: str, array: Array) -> Array:
    """An array of which some elements are ``bytes``, as the session takes those: it knows fixed lengths alone."""
    if not isinstance(array, np.ndarray) or not any(isinstance(each, bytes) for each in array.flat):
        return array
    elements = [each if isinstance(each, bytes) else str(each).encode() for each in array.flat]
    lengths = {len(each) for each in elements}
    if len(lengths) == 1 and 0 not in lengths:  # as void, since of an array of bytes it takes zeros for the end
        return np.frombuffer(b"".join(elements), f"V{lengths.pop()}").reshape(array.shape)
    if any(b"\0" in each for each in elements):
        raise FeedError(
            f"input '{name}' has strings of several lengths, of which some are not UTF-8 and some have a zero byte; "
            "allowed by ONNX Runtime's Python: UTF-8, or one length, or no zero bytes"
        )
    # One that fills its width is read beyond its end (onnxruntime 1.31).
    return np.array(elements, f"S{max(lengths) + 1}").reshape(array.shape)
