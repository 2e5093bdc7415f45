"""``grpc.health.v1`` and server reflection, so that probes, balancers and grpcurl know the server and its models."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from autoscale.errors import MissingExtra
from autoscale_runtime.server.transports.base import Exchange, Refused

_REFLECTION: Final = "grpc.reflection.v1.ServerReflection"
"""The same messages as of v1alpha, under the name that newer clients ask for."""


class Health:
    """Who is SERVING: the server as a whole, its service, and each model by its name.

    The package's own servicer for asyncio is not used: a watcher that does not read would hold up whoever tells of a
    change, and one that leaves takes the others' news along.

    Attributes:
        methods: of both services, by full name.

    Args:
        service: the full name of the queries' own.

    Raises:
        MissingExtra: the packages of the extra ``serve`` are not installed.
    """

    methods: Mapping[str, Exchange]

    def __init__(self, service: str) -> None:
        try:
            from grpc_health.v1 import health, health_pb2
            from grpc_reflection.v1alpha import reflection
        except ImportError as error:
            package = "grpcio-reflection" if "reflection" in str(error) else "grpcio-health-checking"
            raise MissingExtra(package, "serve", "the offload server") from error
        self._messages: Any = health_pb2
        self._answer = health_pb2.HealthCheckResponse
        self._serving = dict.fromkeys(("", service), True)
        self._changed = asyncio.Event()
        self._is_leaving = False
        reflect = _reflecting((service, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION))
        own = {"Check": self._check, "Watch": self._watch, "List": self._list}
        self.methods = {f"{health.SERVICE_NAME}/{name}": each for name, each in own.items()} | {
            f"{name}/ServerReflectionInfo": reflect for name in (reflection.SERVICE_NAME, _REFLECTION)
        }

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

    async def _check(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """How a service is now."""
        service = await self._asked(requests)
        if service not in self._serving:
            raise Refused(grpc.StatusCode.NOT_FOUND, "nothing of that name is served")
        yield self._told(self._status(service))

    async def _watch(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """How a service is now, and each time that changes."""
        service, last = await self._asked(requests), None
        while True:
            changed, status = self._changed, self._status(service)
            if status != last:
                yield self._told(status)
                last = status
            await changed.wait()

    async def _list(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """How all are."""
        async for _ in requests:
            break
        statuses = {name: self._answer(status=self._status(name)) for name in self._serving}
        yield self._messages.HealthListResponse(statuses=statuses).SerializeToString()

    async def _asked(self, requests: AsyncIterator[bytes]) -> str:
        async for message in requests:
            return str(_parsed(self._messages.HealthCheckRequest, message).service)
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request")

    def _told(self, status: Any) -> bytes:
        return bytes(self._answer(status=status).SerializeToString())

    def _status(self, service: str) -> Any:
        known = self._serving.get(service)
        if known is None:
            return self._answer.SERVICE_UNKNOWN
        return self._answer.SERVING if known else self._answer.NOT_SERVING

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _reflecting(names: tuple[str, ...]) -> Exchange:
    """What describes these services."""
    from grpc_reflection.v1alpha import reflection, reflection_pb2

    servicer: Any = reflection.aio.ReflectionServicer(names)

    async def exchange(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async def asked() -> AsyncIterator[Message]:
            async for message in requests:
                yield _parsed(reflection_pb2.ServerReflectionRequest, message)

        async for answer in servicer.ServerReflectionInfo(asked(), None):
            yield answer.SerializeToString()

    return exchange


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError as error:
        text = f"the request is no {kind.DESCRIPTOR.name}"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, text) from error
