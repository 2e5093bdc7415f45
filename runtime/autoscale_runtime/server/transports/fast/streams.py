"""Calls on their way: what has come of each, and what goes back."""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from typing import Protocol

import grpc

from autoscale_runtime.server.transports.base import Call, Refusal, Refused, Trailers, shortened
from autoscale_runtime.server.transports.fast.heads import Head
from autoscale_runtime.server.transports.fast.home import Home
from autoscale_runtime.server.transports.fast.messages import Message, Reader, shortly_decompressed, unpacked, whole


class Wire(Protocol):
    """A connection, to its calls."""

    def send_answer(self, stream: "Stream", message: bytes) -> None:
        """All of an answer of one message."""

    def send_message(self, stream: "Stream", message: bytes) -> None:
        """One message of an answer."""

    def send_end(self, stream: "Stream") -> None:
        """The end of an answer."""

    def send_error(self, stream: "Stream", refusal: Refusal) -> None:
        """The end of an answer that is an error."""

    def unsent_bytes(self, stream: "Stream") -> int:
        """What of its answer waits here."""

    def open_window(self, stream: "Stream") -> None:
        """Let its caller send on, where it may."""


class Stream(ABC):
    """A call: its end here.

    Attributes:
        number: within its connection.
        wire: that it came by.
        home: of all calls.
        head: what its headers say.
        client: whose it is.
        reader: of its messages.
        begun_s: when the message began that comes in.
        answered_s: when its answer was given; infinite before.
        deadline_s: by which its caller wants the answer, on ``time.monotonic``'s clock; infinite for none.
        has_begun: the head of its answer was sent.
        owed_bytes: that came, and whose window was not opened again.
        is_answered: it has its answer, or needs none.
        is_ended: its caller sends no more.
    """

    __slots__ = (
        "_reader",
        "answered_s",
        "begun_s",
        "client",
        "deadline_s",
        "has_begun",
        "head",
        "home",
        "is_answered",
        "is_ended",
        "number",
        "owed_bytes",
        "wire",
    )

    def __init__(
        self, wire: Wire, home: Home, number: int, head: Head, client: str, now_s: float, deadline_s: float
    ) -> None:
        self.wire, self.home = wire, home
        self.number, self.head, self.client = number, head, client
        self._reader: Reader | None = None
        self.begun_s, self.answered_s = now_s, math.inf
        self.owed_bytes = 0
        self.is_answered = self.is_ended = self.has_begun = False
        self.deadline_s = deadline_s

    @property
    def reader(self) -> Reader:
        """Of its messages; most calls have one, in one piece, and need none."""
        if self._reader is None:
            self._reader = Reader(self.home.limits.max_message_bytes)
        return self._reader

    def received(self, data: bytes) -> None:
        """Some of it has come."""
        if self.is_answered:
            return
        try:
            for message in self.reader.read(data):
                self.take(message)
        except Refused as error:
            self.fail(error.refusal)

    def ended(self) -> None:
        """Its caller sends no more."""
        self.is_ended = True
        if self._reader is not None and self._reader.held_bytes and not self.is_answered:
            self.fail(Refusal(grpc.StatusCode.INTERNAL, "the request ends within a message"))

    def close(self) -> None:
        """It is over on the wire: its caller has left, or has all of the answer."""
        self.finish()
        self.leave()

    def fail(self, refusal: Refusal) -> None:
        """Answer it with an error, and tell whoever works for it."""
        if not self.is_answered:
            self.finish()
            self.wire.send_error(self, refusal)
            self.leave()

    def finish(self) -> None:
        """It has its answer."""
        if not self.is_answered:
            self.is_answered, self.answered_s = True, time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether more of it must wait."""
        return False

    @property
    @abstractmethod
    def is_unfinished(self) -> bool:
        """Whether a request of it is on its way."""

    @abstractmethod
    def take(self, message: Message) -> None:
        """A message of it is whole."""

    @abstractmethod
    def leave(self) -> None:
        """Nobody waits for its answer any more."""

    def plain(self, message: Message) -> bytes:
        """A message that is not compressed, or whose encoding allows none."""
        if message.is_compressed and self.head.encoding == "identity":
            raise Refused(grpc.StatusCode.INTERNAL, "a message is compressed, and the head names no encoding")
        return message.body


class UnaryStream(Stream, Call):
    """A call of one request and one answer; once it is whole, the call that whoever answers is handed."""

    def __init__(
        self, wire: Wire, home: Home, number: int, head: Head, client: str, now_s: float, deadline_s: float
    ) -> None:
        Stream.__init__(self, wire, home, number, head, client, now_s, deadline_s)
        self.method, self.trace = head.method, head.trace
        self.message = b""
        self.is_asked = False
        self.on_leaving = None
        self.unpacking: asyncio.Task[None] | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether its request is on its way."""
        return not self.is_asked and self.unpacking is None and not self.is_answered

    def received(self, data: bytes) -> None:
        """Some of it has come; of most all at once."""
        if self._reader is None and not self.is_asked and not self.is_answered:
            body = whole(data, self.home.limits.max_message_bytes)
            if body is not None:
                self._ask(body)
                return
        super().received(data)

    def take(self, message: Message) -> None:
        """The request is whole."""
        if self.is_asked or self.unpacking is not None:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the call has more than one request")
        body = self.plain(message)
        if not message.is_compressed:
            self._ask(body)
        elif plain := shortly_decompressed(body, self.head.encoding, self.home.limits.max_message_bytes):
            self._ask(plain)
        else:
            self.unpacking = self.home.loop.create_task(self._unpack(body))

    def ended(self) -> None:
        """Its caller sends no more."""
        if not self.is_asked or self._reader is not None:
            super().ended()
            if self.is_unfinished:
                self.fail(Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request"))
        self.is_ended = True

    def close(self) -> None:
        """It is over on the wire; who has answered it need not hear of that."""
        if not self.is_answered:
            super().close()

    def leave(self) -> None:
        """Nobody waits for its answer any more."""
        if self.unpacking is not None:
            self.unpacking.cancel()
        if self.on_leaving is not None:
            self.left()

    def reply(self, message: bytes) -> None:
        """Answer it."""
        if not self.is_answered:
            self.on_leaving = None
            self.finish()
            self.wire.send_answer(self, message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error."""
        self.on_leaving = None
        self.fail(Refusal(code, shortened(text), trailers))

    async def _unpack(self, body: bytes) -> None:
        most = self.home.limits.max_message_bytes
        try:
            message = await unpacked(body, self.head.encoding, most)
        except Refused as error:
            self.fail(error.refusal)
        else:
            self._ask(message)

    def _ask(self, message: bytes) -> None:
        if not self.is_answered:
            self.is_asked, self.message = True, message
            self.home.handler.request(self)
