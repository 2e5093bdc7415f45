"""gRPC's own asyncio server: a call takes no thread, neither while its body comes in nor while it waits."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, TypeAlias

import grpc
import grpc.aio

from autoscale.errors import Overloaded
from autoscale.units import SECONDS_PER_YEAR
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Call, Handler, Trailers, shortened
from autoscale_runtime.wire.status import trailers_of
from autoscale_runtime.wire.tokens import TokenFile

_Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_SWEPT_S: Final = 1.0
_KEEPALIVE_MS: Final = 60_000
_IDLE_MS: Final = 3_600_000

OPEN: Final = frozenset({"ServerLive", "ServerReady"})
"""What probes ask without a token."""

ADMIN: Final = frozenset({"RepositoryModelLoad", "RepositoryModelUnload"})
COUNTED: Final = frozenset({"ModelInfer", "ModelStreamInfer"})


class Refusal(NamedTuple):
    """An error as it travels."""

    code: grpc.StatusCode
    text: str
    trailers: Trailers = ()


class AioCall(Call):
    """A call of gRPC's, answered through a future that its coroutine waits for."""

    __slots__ = ("answer",)

    def __init__(self, method: str, message: bytes, client: str, deadline_s: float) -> None:
        super().__init__(method, message, client, deadline_s)
        self.answer: asyncio.Future[bytes | Refusal] = asyncio.get_running_loop().create_future()

    def reply(self, message: bytes) -> None:
        """Answer it."""
        if not self.answer.done():
            self.answer.set_result(message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error."""
        if not self.answer.done():
            self.answer.set_result(Refusal(code, shortened(text), trailers))


class AioTransport(grpc.GenericRpcHandler):
    """All methods of one service, as raw bytes.

    Args:
        service: the full name.
        unary: its methods of one request and one answer.
        streaming: those of many, each answered by itself and in order.
        handler: who answers.
        limits: of unfinished requests.
        tokens: who may call; None lets everybody.
    """

    def __init__(
        self,
        service: str,
        unary: frozenset[str],
        streaming: frozenset[str],
        handler: Handler,
        limits: Limits,
        tokens: TokenFile | None = None,
    ) -> None:
        self._handler, self._limits = handler, limits
        self._tokens = tokens
        self._unfinished: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._methods = {f"/{service}/{name}": self._unary_handler(f"{service}/{name}") for name in unary}
        self._methods |= {f"/{service}/{name}": self._stream_handler(f"{service}/{name}") for name in streaming}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Method | None":
        """The handler of a method; None for one that is not the service's."""
        return self._methods.get(handler_call_details.method)

    @property
    def unfinished(self) -> int:
        """Requests whose bodies are on their way."""
        return len(self._unfinished)

    async def sweep(self) -> None:
        """For ever: end requests whose bodies take too long."""
        while True:
            await asyncio.sleep(min(_SWEPT_S, self._limits.body_s))
            oldest_s = time.monotonic() - self._limits.body_s
            for task in [task for task, begun_s in self._unfinished.items() if begun_s < oldest_s]:
                self._late.add(task)
                task.cancel()

    def _unary_handler(self, method: str) -> _Method:
        # As a stream of requests, of which the first counts: so the head is seen before the body is there.
        async def answer(_requests: AsyncIterator[bytes], context: Any) -> bytes:
            client = await self._admitted(method, context)
            message = await self._whole(context)
            call = AioCall(method, message, client, _deadline(context))
            return await self._answered(call, context)

        return grpc.stream_unary_rpc_method_handler(answer)

    def _stream_handler(self, method: str) -> _Method:
        async def answer(requests: AsyncIterator[bytes], context: Any) -> None:
            client = await self._admitted(method, context)
            async for message in requests:
                call = AioCall(method, message, client, _deadline(context))
                await context.write(await self._answered(call, context))

        return grpc.stream_stream_rpc_method_handler(answer)

    async def _admitted(self, method: str, context: Any) -> str:
        """Who calls, where it may."""
        if len(self._unfinished) >= self._limits.max_unfinished:
            text = f"{len(self._unfinished)} requests are on their way; allowed: {self._limits.max_unfinished}"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        name = method.rpartition("/")[2]
        if self._tokens is None or name in OPEN:
            return _peer(context)
        try:
            client = self._tokens.client(context.invocation_metadata() or ())
            if name in ADMIN and not client.is_admin:
                text = f"client '{client.name}' may not change what is served; allowed: one with admin = true"
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
            if name in COUNTED:
                client.take(time.monotonic())
        except PermissionError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
            raise
        except Overloaded as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), trailers_of(error))
            raise
        return client.name

    async def _whole(self, context: Any) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._unfinished[task] = time.monotonic()
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no whole request within {self._limits.body_s} s")
        finally:
            del self._unfinished[task]
            self._late.discard(task)
        if message is grpc.aio.EOF:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request")
        return message  # type: ignore[no-any-return]

    async def _answered(self, call: AioCall, context: Any) -> bytes:
        self._handler.request(call)
        try:
            answer = await call.answer
        except asyncio.CancelledError:
            call.left()
            raise
        if isinstance(answer, Refusal):
            await context.abort(answer.code, answer.text, tuple(answer.trailers))
        return answer  # type: ignore[return-value]  # abort raises


def options(limits: Limits) -> tuple[tuple[str, int], ...]:
    """What gRPC is told of the limits."""
    return (
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # answers are held to the limit where they are made
        ("grpc.max_concurrent_streams", limits.max_streams),
        ("grpc.so_reuseport", 0),  # else a second server on the same port takes half of the queries, silently
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
    )


def _peer(context: Any) -> str:
    return str(context.peer())


def _deadline(context: Any) -> float:
    left_s = context.time_remaining()
    # A caller without a deadline has, to gRPC, some centuries left.
    return math.inf if left_s is None or left_s > SECONDS_PER_YEAR else time.monotonic() + max(left_s, 0.0)
