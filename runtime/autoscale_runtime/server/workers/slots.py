"""Memory that two processes share, for messages too long for a socket's packet.

A slot is an anonymous file (``memfd_create``) that both have mapped; its descriptor travels once, when the slot is made
or grows, so that nothing has a name, and all is gone with the last of the two. Whoever writes owns the slots: it takes
a free one, and the other says when it has read it.
"""

import mmap
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from autoscale.errors import Overloaded
from autoscale_runtime.wire.head import Bytes

LEAST_BYTES: Final = 1 << 20
KEPT_BYTES: Final = 16 << 20
"""A slot larger than this is let go after its message: one giant must not be held for ever."""


class Place(NamedTuple):
    """Where a message lies: in which slot, how long it is, and the slot's file where the other does not have it yet."""

    slot: int
    length: int
    file: int | None = None


class WritingSlots:
    """The side that writes. For one thread at a time."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}
        self._free: list[int] = []
        self._count = 0

    def write(self, parts: Sequence[Bytes]) -> Place:
        """Put a message into a free slot; the caller sends the file on, where there is one, and then closes it.

        Raises:
            Overloaded: the system has no memory or descriptor for it.
        """
        length = sum(len(part) for part in parts)
        try:
            number, file = self._slot(length)
        except OSError as error:
            raise Overloaded(f"no room for a message of {length} bytes: {error.strerror or error}") from error
        at, memory = 0, self._maps[number]
        for part in parts:
            memory[at : at + len(part)] = bytes(part) if isinstance(part, memoryview) and not part.contiguous else part
            at += len(part)
        return Place(number, length, file)

    def free(self, number: int) -> None:
        """The other side has read it."""
        if len(self._maps[number]) > KEPT_BYTES:
            self._maps.pop(number).close()
        else:
            self._free.append(number)

    def drop(self, number: int) -> None:
        """Its message was not sent, nor its file, it may be: the slot is not used again."""
        self._maps.pop(number).close()

    def _slot(self, length: int) -> tuple[int, int | None]:
        for at in range(len(self._free) - 1, -1, -1):
            if len(self._maps[self._free[at]]) >= length:
                return self._free.pop(at), None
        if self._free:
            number = self._free.pop()
            self._maps.pop(number).close()
        else:
            number, self._count = self._count, self._count + 1
        size = max(LEAST_BYTES, 1 << (length - 1).bit_length()) if length <= KEPT_BYTES else length
        file = os.memfd_create("autoscale", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, size)
            self._maps[number] = mmap.mmap(file, size)
        except OSError:
            os.close(file)
            raise
        return number, file


class ReadingSlots:
    """The side that reads."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}

    def read(self, number: int, length: int, file: int | None) -> memoryview:
        """A message, as a view of the slot: good until its slot is freed. A file that came with it is closed here."""
        if file is not None:
            size = os.fstat(file).st_size
            self._maps[number] = mmap.mmap(file, size)
            os.close(file)
        memory = self._maps[number]
        if len(memory) > KEPT_BYTES:
            del self._maps[number]
        return memoryview(memory)[:length]
