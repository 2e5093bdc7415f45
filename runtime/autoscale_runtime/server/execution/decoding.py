"""A request's bytes to feeds: what its head says is held against the model before its contents are touched."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from autoscale.errors import FeedError, one_of
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Feeds, TensorSpec, check_feeds
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.wire.head import Bytes, without_raw
from autoscale_runtime.wire.tensors import datatype_of, tensors_of

CLASSIFICATION: Final = "classification"
"""The parameter of a requested output that asks for its best elements."""

_IN_SHARED_MEMORY: Final = "shared_memory_region"
_MOST_DIMENSIONS: Final = 64


class Query(NamedTuple):
    """A request, decoded.

    Attributes:
        id: comes back with the answer.
        feeds: input name to array, views of the request.
        names: outputs asked for; None for all.
        classes: how many of an output's best elements are asked for, by the output's name.
    """

    id: str
    feeds: Feeds
    names: list[str] | None
    classes: dict[str, int]


def decoded(model: ServedModel, message: Bytes) -> Query:
    """Decode a ModelInferRequest for a model.

    Raises:
        FeedError: it is none, or not one for this model.
    """
    head, raw = without_raw(message)
    try:
        request = pb.ModelInferRequest.FromString(head)
    except DecodeError as error:
        raise FeedError("the request is no ModelInferRequest") from error
    _check_declared(model.inputs, request.inputs)
    names = [each.name for each in request.outputs]
    for each in request.outputs:
        one_of("output", each.name, [spec.name for spec in model.outputs], FeedError)
        _check_memory("output", each.name, each.parameters)
    if len({*names}) != len(names):
        raise FeedError(f"an output is asked for twice: {', '.join(names[:8])}; allowed: each name once")
    feeds = tensors_of(request.inputs, raw)
    check_feeds(model.inputs, feeds)
    classes = {
        each.name: each.parameters[CLASSIFICATION].int64_param
        for each in request.outputs
        if CLASSIFICATION in each.parameters
    }
    return Query(request.id, feeds, names or None, classes)


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
