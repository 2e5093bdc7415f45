"""What a request says before anything of it is decoded: who is asked for, and where the raw contents lie.

A message of the wire format is a row of fields, each with a number and a length, so both are found by stepping from
field to field: a request of any size is looked at in microseconds, and its tensors are not touched.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from autoscale.errors import FeedError

Bytes: TypeAlias = bytes | memoryview

Span: TypeAlias = tuple[int, int, int]

MOST_FIELDS: Final = 4096
"""Of a request: more than any model has inputs and outputs; stepping over millions of empty ones takes seconds."""

MODEL_NAME, MODEL_VERSION, ID, PARAMETERS, RAW_INPUT_CONTENTS = 1, 2, 3, 4, 7
"""Fields of ModelInferRequest."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MOST_SHIFT: Final = 63


class InferHead(NamedTuple):
    """Whom a request asks for.

    Attributes:
        model: name of the model.
        version: as text; empty leaves it to the server.
        parameters: the request's own, each an entry of the map as it travels.
    """

    model: str
    version: str
    parameters: tuple[bytes, ...]


def infer_head(message: Bytes) -> InferHead:
    """Read the head of a ModelInferRequest.

    Raises:
        FeedError: the bytes are no message, or its name or version no text.

    >>> infer_head(bytes([10, 4]) + b"tiny")
    InferHead(model='tiny', version='', parameters=())
    """
    model = version = b""
    parameters: list[bytes] = []
    for number, _, begin, end in _spans(message):
        if number > PARAMETERS:
            continue
        if number == MODEL_NAME:
            model = bytes(message[begin:end])
        elif number == MODEL_VERSION:
            version = bytes(message[begin:end])
        elif number == PARAMETERS:
            parameters.append(bytes(message[begin:end]))
    try:
        return InferHead(model.decode(), version.decode(), tuple(parameters))
    except UnicodeDecodeError as error:
        raise FeedError(f"the model's name or version is not UTF-8: {error.reason}") from error


def raw_spans(message: Bytes, number: int = RAW_INPUT_CONTENTS) -> tuple[Span, ...]:
    """Where a message has its raw contents: each field's beginning, and beginning and end of what is in it.

    Raises:
        FeedError: the bytes are no message.
    """
    return tuple(
        (start, begin, end)
        for found, start, begin, end in _spans(message)
        if found == number and message[start] & 7 == _LENGTH  # else it is no contents, and its length not told
    )


def without(message: Bytes, spans: Sequence[Span]) -> bytes:
    """A message without these fields."""
    ends, starts = [0, *(end for _, _, end in spans)], [*(start for start, _, _ in spans), len(message)]
    return b"".join([message[end:start] for end, start in zip(ends, starts, strict=True)])


def fields(message: Bytes) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field.

    Raises:
        FeedError: the bytes are no message.
    """
    view = memoryview(message)
    for number, _, begin, end in _spans(view):
        yield number, view[begin:end]


def _spans(view: Bytes) -> Iterator[tuple[int, int, int, int]]:
    """Number, where its tag begins, where its content begins and ends."""
    at, size, count = 0, len(view), 0
    while at < size:
        start = at
        tag = view[at]
        if tag < 0x80 and tag & 7 == _LENGTH and at + 1 < size and view[at + 1] < 0x80:  # as short as most are
            end = at + 2 + view[at + 1]
            if tag >= 8 and end <= size and count < MOST_FIELDS:
                count += 1
                yield tag >> 3, start, at + 2, end
                at = end
                continue
        tag, at = _varint(view, at)
        end = _end(view, at, tag & 7)
        if tag & 7 == _LENGTH:
            length, at = _varint(view, at)
            end = at + length
        count += 1
        if end > size or tag < 8:
            raise FeedError(f"the request is no message: its field at byte {start} ends after it")
        if count > MOST_FIELDS:
            raise FeedError(f"the request has more than {MOST_FIELDS} fields; allowed: those of its model's tensors")
        yield tag >> 3, start, at, end
        at = end


def _end(view: Bytes, at: int, kind: int) -> int:
    if kind == _VARINT:
        return _varint(view, at)[1]
    if kind in (_FIXED64, _FIXED32):
        return at + (8 if kind == _FIXED64 else 4)
    if kind == _LENGTH:
        return at
    raise FeedError(f"the request is no message: it has a field of the kind {kind}")


def _varint(view: Bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    try:
        while True:
            octet = view[at]
            number |= (octet & 0x7F) << shift
            at += 1
            if octet < 0x80:
                return number, at
            shift += 7
            if shift > _MOST_SHIFT:
                raise FeedError("the request is no message: it has a number of more than 64 bits")
    except IndexError as error:
        raise FeedError("the request is no message: it ends within a number") from error
