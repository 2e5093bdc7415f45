"""The columns of many small batches, read from their bytes all at once where they are laid out as the first one is.

To ask a message for its columns, and each of them for its parts, costs more than what is in them where they are short.
Batches of one make have the same columns in the same order, each of a length, widths and words of its own; so where a
column lies is worked out for all of them together. Whatever is not exactly so, by other fields, another order or a
length that does not fit, is left to who reads the messages themselves (``batches``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.ledger.rows import Ints, Mask
from autoscale_runtime._proto import fleet_pb2 as pb

MANY: Final = 64
"""Batches that it is worth for: each column costs some calls of numpy, however few they are."""

_NUMBERS, _TEXTS = 0x2A, 0x32
_SCHEMA, _DEVICE_ID, _LOG_ID, _ROWS = 0x08, 0x12, 0x1A, 0x20
_NAME, _WIDTH, _VALUES = 0x0A, 0x10, 0x1A
"""What stands before a field on the wire: its number and kind; ``Numbers`` and ``Texts`` have the same."""

_AHEAD_BYTES: Final = 1 << 16
"""The most that is looked at beyond an end before it is found out."""


def _varints() -> Ints:
    """Of every two bytes 4 times the number that begins there, and how many it takes; 0 where it takes more of them."""
    both = np.arange(1 << 16)
    first, second = both & 0xFF, both >> 8
    long = np.where(second < 0x80, ((first & 0x7F) | (second << 7)) << 2 | 2, 0)
    varints: Ints = np.where(first < 0x80, first << 2 | 1, long)
    return varints


def _widths() -> Ints:
    """Of every two bytes the width that the first one is, if what follows are values; else -1."""
    widths = np.full(1 << 16, -1)
    widths[[_VALUES << 8 | width for width in (1, 2, 4, 8)]] = 1, 2, 4, 8
    return widths


_VARINTS: Final = _varints()
_WIDTHS: Final = _widths()


class Values(NamedTuple):
    """A column's values of batches one after the other, in pieces, each of a width and a length of its own."""

    contents: Sequence[bytes]
    widths: Sequence[int]
    lengths: Ints


