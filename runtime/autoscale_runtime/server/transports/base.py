"""What the server and its transports have in common: a request that is whole, its reply, and a caller who left."""

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import grpc

from autoscale_runtime.server.limits import Limits
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile

Trailers = Sequence[tuple[str, str]]

Exchange = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
"""A method that is answered beside all queries, as probes and reflection are: messages come, messages go.

It runs on the transport's loop, ends when its caller leaves, and raises ``Refused`` for a status.
"""

LONGEST_TEXT: Final = 1000
"""Characters of an error's text: gRPC ends a call whose headers exceed some kilobytes."""


TRACE_CONTEXT: Final = frozenset({"traceparent", "tracestate"})
"""Metadata that says which trace a call belongs to (W3C's Trace Context)."""

NO_TRACE: Final[Mapping[str, str]] = MappingProxyType({})


class Call(ABC):
    """One request, whole. The transport makes it on its event loop; whoever takes it answers there, once.

    Attributes:
        method: as in ``inference.GRPCInferenceService/ModelInfer``.
        message: the request's bytes, decompressed.
        deadline_s: on ``time.monotonic``'s clock; infinite where the caller waits for ever.
        client: whose it is: the holder of its token, else its connection.
        trace: what its caller says of the trace it belongs to, of ``TRACE_CONTEXT``.
        on_leaving: called if the caller leaves, or its deadline passes, before it has an answer.
    """

    def __init__(
        self,
        method: str,
        message: bytes,
        client: str = "",
        deadline_s: float = math.inf,
        trace: Mapping[str, str] = NO_TRACE,
    ) -> None:
        self.method, self.message, self.client, self.deadline_s = method, message, client, deadline_s
        self.trace = trace
        self.on_leaving: Callable[[], None] | None = None

    @abstractmethod
    def reply(self, message: bytes) -> None:
        """Answer it; nothing happens where the caller has left."""

    @abstractmethod
    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error; nothing happens where the caller has left."""

    def left(self) -> None:
        """The transport says that nobody waits for the answer any more."""
        leaving, self.on_leaving = self.on_leaving, None
        if leaving is not None:
            leaving()


class Refusal(NamedTuple):
    """An error as it travels."""

    code: grpc.StatusCode
    text: str
    trailers: Trailers = ()


class Refused(Exception):
    """A call has an error for an answer."""

    def __init__(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        super().__init__(text)
        self.refusal = Refusal(code, shortened(text), trailers)


class Handler(Protocol):
    """Whom a transport hands its requests to, on its event loop."""

    def request(self, call: Call) -> None:
        """Take a request; it is answered through the call, now or later."""


@dataclass(frozen=True, slots=True)
class Methods:
    """What a transport answers, by full name as in ``inference.GRPCInferenceService/ModelInfer``.

    Attributes:
        unary: of one request and one answer; their requests go to the handler.
        streaming: of many, each answered by itself and in order; likewise.
        beside: exchanges that the handler has nothing to do with.
    """

    unary: frozenset[str] = frozenset()
    streaming: frozenset[str] = frozenset()
    beside: Mapping[str, Exchange] = field(default_factory=dict)


class Transport(ABC):
    """Speaks gRPC with clients. All of it runs on one event loop.

    Args:
        methods: what is answered.
        handler: who answers the queries.
        limits: of unfinished requests.
        tokens: who may call; None lets everybody.
    """

    @abstractmethod
    def __init__(self, methods: Methods, handler: Handler, limits: Limits, tokens: TokenFile | None = None) -> None: ...

    @abstractmethod
    async def listen(self, host: str, port: int, certificates: Certificates | None = None) -> tuple[str, int]:
        """Bind an address; clients are answered from ``start`` on.

        Returns:
            ``host:port`` that clients connect to, and the port alone.

        Raises:
            InvalidInput: a port that is none, a certificate that cannot be read.
            PortInUse: the address cannot be bound; the message says why.
        """

    @abstractmethod
    async def start(self) -> None:
        """Answer."""

    @abstractmethod
    async def leave(self, longest_s: float) -> None:
        """Tell clients to send no more calls; those they have sent go on, for ``longest_s`` seconds at most."""

    @property
    @abstractmethod
    def under_way(self) -> int:
        """Calls of one request that have come, or are coming in, and have not their answer."""

    @abstractmethod
    async def stop(self, grace_s: float) -> None:
        """End what is still under way after ``grace_s`` seconds, and close."""


def shortened(text: str) -> str:
    """An error's text on one line, with its end left out where that is far away.

    >>> shortened("unknown model 'x'")
    "unknown model 'x'"
    """
    if len(text) <= LONGEST_TEXT and text.isprintable():
        return text
    line = " ".join(text[: 2 * LONGEST_TEXT].split())
    return line if len(line) <= LONGEST_TEXT and len(text) <= 2 * LONGEST_TEXT else f"{line[:LONGEST_TEXT]} ..."
