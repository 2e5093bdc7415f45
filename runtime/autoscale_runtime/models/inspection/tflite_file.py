"""Reads the structure of a .tflite file: sub-graphs, operators, tensors.

The interpreters do not say which tensors are constants, nor which sub-graphs an operator calls. The layout is
FlatBuffers' (flatbuffers.dev/internals) with the fields of TensorFlow Lite's public schema, version 3.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from autoscale.errors import ModelError

IDENTIFIER = b"TFL3"
_TYPES = (
    "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 resource "
    "variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2"
)
TYPES = _TYPES.split()


@dataclass(frozen=True, slots=True)
class FileTensor:
    """A tensor as the file declares it; ``stored`` is the size of its content in bytes, 0 if it has none."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    buffer: int
    stored: int
    sparse: bool


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator; ``code`` is the schema's number, ``calls`` the sub-graphs it may run, -1 a missing input."""

    code: int
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileGraph:
    """One sub-graph; the first is the main one."""

    tensors: tuple[FileTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[FileOperator, ...]


def read_graphs(path: Path) -> tuple[FileGraph, ...]:
    """The sub-graphs of a file.

    Raises:
        ModelError: no .tflite file, or a truncated one.
    """
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"'{path}' is not a .tflite model: its identifier is {content[4:8]!r}, not {IDENTIFIER!r}")
    try:
        model = _Table(content, *struct.unpack_from("<I", content))
        graphs = _graphs(model)
    except (struct.error, IndexError, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(f"'{path}' is a damaged or truncated .tflite model ({len(content)} bytes)") from error
    if not graphs or not graphs[0].operators:
        raise ModelError(f"'{path}' holds no operators; allowed: a .tflite model")
    return graphs


class _Table:
    """A FlatBuffers table: fields found by number through its vtable."""

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
        at = self._field(number)
        return self._number(form, at) if at else default

    def table(self, number: int) -> "_Table | None":
        at = self._field(number)
        return _Table(self._content, at + self._number("<I", at)) if at else None

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
        return self._vector(number, 1)[1]

    def text(self, number: int) -> str:
        start, length = self._vector(number, 1)
        return self._content[start : start + length].decode(errors="replace")

    def ints(self, number: int) -> tuple[int, ...]:
        start, length = self._vector(number, 4)
        return struct.unpack_from(f"<{length}i", self._content, start)

    def tables(self, number: int) -> "list[_Table]":
        start, length = self._vector(number, 4)
        places = range(start, start + 4 * length, 4)
        return [_Table(self._content, place + self._number("<I", place)) for place in places]


def _graphs(model: _Table) -> tuple[FileGraph, ...]:
    codes = [_code(each) for each in model.tables(1)]
    stored = [each.length(0) or each.scalar(2, "<Q") for each in model.tables(4)]
    return tuple(
        FileGraph(
            tuple(_tensor(each, stored) for each in graph.tables(0)),
            graph.ints(1),
            graph.ints(2),
            tuple(_operator(each, codes) for each in graph.tables(3)),
        )
        for graph in model.tables(2)
    )


def _code(table: _Table) -> tuple[int, str]:
    """The operator's number, which old files keep in one byte."""
    return max(table.scalar(0, "<b"), table.scalar(3, "<i")), table.text(1)


def _operator(table: _Table, codes: list[tuple[int, str]]) -> FileOperator:
    code, custom = codes[table.scalar(0, "<I")]
    options = table.table(4)
    calls = _calls(code, options) if options is not None else ()
    return FileOperator(code, custom, table.ints(1), table.ints(2), calls)


def _calls(code: int, options: _Table) -> tuple[int, ...]:
    """IF: then and else; WHILE: condition and body; CALL: the one."""
    fields = {118: 2, 119: 2, 31: 1}.get(code, 0)
    return tuple(options.scalar(number, "<i") for number in range(fields))


def _tensor(table: _Table, stored: list[int]) -> FileTensor:
    kind, buffer = table.scalar(1, "<b"), table.scalar(2, "<I")
    return FileTensor(
        name=table.text(3),
        dtype=TYPES[kind] if 0 <= kind < len(TYPES) else "unknown",
        shape=table.ints(0),
        signature=table.ints(7) or table.ints(0),
        buffer=buffer,
        stored=stored[buffer],
        sparse=table.table(6) is not None,
    )