class Words(NamedTuple):
    """A column's lists of words, each once, and which of them each batch has, shape (batches,)."""

    lists: Sequence[tuple[str, ...]]
    list_of: Ints

    def of(self, which: Mask) -> "Words":
        """Those of some batches."""
        return Words(self.lists, self.list_of[which])


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What batches hold that are laid out as the first one is.

    Attributes:
        which: they are, shape (batches,); the rest is of these alone.
        numbers: columns of whole numbers.
        texts: columns of texts: their codes, and the words.
    """

    which: Mask
    numbers: Mapping[str, Values]
    texts: Mapping[str, tuple[Values, Words]]


def laid_out(contents: Sequence[bytes], batches: Sequence[pb.Batch]) -> LaidOut:
    """Find the columns of batches.

    Args:
        contents: of the batches as they came; one at least.
        batches: the messages that they are.
    """
    first, lengths = batches[0], np.fromiter([each.rows for each in batches], np.int64, len(batches))
    numbers, texts = [each.name for each in first.numbers], [each.name for each in first.texts]
    counts = first.schema, len(numbers), len(texts)
    reading = _Reading(contents, lengths)
    reading.require(np.array([(each.schema, len(each.numbers), len(each.texts)) == counts for each in batches]))
    reading.read_head()
    spans = {name: reading.read_column(_NUMBERS, name) for name in numbers}
    coded = {name: reading.read_column(_TEXTS, name) for name in texts}
    reading.require(reading.at <= reading.ends)
    words = {name: _words(reading, span, batches, column) for column, (name, span) in enumerate(coded.items())}
    which = reading.is_alike
    return LaidOut(
        which,
        {name: _values(reading.content, span, lengths, which) for name, span in spans.items()},
        {name: (_values(reading.content, span, lengths, which), words[name].of(which)) for name, span in coded.items()},
    )


class _Span(NamedTuple):
    """Where a column lies in each batch: its values, how wide each is, what follows them; of shape (batches,)."""

    begins: Ints
    widths: Ints
    values_end: Ints
    ends: Ints


class _Reading:
    """Reads all batches in step, from the first byte of each to the last.

    Attributes:
        content: of all of them, with some room behind.
        at: where each is read, shape (batches,).
        ends: of each.
        is_alike: what was read of it is as it is of the first.
    """

    def __init__(self, contents: Sequence[bytes], lengths: Ints) -> None:
        self.content = b"".join([*contents, bytes(_AHEAD_BYTES)])
        self.ends = np.cumsum(np.fromiter(map(len, contents), np.int64, len(contents)))
        self.at = np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])
        self.is_alike = np.ones(len(contents), np.bool_)
        self._lengths = lengths
        self._last = len(self.content) - _AHEAD_BYTES
        self._bytes, self._pairs = _every(self.content, "u1"), _every(self.content, "<u2")

    def require(self, holds: Mask) -> None:
        """Of each batch, or it is not laid out as the first."""
        self.is_alike &= holds

    def read_head(self) -> None:
        """What comes before the columns; the messages say what it is."""
        self._read_field(_SCHEMA)
        for field in (_DEVICE_ID, _LOG_ID):
            self._skip_to(self._read_field(field) + self.at)
        self.require(self._read_field(_ROWS) == self._lengths)

    def read_column(self, field: int, name: str) -> _Span:
        """A column, which has nothing but its name, width and values, and words if it is one of texts."""
        size = self._read_field(field)
        ends = self.at + size
        expected = bytes([_NAME, len(name), *name.encode(), _WIDTH])
        self.require(_every(self.content, f"S{len(expected)}")[self.at] == expected)
        self.at = self.at + len(expected)
        widths = _WIDTHS[self._pairs[self.at]]
        self.at = self.at + 1
        values_size = self._read_field(_VALUES)
        self.require(values_size == self._lengths * widths)
        begins, values_end = self.at, self.at + values_size
        self.require(values_end == ends if field == _NUMBERS else values_end <= ends)
        self._skip_to(ends)
        return _Span(begins, widths, values_end, ends)

    def _read_field(self, field: int) -> Ints:
        """The number after what stands before a field; a longer one than two bytes is 0."""
        self.require(self._bytes[self.at] == field)
        found: Ints = _VARINTS[self._pairs[self.at + 1]]
        self.at = self.at + 1 + (found & 3)
        return found >> 2

    def _skip_to(self, ends: Ints) -> None:
        self.at = np.minimum(ends, self._last)


def _values(content: bytes, span: _Span, lengths: Ints, which: Mask) -> Values:
    begins, widths, lengths = span.begins[which], span.widths[which], lengths[which]
    sizes = widths * lengths
    if len(sizes) and (sizes == sizes[0]).all() and (widths == widths[0]).all():
        every = _every(content, f"V{sizes[0]}")[begins]
        return Values([every.tobytes()], [int(widths[0])], lengths.sum(keepdims=True))
    pieces = zip(begins.tolist(), (begins + sizes).tolist(), strict=True)
    return Values([content[begin:end] for begin, end in pieces], widths.tolist(), lengths)


def _words(reading: _Reading, span: _Span, batches: Sequence[pb.Batch], column: int) -> Words:
    """The words of a column, which the messages are asked for once for each list of them that there is."""
    sizes = span.ends - span.values_end
    if sizes[0] > 0 and (sizes == sizes[0]).all():
        every = _every(reading.content, f"V{sizes[0]}")[span.values_end].tobytes()
        if every == every[: sizes[0]] * len(sizes):
            words = tuple(batches[0].texts[column].words[:])
            reading.require(np.full(len(sizes), _size(words) == sizes[0]))
            return Words([words], np.zeros(len(sizes), np.int64))
    begins, ends = span.values_end.tolist(), span.ends.tolist()
    parts = [reading.content[begin:end] for begin, end in zip(begins, ends, strict=True)]
    numbers = {part: number for number, part in enumerate(dict.fromkeys(parts))}
    list_of = np.fromiter(map(numbers.__getitem__, parts), np.int64, len(parts))
    shown = np.full(len(numbers), -1)
    candidates = np.flatnonzero(reading.is_alike)
    shown[list_of[candidates]] = candidates
    lists = [() if each < 0 else tuple(batches[each].texts[column].words[:]) for each in shown.tolist()]
    are_all = [_size(words) == len(part) for words, part in zip(lists, numbers, strict=True)]
    reading.require(np.array(are_all)[list_of])
    return Words(lists, list_of)


def _size(words: Sequence[str]) -> int:
    """Bytes that some words take on the wire, and nothing beside them."""
    sizes = [len(each.encode()) for each in words]
    return sum(sizes) + sum(1 + max(1, -(-size.bit_length() // 7)) for size in sizes)


def _every(content: bytes, kind: str) -> NDArray[Any]:
    """What begins at each byte of some content, read as a kind, without a copy."""
    dtype = np.dtype(kind)
    return np.ndarray(len(content) - dtype.itemsize + 1, dtype, content, strides=(1,))
