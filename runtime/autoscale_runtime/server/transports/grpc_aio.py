"""gRPC's own asyncio server: a call takes no thread, neither while its body comes in nor while it waits."""

import asyncio
import contextlib
import gc
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio

from autoscale.errors import AutoScaleError
from autoscale.units import SECONDS_PER_YEAR
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.admission import Admission
from autoscale_runtime.server.transports.awaited import AwaitedCall
from autoscale_runtime.server.transports.base import (
    TRACE_CONTEXT,
    Exchange,
    Handler,
    Methods,
    Refusal,
    Refused,
    Transport,
)
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.listening import listen
from autoscale_runtime.wire.tokens import TokenFile

_Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_LOG: Final = logging.getLogger("autoscale.server")

_SWEPT_S: Final = 1.0
_AGAIN_S: Final = 0.05
_QUIET_S: Final = 0.1
_QUIET_IDLE_S: Final = 0.05
"""Of a server whose callers all have their answers."""

_LONGEST_KEPT_S: Final = 2.0
_KEEPALIVE_MS: Final = 60_000
_IDLE_MS: Final = 3_600_000


class AioTransport(Transport, grpc.GenericRpcHandler):
    """All methods, as raw bytes.

    Args:
        methods: what is answered.
        handler: who answers the queries.
        limits: of unfinished requests.
        tokens: who may call; None lets everybody.
    """

    def __init__(self, methods: Methods, handler: Handler, limits: Limits, tokens: TokenFile | None = None) -> None:
        self._handler, self._limits = handler, limits
        self._admission = Admission(limits, tokens)
        self._unfinished: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._methods = {f"/{name}": self._unary_handler(name) for name in methods.unary}
        self._methods |= {f"/{name}": self._stream_handler(name) for name in methods.streaming}
        self._methods |= {f"/{name}": _beside_handler(exchange) for name, exchange in methods.beside.items()}
        self._is_leaving = self._was_ended = False
        self._under_way, self._shown_s, self._kept_until_s = 0, 0.0, 0.0
        self._answers_go = asyncio.Event()
        self._answers_go.set()
        self._bind: Callable[[grpc.aio.Server], object]

    async def listen(self, host: str, port: int, certificates: Certificates | None = None) -> tuple[str, int]:
        """Bind an address."""
        credentials = None if certificates is None else certificates.credentials()
        self._server = self._made()
        address, found = listen(self._server, host, port, credentials)
        self._bind = lambda server: listen(server, host, found, credentials)
        return address, found

    async def start(self) -> None:
        """Answer."""
        await self._server.start()
        loop = asyncio.get_running_loop()
        self._tasks += [loop.create_task(self._sweep()), loop.create_task(self._supervise())]

    async def leave(self, longest_s: float) -> None:
        """Tell clients to send no more calls.

        With that gRPC's core ends those that it has not shown us yet, of a burst nearly all. So answers are kept back
        until no more come, or one is due: callers who wait send nothing more, the core has shown all it had, and its
        word goes out before the answers do.
        """
        self._answers_go.clear()
        self._shown_s = time.monotonic()
        self._kept_until_s = self._shown_s + min(_LONGEST_KEPT_S, longest_s / 2)
        while time.monotonic() < min(self._shown_s + self._quiet_s(), self._kept_until_s):
            await asyncio.sleep(_QUIET_IDLE_S / 2)
        self._is_leaving = True
        self._tasks.append(asyncio.get_running_loop().create_task(self._server.stop(longest_s)))
        await asyncio.sleep(0)
        self._answers_go.set()
        await asyncio.sleep(_QUIET_IDLE_S / 2)  # who was shown last is under way now

    def _quiet_s(self) -> float:
        return _QUIET_S if self._under_way else _QUIET_IDLE_S

    @property
    def under_way(self) -> int:
        """Calls of one request without their answer."""
        return self._under_way

    async def stop(self, grace_s: float) -> None:
        """End what is under way; a second stop shortens the first one's time."""
        if not self._is_leaving:
            await self.leave(grace_s)
        # A server that a caller has just ended, see _supervise, says so here again.
        try:
            await self._server.stop(grace_s)
        except UnicodeDecodeError:
            self._was_ended = True
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, UnicodeDecodeError):
                await task
        if self._was_ended:  # what is left of such servers asks for the loop once more when it goes
            del self._server
            gc.collect()
            await asyncio.sleep(0)

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=options(self._limits))
        server.add_generic_rpc_handlers((self,))
        return server

    async def _supervise(self) -> None:
        """For ever: gRPC's server ends when a method's name is not UTF-8 (grpcio 1.85); another takes its place."""
        while not self._is_leaving:
            try:
                await self._server.wait_for_termination()
            except UnicodeDecodeError as error:
                self._was_ended = True
                _LOG.error("gRPC's server ended, since a caller named a method that is no text: %s", error)
            if self._is_leaving:
                return
            try:
                server = self._made()
                self._bind(server)
                await server.start()
                self._server = server
            except AutoScaleError as error:
                _LOG.error("it cannot listen again yet: %s", error)
                await asyncio.sleep(_AGAIN_S)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Method | None":
        """The handler of a method; None for one that is not the service's."""
        self._shown_s = time.monotonic()
        return self._methods.get(handler_call_details.method)

    async def _sweep(self) -> None:
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
            self._under_way += 1
            try:
                # Elsewhere, since gRPC keeps the frame of one that aborts: with it the request's bytes would stay.
                answer = await self._answered(method, context)
                await self._may_go(context)
                return await _abort(context, answer) if isinstance(answer, Refusal) else answer
            finally:
                self._under_way -= 1

        return grpc.stream_unary_rpc_method_handler(answer)

    async def _answered(self, method: str, context: Any) -> bytes | Refusal:
        try:
            client = self._client(method, context)
            message = await self._whole(context)
            call = AwaitedCall(method, message, client, _deadline(context), _trace(context))
            return await call.answered(self._handler)
        except Refused as error:
            return error.refusal

    async def _may_go(self, context: Any) -> None:
        """Wait while answers are kept back, see ``leave``."""
        if not self._answers_go.is_set():
            self._kept_until_s = min(self._kept_until_s, _deadline(context) - _QUIET_S)
            await self._answers_go.wait()

    def _stream_handler(self, method: str) -> _Method:
        async def answer(requests: AsyncIterator[bytes], context: Any) -> None:
            try:
                self._client(method, context)
                name, metadata, peer = _facts(method, context)
                async for message in requests:
                    client = self._admission.message(name, metadata, peer)
                    call = AwaitedCall(method, message, client, _deadline(context), _trace(context))
                    await context.write(await call.answered(self._handler))
            except Refused as error:
                await _abort(context, error.refusal)

        return grpc.stream_stream_rpc_method_handler(answer)

    def _client(self, method: str, context: Any) -> str:
        """Who calls, where it may."""
        return self._admission.client(*_facts(method, context), len(self._unfinished))

    async def _whole(self, context: Any) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._unfinished[task] = time.monotonic()
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            text = f"no whole request within {self._limits.body_s:g} s"
            raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None
        finally:
            del self._unfinished[task]
            self._late.discard(task)
        if message is grpc.aio.EOF:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request")
        return message  # type: ignore[no-any-return]


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


def _beside_handler(exchange: Exchange) -> _Method:
    async def answer(requests: AsyncIterator[bytes], context: Any) -> None:
        try:
            async for message in exchange(requests):
                await context.write(message)
        except Refused as error:
            await _abort(context, error.refusal)

    return grpc.stream_stream_rpc_method_handler(answer)


async def _abort(context: Any, refusal: Refusal) -> NoReturn:
    await context.abort(refusal.code, refusal.text, tuple(refusal.trailers))
    raise AssertionError("abort raises")


def _facts(method: str, context: Any) -> tuple[str, Any, str]:
    """The method's name without its service, the call's metadata and its connection."""
    return method.rpartition("/")[2], context.invocation_metadata() or (), str(context.peer())


def _trace(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if key in TRACE_CONTEXT}


def _deadline(context: Any) -> float:
    left_s = context.time_remaining()
    # A caller without a deadline has, to gRPC, some centuries left.
    return math.inf if left_s is None or left_s > SECONDS_PER_YEAR else time.monotonic() + max(left_s, 0.0)
