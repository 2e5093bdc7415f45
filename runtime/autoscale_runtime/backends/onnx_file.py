"""What an ONNX file says of itself, read from its bytes: the package ``onnx`` need not be installed.

The messages and numbers are those of ``onnx.proto``; of each message only the fields are followed that lead to
operators and tensors, in sub-graphs and functions too. Weights are passed over.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LEADS: Final = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "weight", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "weight": {13: "entry"},
    "tensor": {13: "entry"},
    "entry": {},
}
"""Message to the numbers of its fields that lead on, and to which message each does."""

_NODE_OPERATOR: Final = 4
_TENSOR_TYPE: Final = 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
"""Wire type to the length of its value."""


@dataclass(slots=True)
class OnnxFile:
    """What was found in a file; nothing in one that is no model.

    Attributes:
        operators: the types of all nodes.
        weight_types: ONNX's numbers of the types of all initializers.
        data_files: where external data lies, relative to the model's folder.
    """

    operators: set[str] = field(default_factory=set)
    weight_types: set[int] = field(default_factory=set)
    data_files: dict[str, None] = field(default_factory=dict)


def read_onnx(path: Path) -> OnnxFile:
    """Read a file; of a damaged one, what stands before the damage."""
    found = OnnxFile()
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                _walk(content, 0, len(content), "model", found)
            except (IndexError, ValueError, RecursionError):
                return found
    return found


def _walk(content: mmap.mmap, start: int, end: int, message: str, found: OnnxFile) -> None:
    leads, location = _LEADS[message], [b"", b""]
    for number, begin, stop in _fields(content, start, end):
        if number in leads:
            _walk(content, begin, stop, leads[number], found)
        elif message == "node" and number == _NODE_OPERATOR:
            found.operators.add(content[begin:stop].decode())
        elif message == "weight" and number == _TENSOR_TYPE:
            found.weight_types.add(_varint(content, begin)[0])
        elif message == "entry" and number in (1, 2):
            location[number - 1] = content[begin:stop]
    if location[0] == b"location":
        found.data_files[location[1].decode()] = None


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of the value of every field.

    Raises:
        ValueError: the bytes are no message.
        IndexError: they end too early.
    """
    while at < end:
        tag, at = _varint(content, at)
        kind, begin = tag & 7, at
        if kind == 2:
            length, begin = _varint(content, at)
            at = begin + length
        elif kind == 0:
            at = _varint(content, at)[1]
        elif kind in _FIXED_BYTES:
            at += _FIXED_BYTES[kind]
        else:
            raise ValueError(f"no wire type {kind}")
        if at > end:
            raise IndexError("a field ends outside its message")
        yield tag >> 3, begin, at


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
