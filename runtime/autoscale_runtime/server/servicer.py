"""The Open Inference Protocol over gRPC: messages to calls of the data plane, errors to statuses."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import grpc

from autoscale.errors import AutoScaleError
from autoscale.units import SECONDS_PER_YEAR, us_from_s
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceServicer
from autoscale_runtime.server.dataplane import EXTENSIONS, NAME, VERSION, DataPlane, InferRequest, InferResult
from autoscale_runtime.wire.identity import MODEL_SHA256
from autoscale_runtime.wire.parameters import parameters_of
from autoscale_runtime.wire.status import code_of
from autoscale_runtime.wire.tensors import datatype_of, metadata_of, raw_of, tensors_of

Request = TypeVar("Request")
Response = TypeVar("Response")
Call = Callable[["InferenceServicer", Request, grpc.ServicerContext], Response]


def _with_status(call: Call[Request, Response]) -> Call[Request, Response]:
    """Answer an error of ours with its status; a foreign one is gRPC's to report, as UNKNOWN."""

    @wraps(call)
    def answered(self: "InferenceServicer", request: Request, context: grpc.ServicerContext) -> Response:
        try:
            return call(self, request, context)
        except AutoScaleError as error:
            context.abort(code_of(error), str(error))

    return answered


class InferenceServicer(GRPCInferenceServiceServicer):
    """``inference.GRPCInferenceService``."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def ServerLive(  # noqa: N802  the protocol's name, as those below
        self, request: pb.ServerLiveRequest, context: grpc.ServicerContext
    ) -> pb.ServerLiveResponse:
        """Yes: it answers."""
        return pb.ServerLiveResponse(live=True)

    def ServerReady(  # noqa: N802
        self, request: pb.ServerReadyRequest, context: grpc.ServicerContext
    ) -> pb.ServerReadyResponse:
        """Yes: models are loaded before the port opens."""
        return pb.ServerReadyResponse(ready=True)

    def ModelReady(  # noqa: N802
        self, request: pb.ModelReadyRequest, context: grpc.ServicerContext
    ) -> pb.ModelReadyResponse:
        """Whether the model is served."""
        return pb.ModelReadyResponse(ready=self._plane.has(request.name, request.version))

    def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ServerMetadataResponse:
        """Name, version, extensions."""
        return pb.ServerMetadataResponse(name=NAME, version=VERSION, extensions=EXTENSIONS)

    @_with_status
    def ModelMetadata(  # noqa: N802
        self, request: pb.ModelMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ModelMetadataResponse:
        """Versions, inputs and outputs of a model."""
        model = self._plane.model(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=[str(each) for each in self._plane.models[model.name]],
            platform=model.platform,
            inputs=[metadata_of(each) for each in model.runner.inputs],
            outputs=[metadata_of(each) for each in model.runner.outputs],
        )

    @_with_status
    def ModelInfer(  # noqa: N802
        self, request: pb.ModelInferRequest, context: grpc.ServicerContext
    ) -> pb.ModelInferResponse:
        """Run one query."""
        query = InferRequest(
            request.model_name,
            request.model_version,
            tensors_of(request.inputs, request.raw_input_contents),
            [each.name for each in request.outputs] or None,
            _time_left(context),
        )

        def on_leaving(leave: Callable[[], None]) -> None:
            if not context.add_callback(leave):
                leave()

        return _response(request.id, self._plane.infer(query, on_leaving))


def _time_left(context: grpc.ServicerContext) -> float | None:
    left_s = context.time_remaining()
    # A caller without a deadline has, to gRPC, some centuries left.
    return None if left_s is None or left_s > SECONDS_PER_YEAR else max(left_s, 0.0)


def _parameters(result: InferResult) -> dict[str, pb.InferParameter]:
    cost = parameters_of(result.cost, us_from_s(result.queue_s), us_from_s(result.compute_s))
    return cost | {MODEL_SHA256: pb.InferParameter(string_param=result.model.sha256)}


def _response(request_id: str, result: InferResult) -> pb.ModelInferResponse:
    tensor = pb.ModelInferResponse.InferOutputTensor
    return pb.ModelInferResponse(
        model_name=result.model.name,
        model_version=str(result.model.version),
        id=request_id,
        parameters=_parameters(result),
        outputs=[
            tensor(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
            for name, array in result.outputs.items()
        ],
        raw_output_contents=[raw_of(array) for array in result.outputs.values()],
    )
