"""gRPC's messages within a stream of bytes: each has a flag, a length, and may be compressed."""

import asyncio
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import grpc

from autoscale_runtime.host.memory import give_back_freed_memory
from autoscale_runtime.server.transports.base import Refused

PREFIX_BYTES: Final = 5

_WINDOW_BITS: Final = {"gzip": 31, "deflate": 15}
ENCODINGS: Final = ("identity", *_WINDOW_BITS)
_SHORT_BYTES: Final = 16 << 10
_SHORT_PLAIN_BYTES: Final = 64 << 10


class Message(NamedTuple):
    """One message, as it came."""

    is_compressed: bool
    body: bytes


def whole(data: bytes, most_bytes: int) -> bytes | None:
    """The body of a message that begins and ends with the data and is not compressed; None for anything else."""
    length = len(data) - PREFIX_BYTES
    if 0 <= length <= most_bytes and not data[0] and int.from_bytes(data[1:PREFIX_BYTES], "big") == length:
        return data[PREFIX_BYTES:]
    return None


class Reader:
    """Cuts what arrives into messages.

    Attributes:
        held_bytes: of a message that is not whole, its prefix included; 0 between two.
        length: of that message; None until its prefix is there.

    Args:
        most_bytes: of a message.
    """

    __slots__ = ("_most_bytes", "_parts", "_prefix", "held_bytes", "length")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._prefix = b""
        self._parts: list[bytes] = []
        self.length: int | None = None
        self.held_bytes = 0

    def goes_on(self, data: bytes) -> bool:
        """Take a piece from the midst of a message; False, and nothing taken, where it is not that."""
        if self.length is None or len(data) >= PREFIX_BYTES + self.length - self.held_bytes:
            return False
        self._parts.append(data)
        self.held_bytes += len(data)
        return True

    def read(self, data: bytes) -> Iterator[Message]:
        """The messages that this completes.

        Raises:
            Refused: one is too long, or is none.
        """
        while data:
            if self.length is None:
                lacks = PREFIX_BYTES - len(self._prefix)
                self._prefix, data = self._prefix + data[:lacks], data[lacks:]
                self.held_bytes = len(self._prefix)
                if self.held_bytes < PREFIX_BYTES:
                    return
                self.length = self._told_length(self._prefix)
            missing = PREFIX_BYTES + self.length - self.held_bytes
            part, data = (data, b"") if len(data) <= missing else (data[:missing], data[missing:])
            self._parts.append(part)
            self.held_bytes += len(part)
            if len(part) == missing:
                body = part if len(self._parts) == 1 else b"".join(self._parts)
                message = Message(self._prefix[0] == 1, body)
                self._prefix, self._parts, self.length, self.held_bytes = b"", [], None, 0
                yield message

    def _told_length(self, data: bytes) -> int:
        flag, length = data[0], int.from_bytes(data[1:PREFIX_BYTES], "big")
        if flag > 1:
            raise Refused(grpc.StatusCode.INTERNAL, f"a message begins with {flag}; allowed: 0, or 1 if compressed")
        if length > self._most_bytes:
            text = f"the request has {length} bytes; allowed by this server: {self._most_bytes}"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        return length


def decompressed(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """A compressed message's bytes; no more than allowed are ever made of it.

    Raises:
        Refused: it has more, or is none of that encoding.
    """
    reader = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        message = reader.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Refused(grpc.StatusCode.INTERNAL, f"the request is no {encoding}: {error}") from error
    if len(message) > most_bytes:
        text = f"the request has, decompressed, more than the {most_bytes} bytes that this server allows"
        raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
    if not reader.eof:
        raise Refused(grpc.StatusCode.INTERNAL, f"the request's {encoding} ends early")
    if reader.unused_data:  # a second member of gzip, say: gRPC's own server refuses it too
        raise Refused(grpc.StatusCode.INTERNAL, f"the request goes on after the end of its {encoding}")
    return message


async def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """As ``decompressed``, in another thread; what a message took that has too much is given back at once.

    Raises:
        Refused: it has more than allowed, or is none of that encoding.
    """
    try:
        return await asyncio.to_thread(decompressed, body, encoding, most_bytes)
    except Refused as error:
        refusal = error.refusal
    give_back_freed_memory()
    raise Refused(*refusal)


def shortly_decompressed(body: bytes, encoding: str, most_bytes: int) -> bytes | None:
    """A compressed message's bytes where they are few: in less time than it takes to ask another thread for them.

    None where they are many, or none: that is for ``decompressed`` to find out, elsewhere.
    """
    if len(body) > _SHORT_BYTES:
        return None
    reader = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        message = reader.decompress(body, min(most_bytes, _SHORT_PLAIN_BYTES))
    except zlib.error:
        return None
    return message if reader.eof and not reader.unused_data else None


def framed(message: bytes) -> list[bytes]:
    """What travels for a message: a short one in one piece, a long one without a copy of it."""
    prefix = b"\0" + len(message).to_bytes(PREFIX_BYTES - 1, "big")
    return [prefix + message] if len(message) <= _SHORT_BYTES else [prefix, message]
