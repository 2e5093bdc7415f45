"""Digests: of a file's content, and of the whole list of files that count.

A seal is the sum of its members' digests, so that a commit which adds and takes away a few files changes it by those
alone, whatever the order; it is no signature: it finds what a disk changed, not who did.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

_BLOCK: Final = 1 << 20
_MODULUS: Final = 1 << 256


class DigestingFile:
    """A binary file that is written once from its beginning, in large pieces, and digests what goes by.

    Attributes:
        closed: False; whoever opened the file closes it.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sha256, self._size = file, hashlib.sha256(), 0
        self._waiting = bytearray()

    def write(self, content: Any) -> int:
        """Write bytes, as a buffer of any kind."""
        written = memoryview(content).nbytes
        self._size += written
        self._waiting += content
        if len(self._waiting) >= _BLOCK:
            self._pass_on()
        return written

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size

    def flush(self) -> None:
        """Nothing: the end is what matters."""

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""

    def finish(self) -> str:
        """Hand on what waits; the sha256 of all that was written, hexadecimal."""
        self._pass_on()
        return self._sha256.hexdigest()

    def _pass_on(self) -> None:
        self._sha256.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting = bytearray()


def sha256_of(path: Path) -> str:
    """Of a file's content, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def sealed(members: Iterable[tuple[object, ...]]) -> int:
    """The seal of some members; that of two lists together is the sum of theirs, modulo ``2**256``."""
    return sum(map(_of_member, members)) % _MODULUS


def resealed(seal: int, added: Iterable[tuple[object, ...]], taken: Iterable[tuple[object, ...]]) -> int:
    """A seal after members came and went.

    >>> resealed(sealed([("a", 1)]), [("b", 2)], [("a", 1)]) == sealed([("b", 2)])
    True
    """
    return (seal + sealed(added) - sealed(taken)) % _MODULUS


def _of_member(member: tuple[object, ...]) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, member)).encode()).digest())
