"""All that is said to one client: answers, windows, and when they are written."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import grpc
import ngh2

from autoscale_runtime.server.transports.base import Refusal
from autoscale_runtime.server.transports.fast.heads import ANSWER, DONE, Headers, alone_headers, error_headers
from autoscale_runtime.server.transports.fast.messages import framed
from autoscale_runtime.server.transports.fast.streams import Stream
from autoscale_runtime.server.transports.fast.windows import Windows

_CHUNK_BYTES: Final = 256 << 10

_EXHAUSTED: Final = grpc.StatusCode.RESOURCE_EXHAUSTED
_GONE: Final = ngh2.NGH2Error, ValueError
GONE: Final = contextlib.suppress(*_GONE)
"""Around what is said of a stream: its caller may have left meanwhile."""


class Outgoing:
    """The way out of a connection, to its calls a ``Wire``. For the event loop.

    Attributes:
        transport: of the socket, once it is there.
        is_paused: the client reads slower than it is answered.
        refusal: for want of room or quota, the last one; whoever has seen it sets None.

    Args:
        http: the connection's HTTP/2.
        loop: that it is on.
        windows: of all connections.
        handle_events: told that writing may have closed streams.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        http: ngh2.Connection,
        loop: asyncio.AbstractEventLoop,
        windows: Windows,
        handle_events: Callable[[], None],
    ) -> None:
        self._http, self._loop, self._windows, self._handle_events = http, loop, windows, handle_events
        self._cut: list[int] = []
        self.refusal: Refusal | None = None
        self.is_paused = self._is_due = False

    def send_answer(self, stream: Stream, message: bytes) -> None:
        """All of an answer of one message."""
        http, number = self._http, stream.number
        try:
            http.send_response(number, ANSWER)
            for part in framed(message):
                http.send_data(number, part)
            http.send_trailers(number, DONE)
        except _GONE:
            return
        self.write_soon()

    def send_message(self, stream: Stream, message: bytes) -> None:
        """One message of an answer."""
        with GONE:
            self._send_head(stream)
            for part in framed(message):
                self._http.send_data(stream.number, part)
        self.write_soon()

    def send_end(self, stream: Stream) -> None:
        """The end of an answer."""
        with GONE:
            self._send_head(stream)
            self._http.send_trailers(stream.number, DONE)
        self.write_soon()

    def send_error(self, stream: Stream, refusal: Refusal) -> None:
        """The end of an answer that is an error."""
        self._windows.whole(stream)
        if refusal.code is _EXHAUSTED:
            self.refusal = refusal
        if stream.has_begun:
            with GONE:
                self._http.send_trailers(stream.number, error_headers(refusal))
            self.write_soon()
        else:
            self.send_alone(stream.number, alone_headers(refusal), stream.is_ended)

    def unsent_bytes(self, stream: Stream) -> int:
        """What of its answer waits here."""
        return int(self._http.queued_body_size(stream.number))

    def open_window(self, stream: Stream) -> None:
        """Let its caller send on, where it may."""
        if not stream.owed_bytes or stream.is_full or not self._windows.may_send(stream):
            return
        owed_bytes, stream.owed_bytes = stream.owed_bytes, 0
        self.consume(stream.number, owed_bytes)
        self.write_soon()

    def send_alone(self, number: int, headers: Headers, is_ended: bool) -> None:
        """An answer of headers alone; a caller that still sends is told to stop."""
        try:
            self._http.send_response(number, headers, end_stream=True)
        except _GONE:
            return
        if not is_ended:
            self._cut.append(number)
        self.write_soon()

    def consume(self, number: int, count: int) -> None:
        """So much of a stream was taken: its window opens again."""
        if count:
            try:
                self._http.acknowledge_received_data(count, number)
            except _GONE:
                return

    def _send_head(self, stream: Stream) -> None:
        if not stream.has_begun:
            stream.has_begun = True
            self._http.send_response(stream.number, ANSWER)

    def write_soon(self) -> None:
        """Together with whatever else is said in this turn of the loop."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.write)

    def close(self) -> None:
        """The client is gone."""
        self._handle_events = _nothing

    def hold(self) -> None:
        """Nothing is written until ``write_held``, which follows at once."""
        self._is_due = True

    def write_held(self) -> None:
        """Write if there is anything."""
        if self._http.want_write or self._cut:
            self.write()
        self._is_due = False

    def cut(self, stream: Stream) -> None:
        """End it once what was said is written: its answer is not taken."""
        self._cut.append(stream.number)

    def write(self) -> None:
        """Write what there is, and end the streams that are to end."""
        self._is_due = False
        if self.transport.is_closing():
            return
        try:
            while self._push() or self._cut_off():
                pass
        except ngh2.NGH2Error:
            self.transport.abort()
            return
        self._handle_events()

    def _push(self) -> bool:
        """Write what there is, as far as the client takes it; whether there may be more."""
        if self.is_paused:
            return False
        chunk = self._http.data_to_send(_CHUNK_BYTES)
        if chunk:
            self.transport.write(chunk)
        return len(chunk) >= _CHUNK_BYTES

    def _cut_off(self) -> bool:
        """End the streams that have their answers, once these are written; whether there were any."""
        if self.is_paused or not self._cut:
            return False
        cut, self._cut = self._cut, []
        for number in cut:
            with GONE:
                self._http.reset_stream(number, ngh2.ErrorCode.NO_ERROR)
        return True


def _nothing() -> None:
    pass
