"""The floor that the offload server is measured against: gRPC and the model, and nothing else.

Run by ``benchmarks.offload`` as a process: ``python -m benchmarks.bare_grpc MODEL`` prints its port. It takes a
tensor's bytes and answers the seconds that the model took.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import grpc
import numpy as np

from autoscale.query.target import Target
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.wire.malloc import keep_freed_memory


class Bare(grpc.GenericRpcHandler):
    """Answers every call with the model's time."""

    def __init__(self, path: Path) -> None:
        self._runner = OnnxRuntime().load(path, Target("device", "cpu", "fp32", threads=1))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """The one handler."""
        return grpc.unary_unary_rpc_method_handler(self._infer)

    def _infer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        [spec] = self._runner.inputs
        array = np.frombuffer(request, np.float32).reshape([each or 1 for each in spec.shape])
        begun_s = perf_counter()
        self._runner.run(None, {spec.name: array})
        return str(perf_counter() - begun_s).encode()


def main() -> None:
    """Serve until killed."""
    keep_freed_memory()
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers([Bare(Path(sys.argv[1]))])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
