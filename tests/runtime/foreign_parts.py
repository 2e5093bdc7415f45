"""A server of another maker: it speaks the protocol, runs a real model, and reports nothing of its own accord."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import onnxruntime as ort

from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.wire.tensors import datatype_of, raw_of, tensors_of


class Foreign(grpc.GenericRpcHandler):
    """One model under every name; another may take its place while it serves.

    Attributes:
        version: as it reports it; empty for not at all.
        queries: how many it answered.
    """

    def __init__(self, path: Path, version: str = "") -> None:
        self.version = version
        self.queries = 0
        self.load(path)

    def load(self, path: Path) -> None:
        """Serve this file from now on."""
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Queries are answered; every other call with an empty message, as whoever knows of no tensors would."""
        if handler_call_details.method.endswith("/ModelInfer"):
            return grpc.unary_unary_rpc_method_handler(lambda request, _: self._answer(request))
        return grpc.unary_unary_rpc_method_handler(lambda _, __: b"")

    def _answer(self, raw: bytes) -> bytes:
        self.queries += 1
        request = pb.ModelInferRequest.FromString(raw)
        session = self._session
        names = [each.name for each in request.outputs] or [each.name for each in session.get_outputs()]
        arrays = session.run(names, tensors_of(request.inputs, request.raw_input_contents))
        answer = pb.ModelInferResponse(model_name=request.model_name, model_version=self.version)
        for name, array in zip(names, arrays, strict=True):
            answer.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
            answer.raw_output_contents.append(raw_of(array))
        return answer.SerializeToString()


@contextmanager
def foreign(handler: Foreign, port: int = 0) -> Iterator[str]:
    """Its address, while it serves."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers([handler])
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()
