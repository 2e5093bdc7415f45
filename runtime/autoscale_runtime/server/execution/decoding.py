"""A request's bytes to feeds: what its head says is held against the model before its contents are touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from autoscale.errors import FeedError, one_of
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Feeds, TensorSpec, check_feeds
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.wire.alike import Alike
from autoscale_runtime.wire.head import Bytes, without
from autoscale_runtime.wire.tensors import datatype_of, tensors_of

CLASSIFICATION: Final = "classification"
"""The parameter of a requested output that asks for its best elements."""

_IN_SHARED_MEMORY: Final = "shared_memory_region"
_MOST_DIMENSIONS: Final = 64

_KEPT: Final = 256


class Query(NamedTuple):
    """A request, decoded.

    Attributes:
        id: comes back with the answer.
        feeds: input name to array, views of the request.
        names: outputs asked for, or all.
        classes: how many of an output's best elements are asked for, by the output's name.
    """

    id: str
    feeds: Feeds
    names: list[str]
    classes: dict[str, int]


def decoded(model: ServedModel, message: Bytes) -> Query:
    """Decode a ModelInferRequest for a model.

    Raises:
        FeedError: it is none, or not one for this model.
    """
    known = _requests_of(model).of(message)
    head = known.value
    if head.layout is None:
        return _read(model, head, [memoryview(message)[begin:end] for _, begin, end in known.raw])
    feeds = {}
    for each, (_, begin, _) in zip(head.layout, known.raw, strict=True):
        feeds[each.name] = np.frombuffer(message, each.dtype, each.size, begin).reshape(each.shape)
    return Query(head.id, feeds, head.names, head.classes)


@lru_cache(_KEPT)
def _requests_of(model: ServedModel) -> "Alike[_Head]":
    """The kinds of requests that a model has had: of one kind, all have raw contents of the same lengths."""
    return Alike(lambda message, raw: _Head.of(model, without(message, raw)))


def _read(model: ServedModel, head: "_Head", raw: Sequence[memoryview]) -> Query:
    feeds = tensors_of(head.inputs, raw)
    check_feeds(model.inputs, feeds)
    if raw and not any(array.dtype.kind in "Ob" for array in feeds.values()):  # of those, contents are looked at
        head.layout = [_Place(name, array.dtype, array.shape, array.size) for name, array in feeds.items()]
    return Query(head.id, feeds, head.names, head.classes)


class _Place(NamedTuple):
    """An input, as it was found good."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int


@dataclass(slots=True)
class _Head:
    """A request but for its raw contents, held against its model.

    Attributes:
        id: as of ``Query``, like ``names`` and ``classes``.
        inputs: as they travel.
        layout: of raw contents that were found good; None before, and where they are strings.
    """

    id: str
    names: list[str]
    classes: dict[str, int]
    inputs: Sequence[pb.ModelInferRequest.InferInputTensor]
    layout: list[_Place] | None = None

    @classmethod
    def of(cls, model: ServedModel, told: bytes) -> "_Head":
        try:
            request = pb.ModelInferRequest.FromString(told)
        except DecodeError as error:
            raise FeedError("the request is no ModelInferRequest") from error
        _check_declared(model.inputs, request.inputs)
        names = _asked(model, request)
        classes = {
            each.name: each.parameters[CLASSIFICATION].int64_param
            for each in request.outputs
            if CLASSIFICATION in each.parameters
        }
        return cls(request.id, names or [each.name for each in model.outputs], classes, request.inputs)


def _asked(model: ServedModel, request: pb.ModelInferRequest) -> list[str]:
    """The outputs that a request names."""
    names = [each.name for each in request.outputs]
    for each in request.outputs:
        one_of("output", each.name, [spec.name for spec in model.outputs], FeedError)
        _check_memory("output", each.name, each.parameters)
    if len({*names}) != len(names):
        raise FeedError(f"an output is asked for twice: {', '.join(names[:8])}; allowed: each name once")
    return names


def _check_declared(specs: Sequence[TensorSpec], inputs: Sequence[pb.ModelInferRequest.InferInputTensor]) -> None:
    """Raise FeedError where a name, a data type or a shape is not the model's."""
    known = {spec.name: spec for spec in specs}
    for each in inputs:
        _check_memory("input", each.name, each.parameters)
        if len(each.shape) > _MOST_DIMENSIONS:
            count = len(each.shape)
            raise FeedError(f"input '{each.name}' has {count} dimensions; allowed: up to {_MOST_DIMENSIONS}")
        spec = known.get(each.name)
        if spec is not None and each.datatype != datatype_of(spec.dtype):
            raise FeedError(f"input '{each.name}' is {each.datatype}; allowed: {datatype_of(spec.dtype)}, as {spec}")
        if spec is not None and not _admits(spec, each.shape):
            raise FeedError(f"input '{each.name}' has the shape {list(each.shape)}; allowed: {spec}")


def _admits(spec: TensorSpec, shape: Sequence[int]) -> bool:
    return len(shape) == len(spec.shape) and all(
        have >= 0 and want in (None, have) for want, have in zip(spec.shape, shape, strict=True)
    )


def _check_memory(what: str, name: str, parameters: object) -> None:
    if _IN_SHARED_MEMORY in parameters:  # type: ignore[operator]  # a map of the message
        raise FeedError(f"{what} '{name}' is in shared memory, which this server does not take; allowed: raw contents")
