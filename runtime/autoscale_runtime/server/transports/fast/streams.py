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
from autoscale_runtime.server.transports.fast.messages import Message, Reader, shortly_decompressed, unpacked


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
        "reader",
        "wire",
    )

    def __init__(self, wire: Wire, home: Home, number: int, head: Head, client: str, now_s: float) -> None:
        self.wire, self.home = wire, home
        self.number, self.head, self.client = number, head, client
        self.reader = Reader(home.limits.max_message_bytes)
        self.begun_s, self.answered_s = now_s, math.inf
        self.owed_bytes = 0
        self.is_answered = self.is_ended = self.has_begun = False
        self.deadline_s = now_s + head.timeout_s
        if self.deadline_s < math.inf:
            home.deadlines.add(self)

    def received(self, data: bytes) -> None:
        """Some of it has come."""
        if self.is_answered:
            return
        try:
            for message in self.reader.read(data):
                self.take(message)
        except Refused as error:
            self.refuse(error.refusal)

    def ended(self) -> None:
        """Its caller sends no more."""
        self.is_ended = True
        if self.reader.held_bytes and not self.is_answered:
            self.refuse(Refusal(grpc.StatusCode.INTERNAL, "the request ends within a message"))

    def close(self) -> None:
        """It is over on the wire: its caller has left, or has all of the answer."""
        self.finish()
        self.leave()

    def refuse(self, refusal: Refusal) -> None:
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


class FastCall(Call):
    """The request of a call of one request."""

    __slots__ = ("_stream",)

    def __init__(self, stream: "UnaryStream", message: bytes) -> None:
        super().__init__(stream.head.method, message, stream.client, stream.deadline_s, stream.head.trace)
        self._stream = stream

    def reply(self, message: bytes) -> None:
        """Answer it."""
        if not self._stream.is_answered:
            self.on_leaving = None
            self._stream.finish()
            self._stream.wire.send_answer(self._stream, message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error."""
        self.on_leaving = None
        self._stream.refuse(Refusal(code, shortened(text), trailers))


class UnaryStream(Stream):
    """A call of one request and one answer."""

    __slots__ = ("call", "unpacking")

    def __init__(self, wire: Wire, home: Home, number: int, head: Head, client: str, now_s: float) -> None:
        super().__init__(wire, home, number, head, client, now_s)
        self.call: FastCall | None = None
        self.unpacking: asyncio.Task[None] | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether its request is on its way."""
        return self.call is None and self.unpacking is None and not self.is_answered

    def take(self, message: Message) -> None:
        """The request is whole."""
        if self.call is not None or self.unpacking is not None:
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
        super().ended()
        if self.call is None and self.unpacking is None and not self.is_answered:
            self.refuse(Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request"))

    def leave(self) -> None:
        """Nobody waits for its answer any more."""
        if self.unpacking is not None:
            self.unpacking.cancel()
        call, self.call = self.call, None
        if call is not None:
            call.left()

    async def _unpack(self, body: bytes) -> None:
        most = self.home.limits.max_message_bytes
        try:
            message = await unpacked(body, self.head.encoding, most)
        except Refused as error:
            self.refuse(error.refusal)
        else:
            self._ask(message)

    def _ask(self, message: bytes) -> None:
        if not self.is_answered:
            self.call = FastCall(self, message)
            self.home.handler.request(self.call)
