"""The transport ``fast``: who listens, which calls there are, and what is swept."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import grpc

from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.admission import Admission
from autoscale_runtime.server.transports.awaited import AwaitedCall
from autoscale_runtime.server.transports.base import Exchange, Handler, Methods, Refusal, Refused, Transport
from autoscale_runtime.server.transports.fast.connection import Connection
from autoscale_runtime.server.transports.fast.exchanges import ExchangeStream
from autoscale_runtime.server.transports.fast.heads import CallHeaders, Head, Plan, head_of, metadata_of
from autoscale_runtime.server.transports.fast.home import Deadlines, Home
from autoscale_runtime.server.transports.fast.rests import Rests
from autoscale_runtime.server.transports.fast.streams import Stream, UnaryStream
from autoscale_runtime.server.transports.fast.windows import Windows
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.listening import bound
from autoscale_runtime.wire.tokens import TokenFile

_SWEPT_S: Final = 1.0
_BACKLOG: Final = 1024
_HANDSHAKE_S: Final = 20.0
_LOOKED_S: Final = 0.01
_HEARD_S: Final = 0.5
"""A client that is told to send no more has so long to say that it has heard."""
_CLOSED_S: Final = 0.5
"""And one whose connection ends so long to take leave, as TLS does."""


class FastTransport(Transport):
    """All methods, as raw bytes.

    Args:
        methods: what is answered.
        handler: who answers the queries.
        limits: of unfinished requests.
        tokens: who may call; None lets everybody.
    """

    def __init__(self, methods: Methods, handler: Handler, limits: Limits, tokens: TokenFile | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._home = Home(loop, handler, limits, Deadlines(loop), Rests(loop))
        self._admission = Admission(limits, tokens)
        self._windows = Windows(limits.max_unfinished_bytes)
        self._connections: set[Connection] = set()
        self._methods = methods
        self._names = {each: each.rpartition("/")[2] for each in (*methods.unary, *methods.streaming)}

    async def listen(self, host: str, port: int, certificates: Certificates | None = None) -> tuple[str, int]:
        """Bind an address."""
        context = None if certificates is None else certificates.context()
        address, found, socket = bound(host, port, _BACKLOG)
        self._server = await self._home.loop.create_server(
            self._connection,
            sock=socket,
            backlog=_BACKLOG,
            ssl=context,
            ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
            start_serving=False,
        )
        return address, found

    async def start(self) -> None:
        """Answer."""
        await self._server.start_serving()
        self._sweeps = self._home.loop.create_task(self._sweep())

    async def leave(self, longest_s: float) -> None:
        """Tell clients to send no more calls."""
        self._server.close()
        for each in [*self._connections]:
            each.leave()
        self._home.loop.call_later(longest_s, self._end)
        ends_s = time.monotonic() + min(_HEARD_S, longest_s)
        while not all(each.has_heard for each in self._connections) and time.monotonic() < ends_s:
            await asyncio.sleep(_LOOKED_S)

    @property
    def under_way(self) -> int:
        """Calls of one request without their answer."""
        return sum(each.under_way for each in self._connections)

    async def stop(self, grace_s: float) -> None:
        """End what is under way."""
        await self.leave(grace_s)
        ends_s = time.monotonic() + grace_s
        while self._connections and time.monotonic() < ends_s:
            await asyncio.sleep(min(grace_s, _LOOKED_S))
        self._end()
        await self._empty()  # with the last bytes on their way
        for each in [*self._connections]:
            each.abort()
        await self._empty()
        self._home.deadlines.close()
        self._sweeps.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeps

    async def _empty(self) -> None:
        """Wait a moment until no connection is left: a loop closed under one of TLS ends with an error."""
        await asyncio.sleep(0)
        ends_s = time.monotonic() + _CLOSED_S
        while self._connections and time.monotonic() < ends_s:
            await asyncio.sleep(_LOOKED_S)

    def _end(self) -> None:
        for each in [*self._connections]:
            each.end()

    def _connection(self) -> Connection:
        return Connection(self._home, self._windows, self, self._connections)

    async def _sweep(self) -> None:
        """For ever: end requests whose bodies take too long, and connections that nobody is at."""
        limits = self._home.limits
        while True:
            await asyncio.sleep(min(_SWEPT_S, limits.body_s))
            now_s = time.monotonic()
            late = Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, f"no whole request within {limits.body_s:g} s")
            for stream in self._windows:
                if stream.begun_s < now_s - limits.body_s:
                    stream.fail(late)
            for connection in [*self._connections]:
                connection.sweep(now_s)

    def planned(self, headers: CallHeaders) -> Plan:
        """What follows from a call's headers.

        Raises:
            NotGrpc: it is another protocol's.
            Refused: it cannot be understood, or there is no such method.
        """
        head = head_of(headers)
        name = self._names.get(head.method, "")
        if not name and head.method not in self._methods.beside:
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"there is no method '{head.method[:200]}'")
        return Plan(head, metadata_of(headers), name, head.method in self._methods.unary)

    def opened(self, connection: Connection, number: int, plan: Plan, allowed_s: float) -> Stream:
        """A call's stream.

        Raises:
            Refused: its caller may not call, or not now.
        """
        head, metadata, name, is_unary = plan
        now_s = time.monotonic()
        deadline_s = now_s + allowed_s
        wire, home = connection.wire, self._home
        if not name:
            beside = self._methods.beside[head.method]
            return ExchangeStream(wire, home, number, head, connection.peer, now_s, deadline_s, beside)
        client = self._admission.client(name, metadata, connection.peer, len(self._windows))
        if is_unary:
            return UnaryStream(wire, home, number, head, client, now_s, deadline_s)
        exchange = self._in_turn(head, deadline_s, lambda: self._admission.message(name, metadata, connection.peer))
        return ExchangeStream(wire, home, number, head, client, now_s, deadline_s, exchange)

    def _in_turn(self, head: Head, deadline_s: float, client: Callable[[], str]) -> Exchange:
        """Each request by itself, the next one when the last has its answer."""

        async def exchange(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for message in requests:
                call = AwaitedCall(head.method, message, client(), deadline_s, head.trace)
                yield await call.answered(self._home.handler)

        return exchange
