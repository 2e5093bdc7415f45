"""One file of a device's log: frames, each whole or not there at all.

A frame is length (u32), CRC-32 (u32) and that many bytes: a kind, then its body. The first frame is the header, which
tells the columns, so that a later version reads what an earlier one wrote. Every text stands in the file once and is
a number afterwards, so that a row is some 250 bytes of one shape.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.schema import NUMBERS, SCHEMA, TEXTS

HEADER: Final = b"H"
WORD: Final = b"W"
ROW: Final = b"R"
LOST: Final = b"L"

MOST_WORDS: Final = 2**16 - 1
"""As many different texts fit into one file."""

_HEAD: Final = struct.Struct("<II")
_LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        device_id: random name of the installation.
        log_id: random name of the log that the file belongs to.
        first: sequence number of the first row that may be in it.
        lost: rows of the log dropped before, by cause.
        begins: sequence number of the log's first row.
        place: where the log is written, as ``LogFolder.place`` tells it; elsewhere it is a copy.
        schema: version of the columns.
        numbers: names of the columns of whole numbers, in a row's order.
        texts: names of the columns of texts, likewise.
    """

    device_id: str
    log_id: str
    first: int
    lost: Mapping[str, int]
    begins: int = 0
    place: str = ""
    schema: int = SCHEMA
    numbers: tuple[str, ...] = NUMBERS
    texts: tuple[str, ...] = TEXTS

    def frame(self) -> bytes:
        """Its frame, the first of the file."""
        return frame(HEADER + json.dumps(asdict(self)).encode())

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """A row's body."""
        return np.dtype([*((name, "<i8") for name in self.numbers), *((name, "<u2") for name in self.texts)])


@dataclass(frozen=True, slots=True)
class Segment:
    """What could be read of one file.

    Attributes:
        header: what it says of itself.
        rows: the rows, in the order written.
        lost: rows of the log dropped so far, by cause.
        good_bytes: how far it is whole; what follows is torn, damaged, or being written.
    """

    header: Header
    rows: Rows
    lost: Mapping[str, int]
    good_bytes: int

    @property
    def last(self) -> int:
        """Sequence number of the last row; one before the first where there is none."""
        return int(self.rows.numbers["sequence"][-1]) if len(self.rows) else self.header.first - 1


def frame(body: bytes) -> bytes:
    """Length, checksum, body."""
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def row_struct(header: Header) -> struct.Struct:
    """Packs a row's body, numbers first."""
    return struct.Struct(f"<{len(header.numbers)}q{len(header.texts)}H")


def read_segment(path: Path) -> Segment | None:
    """Read a file as far as it is whole; None where not even its header is.

    Raises:
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    frames = _frames(content)
    _, first = next(frames, (0, b""))
    header = _header(first)
    if header is None:
        return None
    words, rows, lost, end = [], [], header.lost, _HEAD.size + len(first)
    for each, body in frames:
        end = each
        kind = body[:1]
        if kind == ROW:
            rows.append(body[1:])
        elif kind == WORD:
            words.append(body[1:].decode(errors="replace"))
        elif kind == LOST:
            lost = json.loads(body[1:])
    table = np.frombuffer(b"".join(rows), header.row_dtype)
    return Segment(header, _rows(header, table, tuple(words)), lost, end)


def _frames(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each whole frame ends, and its body."""
    at = 0
    while at + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, at)
        start, at = at + _HEAD.size, at + _HEAD.size + length
        body = content[start:at]
        if not 0 < length <= _LONGEST or len(body) < length or zlib.crc32(body) != checksum:
            return
        yield at, body


def _header(body: bytes) -> Header | None:
    if body[:1] != HEADER:
        return None
    header = json.loads(body[1:])
    # A later version has more.
    known = {each.name: header[each.name] for each in fields(Header) if each.name in header}
    known |= {"numbers": tuple(header["numbers"]), "texts": tuple(header["texts"])}
    return Header(**known)


def _rows(header: Header, table: NDArray[Any], words: tuple[str, ...]) -> Rows:
    numbers = {name: table[name].astype(np.int64) for name in header.numbers}
    texts = {name: Texts(table[name].astype(np.int32), words) for name in header.texts}
    return Rows(numbers, texts)
