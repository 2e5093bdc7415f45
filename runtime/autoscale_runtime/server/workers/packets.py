"""What the server and a worker say to each other of queries: packets of a socket that keeps them apart (SEQPACKET).

A packet has the number of a batch, the slots that its sender has read by now, and messages: each with numbers of its
own, and its bytes either in the packet or in a slot.
"""

import array
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import grpc

from autoscale.errors import Overloaded
from autoscale_runtime.server.workers.slots import ReadingSlots, WritingSlots
from autoscale_runtime.wire.head import Bytes

INLINE_BYTES: Final = 32 << 10
"""Of all messages of a packet; longer ones go through a slot."""

PACKET_BYTES: Final = 128 << 10
MOST_FILES: Final = 256
"""Of a packet, hence the most slots that one brings along."""

_FILE: Final = array.array("i")

CODES: Final = tuple(grpc.StatusCode)
"""A status travels as its place in here."""

_HEAD: Final = struct.Struct("<QHH")
_MESSAGE: Final = struct.Struct("<iQQdddId")
_ALONE: Final = struct.Struct("<QHHiQQdddId")
"""Head and message of a packet of one, where it brings no word of slots: as most are."""

_SLOT: Final = struct.Struct("<H")
_INLINE: Final = -1
_HAS_FILE: Final = 1 << 30


class Message(NamedTuple):
    """One request or answer.

    Attributes:
        body: its bytes; when read of a slot, a view.
        slot: where it lies, to be freed when it has been read; -1 for none.
        kind: of a request the model's version, of an answer the place of its status in ``CODES``.
        compute_s: of an answer, as in ``Ran``.
        core_s: likewise.
        held_s: likewise.
        rows: likewise.
        ended_s: likewise; Linux has one such clock for all processes.
    """

    body: Bytes
    slot: int = _INLINE
    kind: int = 0
    compute_s: float = 0.0
    core_s: float = 0.0
    held_s: float = 0.0
    rows: int = 1
    ended_s: float = 0.0


class Packet(NamedTuple):
    """A batch, or what came of it."""

    batch: int
    read: list[int]
    messages: list[Message]


def send(
    to: socket.socket,
    batch: int,
    read: Sequence[int],
    messages: Sequence[tuple[Message, Sequence[Bytes]]],
    slots: WritingSlots,
) -> list[int]:
    """Send a batch; the messages' bodies are given in parts.

    Returns:
        the slots that hold its messages.

    Raises:
        BlockingIOError: the other side takes no more now, of a socket that does not wait.
        OSError: it is gone.
        Overloaded: there is no slot to be had for a message.
    """
    if len(messages) == 1 and not read:
        message, parts = messages[0]
        length = sum(map(len, parts))
        if length <= INLINE_BYTES:
            head = _ALONE.pack(batch, 0, 1, _INLINE, length, message.kind, *message[3:])
            to.send(b"".join((head, *parts)))
            return []
    rows: list[bytes] = [_HEAD.pack(batch, len(read), len(messages)), *(_SLOT.pack(each) for each in read)]
    inline: list[Bytes] = []
    files: list[int] = []
    used: list[int] = []
    room = INLINE_BYTES
    try:
        for message, parts in messages:
            length, slot = sum(len(part) for part in parts), _INLINE
            if length <= room:
                room -= length
                inline += parts
            else:
                place = slots.write(parts)
                slot = place.slot | (_HAS_FILE if place.file is not None else 0)
                files += [] if place.file is None else [place.file]
                used.append(place.slot)
            rows.append(_MESSAGE.pack(slot, length, message.kind, *message[3:]))
        data = b"".join([*rows, *inline])
        if files:
            socket.send_fds(to, [data], files)
        else:
            to.send(data)
    except (OSError, Overloaded):
        for number in used:
            slots.drop(number)
        raise
    finally:
        for file in files:
            os.close(file)
    return used


class Inbox:
    """Reads packets of a socket into memory that is used again: a fresh block for each costs more than all else.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._memory = bytearray(PACKET_BYTES)
        self._view = memoryview(self._memory)
        self._blocks = [self._memory]
        self._room = socket.CMSG_SPACE(MOST_FILES * _FILE.itemsize)

    def receive(self, source: socket.socket, slots: ReadingSlots) -> Packet | None:
        """The next packet; None once the other side is gone.

        Raises:
            BlockingIOError: none is there, of a socket that does not wait.
        """
        try:
            length, ancillary, _, _ = source.recvmsg_into(self._blocks, self._room)
        except ConnectionResetError:
            return None
        if not length:
            return None
        batch, reads, count, slot, size, *figures = _ALONE.unpack_from(self._memory)
        if count == 1 and not reads and slot == _INLINE:
            body = bytes(self._view[_ALONE.size : _ALONE.size + size])
            return Packet(batch, [], [Message(body, _INLINE, *figures)])
        files = [number for _, _, data in ancillary for number in _numbers(data)]
        return _packet(self._view[:length], files, slots)


def _numbers(data: bytes) -> list[int]:
    return [*array.array("i", data[: len(data) - len(data) % _FILE.itemsize])]


def _packet(data: memoryview, files: list[int], slots: ReadingSlots) -> Packet:
    batch, reads, count = _HEAD.unpack_from(data)
    at = _HEAD.size
    read = [_SLOT.unpack_from(data, at + _SLOT.size * each)[0] for each in range(reads)]
    at += _SLOT.size * reads
    inline_at = at + _MESSAGE.size * count
    messages = []
    for number in range(count):
        slot, length, *figures = _MESSAGE.unpack_from(data, at + _MESSAGE.size * number)
        if slot == _INLINE:
            body: Bytes = bytes(data[inline_at : inline_at + length])
            inline_at += length
        else:
            file = files.pop(0) if slot & _HAS_FILE else None
            slot &= ~_HAS_FILE
            body = slots.read(slot, length, file)
        messages.append(Message(body, slot, *figures))
    return Packet(batch, read, messages)
