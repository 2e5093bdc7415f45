"""Reads tables of the FlatBuffers layout (flatbuffers.dev/internals): LiteRT's and ONNX Runtime's own files.

A method's ``number`` is a field's place in its table, as the format's schema counts them.
"""

import struct


def root_of(content: bytes) -> "Table":
    """The outermost table.

    Raises:
        struct.error, ValueError, IndexError: no such file, or a truncated one.
    """
    return Table(content, *struct.unpack_from("<I", content))


class Table:
    """One table: fields found by number through its vtable.

    Args:
        content: the file.
        at: where the table begins.
    """

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        self._fields = at - self._number("<i", at)
        if not 0 <= self._fields < len(content):
            raise ValueError("vtable outside the file")
        self._count = (self._number("<H", self._fields) - 4) // 2

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("offset outside the file")
        return int(struct.unpack_from(form, self._content, at)[0])

    def _field(self, number: int) -> int:
        """Where a field lies, 0 if it is absent."""
        offset = self._number("<H", self._fields + 4 + 2 * number) if number < self._count else 0
        return self._at + offset if offset else 0

    def scalar(self, number: int, form: str, default: int = 0) -> int:
        """A number of ``struct`` format ``form``."""
        at = self._field(number)
        return self._number(form, at) if at else default

    def table(self, number: int) -> "Table | None":
        """A table; None where it is absent."""
        at = self._field(number)
        return Table(self._content, at + self._number("<I", at)) if at else None

    def _vector(self, number: int, width: int) -> tuple[int, int]:
        """Start and length of a vector that lies inside the file."""
        at = self._field(number)
        if not at:
            return 0, 0
        start = at + self._number("<I", at)
        length = self._number("<I", start)
        if start + 4 + length * width > len(self._content):
            raise ValueError("vector outside the file")
        return start + 4, length

    def length(self, number: int) -> int:
        """Of a vector of bytes."""
        return self._vector(number, 1)[1]

    def head(self, number: int) -> bytes:
        """The first bytes of a vector of bytes: all of what one number takes."""
        start, length = self._vector(number, 1)
        return self._content[start : start + min(length, 8)]

    def text(self, number: int) -> str:
        """A string."""
        start, length = self._vector(number, 1)
        return self._content[start : start + length].decode(errors="replace")

    def ints(self, number: int) -> tuple[int, ...]:
        """A vector of 32-bit integers."""
        start, length = self._vector(number, 4)
        return struct.unpack_from(f"<{length}i", self._content, start)

    def tables(self, number: int) -> "list[Table]":
        """A vector of tables."""
        start, length = self._vector(number, 4)
        places = range(start, start + 4 * length, 4)
        return [Table(self._content, place + self._number("<I", place)) for place in places]
