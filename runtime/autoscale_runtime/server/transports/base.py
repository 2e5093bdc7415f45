"""What the server and its transports have in common: a request that is whole, its reply, and a caller who left."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import grpc

Trailers = Sequence[tuple[str, str]]

LONGEST_TEXT: Final = 1000
"""Characters of an error's text: gRPC ends a call whose headers exceed some kilobytes."""


class Call(ABC):
    """One request, whole. The transport makes it on its event loop; whoever takes it answers there, once.

    Attributes:
        method: as in ``inference.GRPCInferenceService/ModelInfer``.
        message: the request's bytes, decompressed.
        deadline_s: on ``time.monotonic``'s clock; infinite where the caller waits for ever.
        client: whose it is: the holder of its token, else its connection.
        on_leaving: called if the caller leaves, or its deadline passes, before it has an answer.
    """

    __slots__ = ("client", "deadline_s", "message", "method", "on_leaving")

    def __init__(self, method: str, message: bytes, client: str = "", deadline_s: float = math.inf) -> None:
        self.method, self.message, self.client, self.deadline_s = method, message, client, deadline_s
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


class Handler(Protocol):
    """Whom a transport hands its requests to, on its event loop."""

    def request(self, call: Call) -> None:
        """Take a request; it is answered through the call, now or later."""


def shortened(text: str) -> str:
    """An error's text on one line, with its end left out where that is far away.

    >>> shortened("unknown model 'x'")
    "unknown model 'x'"
    """
    line = " ".join(text[: 2 * LONGEST_TEXT].split())
    return line if len(line) <= LONGEST_TEXT and len(text) <= 2 * LONGEST_TEXT else f"{line[:LONGEST_TEXT]} ..."
