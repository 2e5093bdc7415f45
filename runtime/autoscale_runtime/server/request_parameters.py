"""What a request's own parameters ask of whoever serves it."""

import math
import time
from typing import Final

from autoscale.errors import FeedError
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.server.execution.job import Job
from autoscale_runtime.wire.tensors import varint

_MOST_PARAMETERS: Final = 64
_LEAST_PRIORITY: Final = 1 << 32


def obey(job: Job, parameters: tuple[bytes, ...]) -> None:
    """What a request's parameters say of how it is to be served: ``priority``, and ``timeout`` in microseconds.

    Raises:
        FeedError: they make no sense, or ask for a sequence.
    """
    if len(parameters) > _MOST_PARAMETERS:
        raise FeedError(f"the request has {len(parameters)} parameters; allowed: up to {_MOST_PARAMETERS}")
    read = pb.ModelInferRequest()
    for each in parameters:
        tag = bytes([pb.ModelInferRequest.PARAMETERS_FIELD_NUMBER << 3 | 2])
        read.MergeFromString(tag + varint(len(each)) + each)
    for name in ("sequence_id", "sequence_start", "sequence_end"):
        if name in read.parameters and _whole(read, name):
            raise FeedError(f"the request has a '{name}'; allowed: none, since no model of this server keeps sequences")
    if "priority" in read.parameters:
        job.priority = min(_whole(read, "priority") or _LEAST_PRIORITY, _LEAST_PRIORITY)
    if "timeout" in read.parameters and (timeout_us := _whole(read, "timeout")) > 0:
        job.deadline_s = min(job.deadline_s, time.monotonic() + timeout_us / 1e6)


def _whole(request: pb.ModelInferRequest, name: str) -> int:
    parameter = request.parameters[name]
    value = getattr(parameter, parameter.WhichOneof("parameter_choice") or "int64_param")
    try:
        return int(value) if math.isfinite(float(value)) else 0
    except ValueError as error:
        if name.startswith("sequence"):
            return 1
        raise FeedError(f"parameter '{name}' is '{str(value)[:40]}'; allowed: a whole number") from error
