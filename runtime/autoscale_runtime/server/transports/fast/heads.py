"""What a call's HTTP/2 headers say, and those of its answer (gRPC's PROTOCOL-HTTP2)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote

import grpc

from autoscale.units import SECONDS_PER_YEAR
from autoscale_runtime.server.transports.base import NO_TRACE, TRACE_CONTEXT, Refusal, Refused
from autoscale_runtime.server.transports.fast.messages import ENCODINGS

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

ANSWER: Final = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", ",".join(ENCODINGS).encode()),
]
"""Before an answer's messages."""

DONE: Final = [(b"grpc-status", b"0")]
"""After them."""

_TRACE: Final = frozenset(each.encode() for each in TRACE_CONTEXT)
_UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS: Final = 8
_PLAIN: Final = "".join(chr(each) for each in range(0x20, 0x7F) if chr(each) != "%")


class Head(NamedTuple):
    """Of a call.

    Attributes:
        method: its full name.
        timeout_s: that its caller allows; infinite for none.
        encoding: of its messages that are compressed.
        trace: that it belongs to.
    """

    method: str
    timeout_s: float
    encoding: str
    trace: Mapping[str, str] = NO_TRACE


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
    method = kind = b""
    path, timeout_s, encoding = "", math.inf, "identity"
    trace = NO_TRACE
    for name, value in headers:
        if name == b":path":
            path = value.decode("latin-1")
        elif name == b":method":
            method = value
        elif name == b"content-type":
            kind = value
        elif name == b"grpc-timeout":
            timeout_s = _seconds(value)
        elif name == b"grpc-encoding":
            encoding = value.decode("latin-1")
        elif name in _TRACE:
            trace = {**trace, name.decode(): value.decode("latin-1")}
    if method != b"POST":
        raise NotGrpc(b"405")
    if not kind.startswith(b"application/grpc") or kind.startswith(b"application/grpc-web"):
        raise NotGrpc(b"415")
    if encoding not in ENCODINGS:
        text = f"the encoding '{encoding[:40]}' is not known; allowed: {', '.join(ENCODINGS)}"
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, text)
    return Head(path.removeprefix("/"), timeout_s, encoding, trace)


def metadata_of(headers: Headers) -> Iterator[tuple[str, str]]:
    """What a caller adds to a call, as text."""
    for name, value in headers:
        yield name.decode("latin-1"), value.decode("latin-1")


def error_headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """The trailers of a call that has an error for an answer."""
    code: int = refusal.code.value[0]
    own = [(name.encode(), value.encode()) for name, value in refusal.trailers]
    return [(b"grpc-status", b"%d" % code), (b"grpc-message", quote(refusal.text, _PLAIN).encode()), *own]


def _seconds(value: bytes) -> float:
    digits, unit = value[:-1], _UNIT_S.get(value[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        text = f"grpc-timeout is {value[:20].decode('latin-1')!r}; allowed: up to 8 digits and one of H, M, S, m, u, n"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, text)
    timeout_s = int(digits) * unit
    return timeout_s if timeout_s < SECONDS_PER_YEAR else math.inf
