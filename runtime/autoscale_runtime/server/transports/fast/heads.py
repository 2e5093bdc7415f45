"""What a call's HTTP/2 headers say, and those of its answer (gRPC's PROTOCOL-HTTP2)."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote

import grpc

from autoscale.units import SECONDS_PER_YEAR
from autoscale_runtime.server.transports.base import NO_TRACE, TRACE_CONTEXT, Refusal, Refused, Trailers
from autoscale_runtime.server.transports.fast.messages import ENCODINGS

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

CallHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Of a call, as they came."""

TIMEOUT: Final = b"grpc-timeout"

ANSWER: Final = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", ",".join(ENCODINGS).encode()),
]
"""Before an answer's messages."""

DONE: Final = [(b"grpc-status", b"0")]
"""After them."""

_TRACE: Final = frozenset(each.encode() for each in TRACE_CONTEXT)
_GRPC: Final = b"application/grpc"
_GRPC_KINDS: Final = b"application/grpc+", b"application/grpc;"
"""Not ``application/grpc-web``, which is another protocol."""

_STATUSES: Final = {code: (b"grpc-status", b"%d" % code.value[0]) for code in grpc.StatusCode}
_UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS: Final = 8
_KEPT: Final = 256
_PLAIN: Final = "".join(chr(each) for each in range(0x20, 0x7F) if chr(each) != "%")


class Head(NamedTuple):
    """Of a call.

    Attributes:
        method: its full name.
        encoding: of its messages that are compressed.
        trace: that it belongs to.
    """

    method: str
    encoding: str
    trace: Mapping[str, str] = NO_TRACE


class Plan(NamedTuple):
    """What follows from a call's headers alone: but for the time that is left, a client's calls have the same ones.

    Attributes:
        head: what they say.
        metadata: all of them, as text.
        name: of the method without its service; empty for one that is answered beside the handler.
        is_unary: it has one request and one answer.
    """

    head: Head
    metadata: tuple[tuple[str, str], ...]
    name: str
    is_unary: bool


class NotGrpc(Exception):
    """The request is another protocol's.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: bytes) -> None:
        super().__init__()
        self.status = status


def head_of(headers: Headers) -> Head:
    """Read a call's head.

    Raises:
        NotGrpc: it is none.
        Refused: it cannot be understood.
    """
    told = dict(headers)
    if told.get(b":method") != b"POST":
        raise NotGrpc(b"405")
    kind = told.get(b"content-type", b"")
    if kind != _GRPC and not kind.startswith(_GRPC_KINDS):
        raise NotGrpc(b"415")
    encoding = "identity"
    if b"grpc-encoding" in told and (encoding := told[b"grpc-encoding"].decode("latin-1")) not in ENCODINGS:
        text = f"the encoding '{encoding[:40]}' is not known; allowed: {', '.join(ENCODINGS)}"
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, text)
    plain = _plain_head(told.get(b":path", b""), encoding)
    if _TRACE.isdisjoint(told):
        return plain
    trace = {name.decode(): told[name].decode("latin-1") for name in _TRACE if name in told}
    return plain._replace(trace=trace)


@lru_cache(_KEPT)
def _plain_head(path: bytes, encoding: str) -> Head:
    """Of a call that belongs to no trace; a client's are alike."""
    return Head(path.decode("latin-1").removeprefix("/"), encoding)


def metadata_of(headers: Headers) -> tuple[tuple[str, str], ...]:
    """What a caller adds to a call, as text."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def error_headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """The trailers of a call that has an error for an answer."""
    own = [(name.encode(), value.encode()) for name, value in refusal.trailers]
    return [_STATUSES[refusal.code], (b"grpc-message", _escaped(refusal.text)), *own]


def alone_headers(refusal: Refusal) -> Headers:
    """Of an answer that is an error, and nothing else: a server that is overloaded says the same to many."""
    return _alone_headers(refusal.code, refusal.text, tuple(refusal.trailers))


@lru_cache(_KEPT)
def _alone_headers(code: grpc.StatusCode, text: str, trailers: Trailers) -> Headers:
    return [*ANSWER, *error_headers(Refusal(code, text, trailers))]


def _escaped(text: str) -> bytes:
    is_plain = text.isascii() and text.isprintable() and "%" not in text  # as nearly all are
    return (text if is_plain else quote(text, _PLAIN)).encode()


@lru_cache(_KEPT)
def timeout_s(value: bytes) -> float:
    """Seconds that a caller allows, as its ``grpc-timeout`` says; infinite for more than a year.

    Raises:
        Refused: it says none.
    """
    digits, unit = value[:-1], _UNIT_S.get(value[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        text = f"grpc-timeout is {value[:20].decode('latin-1')!r}; allowed: up to 8 digits and one of H, M, S, m, u, n"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, text)
    seconds = int(digits) * unit
    return seconds if seconds < SECONDS_PER_YEAR else math.inf
