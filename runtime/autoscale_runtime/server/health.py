"""``grpc.health.v1`` and server reflection, so that probes, balancers and grpcurl know the server and its models."""

import asyncio
from typing import Any, Final

import grpc
import grpc.aio

from autoscale.errors import MissingExtra

_REFLECTION: Final = "grpc.reflection.v1.ServerReflection"
"""The same messages as of v1alpha, under the name that newer clients ask for."""


class Health:
    """Who is SERVING: the server as a whole, its service, and each model by its name.

    The package's own servicer for asyncio is not used: a watcher that does not read would hold up whoever tells of a
    change, and one that leaves takes the others' news along.

    Args:
        server: gRPC's, not started.
        service: its full name.

    Raises:
        MissingExtra: the packages of the extra ``serve`` are not installed.
    """

    def __init__(self, server: grpc.aio.Server, service: str) -> None:
        try:
            from grpc_health.v1 import health, health_pb2, health_pb2_grpc
            from grpc_reflection.v1alpha import reflection
        except ImportError as error:
            package = "grpcio-reflection" if "reflection" in str(error) else "grpcio-health-checking"
            raise MissingExtra(package, "serve", "the offload server") from error
        self._answer = health_pb2.HealthCheckResponse
        self._serving = dict.fromkeys(("", service), True)
        self._changed = asyncio.Event()
        self._is_leaving = False
        health_pb2_grpc.add_HealthServicer_to_server(self, server)
        names = (service, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION)
        reflection.enable_server_reflection(names, server)
        _reflect(server, reflection.aio.ReflectionServicer(names))

    def set(self, name: str, is_serving: bool) -> None:
        """A model is served from now on, or no longer."""
        self._serving.setdefault(name, is_serving)
        if name and not self._is_leaving:
            self._serving[name] = is_serving
        self._tell()

    def leave(self) -> None:
        """Nobody is, from now on."""
        self._is_leaving = True
        self._serving = dict.fromkeys(self._serving, False)
        self._tell()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  the protocol's name
        """How a service is now."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nothing of that name is served")
        return self._answer(status=self._status(request.service))

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """How a service is now, and each time that changes."""
        last: Any = None
        while True:
            changed, status = self._changed, self._status(request.service)
            if status != last:
                await context.write(self._answer(status=status))
                last = status
            await changed.wait()

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802
        """How all are."""
        from grpc_health.v1 import health_pb2

        statuses = {name: self._answer(status=self._status(name)) for name in self._serving}
        return health_pb2.HealthListResponse(statuses=statuses)

    def _status(self, service: str) -> Any:
        known = self._serving.get(service)
        if known is None:
            return self._answer.SERVICE_UNKNOWN
        return self._answer.SERVING if known else self._answer.NOT_SERVING

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _reflect(server: grpc.aio.Server, servicer: Any) -> None:
    from grpc_reflection.v1alpha import reflection_pb2 as messages

    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=messages.ServerReflectionRequest.FromString,
        response_serializer=messages.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(_REFLECTION, {"ServerReflectionInfo": method})
    server.add_generic_rpc_handlers((handler,))
