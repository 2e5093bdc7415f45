"""A collector of OpenTelemetry on loopback, that keeps the traces and metrics it receives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import grpc
import pytest

_OTLP: Final = "opentelemetry.proto.collector"


@contextmanager
def collector(received: list[Any]) -> Iterator[str]:
    """``host:port`` of one; the requests it receives are added to the list."""

    def export(request: Any, context: grpc.ServicerContext) -> bytes:
        received.append(request)
        return b""  # as an answer that has nothing to say

    server = grpc.server(ThreadPoolExecutor(1))
    for signal in ("Trace", "Metrics"):
        room = f"{_OTLP}.{signal.lower()}.v1"
        messages = pytest.importorskip(f"{room}.{signal.lower()}_service_pb2")
        read = getattr(messages, f"Export{signal}ServiceRequest").FromString
        methods = {"Export": grpc.unary_unary_rpc_method_handler(export, read)}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(f"{room}.{signal}Service", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
