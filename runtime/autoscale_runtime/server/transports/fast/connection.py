"""One client's connection: bytes of the socket to calls, and back. HTTP/2 itself is libnghttp2's (``ngh2``)."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import ngh2

from autoscale_runtime.server.transports.base import Refused
from autoscale_runtime.server.transports.fast.heads import TIMEOUT, CallHeaders, NotGrpc, Plan, alone_headers, timeout_s
from autoscale_runtime.server.transports.fast.home import Home
from autoscale_runtime.server.transports.fast.messages import PREFIX_BYTES
from autoscale_runtime.server.transports.fast.outgoing import GONE, Outgoing
from autoscale_runtime.server.transports.fast.streams import Stream, UnaryStream
from autoscale_runtime.server.transports.fast.windows import FIRST_BYTES, Windows

_MOST_UNWRITTEN_BYTES: Final = 1 << 20
_MOST_HEADERS_BYTES: Final = 16 << 10

_FRAME_BYTES: Final = 128 << 10
_OWED_BYTES: Final = FIRST_BYTES // 2
"""So much of a long message at a time is accounted for, and its window opened again."""

_WINDOW_BYTES: Final = 1 << 30
"""Of a connection: what may lie here is bounded by the windows of its streams."""

_GREETING_S: Final = 20.0
_KEEPALIVE_S: Final = 60.0
_PONG_S: Final = 20.0
_IDLE_S: Final = 3600.0

_LEAVING: Final = b"leaving "
"""Of the ping that is answered by a client who has heard so; eight bytes."""

_CONFIGURATION: Final = ngh2.Configuration(
    auto_window_update=False,
    max_inbound_header_count=128,
    # Deadlines of honest clients come as resets, by the hundred where a server is overloaded.
    stream_reset_rate_limit=(10_000, 1_000),
)

_MOST_PLANS: Final = 8


class Calls(Protocol):
    """Whom a connection asks what to make of a call."""

    def planned(self, headers: CallHeaders) -> Plan:
        """What follows from its headers; raises ``NotGrpc`` or ``Refused``."""

    def opened(self, connection: "Connection", number: int, plan: Plan, allowed_s: float) -> Stream:
        """Its stream, of a caller who allows so long; raises ``Refused``."""


class Connection(asyncio.BufferedProtocol):
    """Of one client. For the event loop.

    Attributes:
        peer: who it is.
        wire: what its calls speak through.
        has_heard: the client knows that it is to send no more calls: what it sent before is here.

    Args:
        home: of all calls.
        windows: of all connections.
        calls: makes the streams.
        all_open: of a transport; it is in there while it is open.
    """

    def __init__(self, home: Home, windows: Windows, calls: Calls, all_open: set["Connection"]) -> None:
        self.peer = ""
        self._home, self._windows, self._calls, self._all_open = home, windows, calls, all_open
        self._http = ngh2.Connection(ngh2.Role.SERVER, _CONFIGURATION)
        self._streams: dict[int, Stream] = {}
        self._plans: dict[CallHeaders, Plan] = {}
        self._timeout_at = 0
        self._opened: Stream | None = None
        self.wire = Outgoing(self._http, home.loop, windows, self._handle_events)
        self.has_heard = self._is_leaving = self._is_greeted = False
        self._heard_s = time.monotonic()
        self._pinged_s = self._paused_s = math.inf

    def connection_made(self, transport: Any) -> None:  # uvloop's are no asyncio.Transport by class
        """The socket is there, and with TLS its handshake done."""
        self._transport: asyncio.Transport = transport
        self.wire.transport = transport
        self._all_open.add(self)
        self.peer = _named(transport.get_extra_info("peername"))
        secured = transport.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            transport.abort()
            return
        transport.set_write_buffer_limits(_MOST_UNWRITTEN_BYTES)
        self._http.initiate_connection(
            {
                ngh2.Setting.MAX_CONCURRENT_STREAMS: self._home.limits.max_streams,
                ngh2.Setting.INITIAL_WINDOW_SIZE: FIRST_BYTES,
                ngh2.Setting.MAX_FRAME_SIZE: _FRAME_BYTES,
                ngh2.Setting.MAX_HEADER_LIST_SIZE: _MOST_HEADERS_BYTES,
            }
        )
        self._http.set_local_window_size(_WINDOW_BYTES)
        self.wire.write()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        return self._home.inbox

    def buffer_updated(self, nbytes: int) -> None:
        """Some bytes have come."""
        self._heard_s = time.monotonic()
        try:
            self._http.receive_data(self._home.inbox[:nbytes])
        except ngh2.NGH2Error:  # another protocol, or an attack: there is nobody to answer
            self._transport.abort()
            return
        self.wire.hold()  # whatever these events lead to is written below, at once
        self._handle_events()
        self.wire.write_held()
        refusal, self.wire.refusal = self.wire.refusal, None
        if refusal is not None and not self._windows.awaits(self.wire):  # a long message takes many turns to be read
            self._home.rests.after(refusal, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and everybody in it."""
        streams, self._streams = [*self._streams.values()], {}
        for stream in streams:
            self._windows.whole(stream)
            stream.close()
        self._all_open.discard(self)
        self.wire.close()

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self.wire.is_paused, self._paused_s = True, time.monotonic()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.wire.is_paused, self._paused_s = False, math.inf
        self.wire.write()

    @property
    def under_way(self) -> int:
        """Calls of one request that are open."""
        return sum(isinstance(each, UnaryStream) for each in self._streams.values())

    def leave(self) -> None:
        """Ask for no more calls; close once those sent before that was heard have their answers."""
        if self._is_leaving:
            return
        self._is_leaving, self._pinged_s = True, time.monotonic()
        with GONE:
            self._http.send_shutdown_notice()
            self._http.ping(_LEAVING)
        self.wire.write_soon()

    def end(self) -> None:
        """Close now; what is under way is lost."""
        with GONE:
            self._http.terminate_connection()
            self.wire.write()
        self._transport.close()

    def abort(self) -> None:
        """Close without taking leave."""
        self._transport.abort()

    def sweep(self, now_s: float) -> None:
        """Now and then: end what nobody hears or reads any more."""
        quiet_s = now_s - self._heard_s
        is_deaf = now_s - self._paused_s > self._home.limits.body_s
        if is_deaf or (not self._is_greeted and quiet_s > _GREETING_S) or now_s - self._pinged_s > _PONG_S:
            self._transport.abort()
            return
        for stream in [*self._streams.values()]:
            if stream.answered_s < now_s - self._home.limits.body_s:  # its answer is not taken
                self.wire.cut(stream)
        is_idle = not self._streams and quiet_s > _IDLE_S
        with GONE:
            if is_idle or self._http.local_window_size < _WINDOW_BYTES // 2:
                self.leave()
            elif quiet_s > _KEEPALIVE_S and self._pinged_s == math.inf:
                self._pinged_s = now_s
                self._http.ping()
        self.wire.write_soon()

    def _on_request(self, event: Any) -> None:
        number = event.stream_id
        self._settle()
        try:
            stream = self._calls.opened(self, number, *self._planned(event.headers))
        except NotGrpc as error:
            self.wire.send_alone(number, [(b":status", error.status)], event.end_stream)
            return
        except Refused as error:
            self.wire.send_alone(number, alone_headers(error.refusal), event.end_stream)
            return
        self._streams[number] = self._opened = stream
        if event.end_stream:
            stream.ended()

    def _settle(self) -> None:
        """The last call that was opened is on its way from now on, unless it is whole by now, or answered."""
        stream, self._opened = self._opened, None
        if stream is None or stream.is_answered:
            return
        if stream.deadline_s < math.inf:
            self._home.deadlines.add(stream)
        if stream.is_unfinished:
            self._windows.held(stream, stream.reader.held_bytes)

    def _planned(self, headers: CallHeaders) -> tuple[Plan, float]:
        """What follows from a call's headers, and the seconds that its caller allows."""
        at = self._timeout_at
        if at >= len(headers) or headers[at][0] != TIMEOUT:
            known = self._plans.get(headers)
            if known is not None:
                return known, math.inf
            at = next((at for at, (name, _) in enumerate(headers) if name == TIMEOUT), len(headers))
            self._timeout_at = at
        others = headers[:at] + headers[at + 1 :]
        plan = self._plans.get(others)
        if plan is None:
            if any(name == TIMEOUT for name, _ in others):
                return self._planned(_told_once(headers))
            plan = self._calls.planned(others)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[others] = plan
        return plan, math.inf if at >= len(headers) else timeout_s(headers[at][1])

    def _on_data(self, event: Any) -> None:
        stream, data = self._streams.get(event.stream_id), event.data
        if stream is None:
            self.wire.consume(event.stream_id, len(data))
            return
        if not event.end_stream:
            if data:
                self._receive(stream, data)
            return
        stream.is_ended = True  # who answers need not tell its caller to stop
        if data:
            stream.owed_bytes += len(data)
            self._windows.whole(stream)  # nothing more comes
            stream.received(data)
        stream.ended()

    def _receive(self, stream: Stream, data: bytes) -> None:
        stream.owed_bytes += len(data)
        was_unfinished = stream.is_unfinished
        if was_unfinished and stream.reader.goes_on(data):
            if stream.owed_bytes < _OWED_BYTES:
                return
        else:
            stream.received(data)
        if stream.is_unfinished:
            if not was_unfinished:
                stream.begun_s = self._heard_s
            self._windows.held(stream, stream.reader.held_bytes)
            if stream.reader.held_bytes == len(data) and stream.reader.length is not None:
                self._widen(stream, stream.reader.length + PREFIX_BYTES)
        elif was_unfinished:
            self._windows.whole(stream)
        self.wire.open_window(stream)

    def _widen(self, stream: Stream, message_bytes: int) -> None:
        """A long message has begun: it need not stop and go."""
        share_bytes = self._windows.share_bytes(message_bytes)
        if share_bytes > FIRST_BYTES and self._windows.may_send(stream):
            with GONE:
                self._http.set_local_window_size(share_bytes, stream_id=stream.number)

    def _on_trailers(self, event: Any) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.ended()

    def _on_closed(self, event: Any) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is None:
            return
        if stream.owed_bytes:
            self.wire.consume(stream.number, stream.owed_bytes)
        self._windows.whole(stream)
        stream.close()
        if self.has_heard:
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self.has_heard and not self._streams:
            with GONE:
                self._http.terminate_connection()
            self.wire.write_soon()

    def _on_settings(self, event: Any) -> None:
        self._is_greeted = True

    def _on_pong(self, event: Any) -> None:
        self._pinged_s = math.inf
        if event.opaque_data == _LEAVING:
            self.has_heard = True
            self._close_if_done()

    def _on_end(self, event: Any) -> None:
        self._transport.close()

    def _handle_events(self) -> None:
        for event in self._http.events():
            handle = _ON.get(type(event))
            if handle is not None:
                handle(self, event)
        if self._opened is not None:
            self._settle()


# Of the class: an object's own would be a circle, which waits for the collector of garbage with all that it holds.
_ON: Final[dict[type, Callable[[Connection, Any], None]]] = {
    ngh2.RequestReceived: Connection._on_request,
    ngh2.DataReceived: Connection._on_data,
    ngh2.TrailersReceived: Connection._on_trailers,
    ngh2.StreamClosed: Connection._on_closed,
    ngh2.SettingsReceived: Connection._on_settings,
    ngh2.PingAcknowledged: Connection._on_pong,
    ngh2.ConnectionClosed: Connection._on_end,
}


def _told_once(headers: CallHeaders) -> CallHeaders:
    """Of several deadlines the last one, as gRPC's own server takes it."""
    *_, last = (each for each in headers if each[0] == TIMEOUT)
    return (*(each for each in headers if each[0] != TIMEOUT), last)


def _named(address: object) -> str:
    """As gRPC's own server names it."""
    if not isinstance(address, tuple):
        return "unix:"
    host, port = address[:2]
    return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"
