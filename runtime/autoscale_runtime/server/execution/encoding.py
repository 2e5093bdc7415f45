"""Outputs to the bytes of an answer, less its cost, which is known when it is sent.

Fields of a message may follow each other in any order, so the cost is appended then.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np

from autoscale.errors import FeedError
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.server.execution.decoding import Query
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.wire.identity import MODEL_SHA256
from autoscale_runtime.wire.tensors import datatype_of, with_raw

_RAW_OUTPUT_CONTENTS: Final = pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
_KEPT: Final = 256
_LONGEST_KEPT: Final = 256
"""Of an id, which may be as long as a message."""


def encoded(model: ServedModel, query: Query, outputs: Mapping[str, Array]) -> list[bytes | memoryview]:
    """The parts of a ModelInferResponse.

    Raises:
        FeedError: the best elements are asked for of what has none.
    """
    shown = outputs
    if query.classes:
        shown = {name: _best(model, name, array, query.classes.get(name)) for name, array in outputs.items()}
    tensors = tuple([(name, array.dtype, array.shape) for name, array in shown.items()])
    head = _head if len(query.id) <= _LONGEST_KEPT else _head.__wrapped__
    return with_raw(head(model, query.id, tensors), _RAW_OUTPUT_CONTENTS, shown.values())


@lru_cache(_KEPT)
def _head(model: ServedModel, query_id: str, tensors: tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]) -> bytes:
    """An answer but for its raw contents: a client's are alike."""
    tensor = pb.ModelInferResponse.InferOutputTensor
    return pb.ModelInferResponse(
        model_name=model.name,
        model_version=str(model.version),
        id=query_id,
        parameters={MODEL_SHA256: pb.InferParameter(string_param=model.sha256)},
        outputs=[tensor(name=name, datatype=datatype_of(dtype), shape=shape) for name, dtype, shape in tensors],
    ).SerializeToString()


def _best(model: ServedModel, name: str, array: Array, count: int | None) -> Array:
    """The array; or where its best elements are asked for, those of each row as ``value:index[:label]``."""
    if count is None:
        return array
    if array.ndim == 0 or array.dtype == object or count < 1:
        raise FeedError(
            f"the best {count} of output '{name}' are asked for; allowed: 1 or more, of a vector of numbers"
        )
    labels = model.labels.get(name, ())
    rows = array.reshape(1, -1) if array.ndim == 1 else array.reshape(array.shape[0], -1)
    count = min(count, rows.shape[1])
    order = _falling(rows)[:, :count]
    words = [[_word(row[at], int(at), labels) for at in best] for row, best in zip(rows, order, strict=True)]
    shape = (count,) if array.ndim == 1 else (array.shape[0], count)
    named = np.empty(len(words) * count, object)
    named[:] = [word for row in words for word in row]
    return named.reshape(shape)


def _falling(rows: Array) -> Array:
    """The order of each row's elements, the largest first, the first of equals first, and what is no number last."""
    if rows.dtype.kind in "iub":  # as they are: 64 bits of a whole number are more than a float holds
        last = rows.shape[1] - 1
        falling: Array = last - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1]
        return falling
    return np.argsort(-rows.astype(np.float64), axis=1, kind="stable")


def _word(value: Any, at: int, labels: tuple[str, ...]) -> str:
    shown = f"{int(value)}" if value.dtype.kind in "iub" else f"{float(value):f}"
    return f"{shown}:{at}" + (f":{labels[at]}" if at < len(labels) else "")
