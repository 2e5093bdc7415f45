"""Who may call, judged by a call's head, before its body is there: the same for every transport."""

import time
from collections.abc import Iterable
from typing import Final

import grpc

from autoscale.errors import Overloaded
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Refused
from autoscale_runtime.wire.status import trailers_of
from autoscale_runtime.wire.tokens import TokenFile

OPEN: Final = frozenset({"ServerLive", "ServerReady"})
"""What probes ask without a token."""

ADMIN: Final = frozenset({"RepositoryModelLoad", "RepositoryModelUnload"})
COUNTED: Final = "ModelInfer"
"""One query each; of a stream of queries each message is one."""


class Admission:
    """The door. For the event loop.

    Args:
        limits: of unfinished requests.
        tokens: who may call; None lets everybody.
    """

    def __init__(self, limits: Limits, tokens: TokenFile | None = None) -> None:
        self._limits, self._tokens = limits, tokens

    def client(self, name: str, metadata: Iterable[tuple[str, str | bytes]], peer: str, unfinished: int) -> str:
        """Whose a call is: the holder of its token, else its connection.

        Args:
            name: of the method, without its service.
            metadata: of the call.
            peer: its connection.
            unfinished: requests whose bodies are on their way.

        Raises:
            Refused: it may not.
        """
        if unfinished >= self._limits.max_unfinished:
            text = f"{unfinished} requests of all clients are coming in; allowed at once: {self._limits.max_unfinished}"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        return self._judged(name, metadata, peer, name == COUNTED)

    def message(self, name: str, metadata: Iterable[tuple[str, str | bytes]], peer: str) -> str:
        """Whose a message of a stream is, likewise: a stream outlives neither its token nor its quota.

        Raises:
            Refused: it may not, or not any more.
        """
        return self._judged(name, metadata, peer, True)

    def _judged(self, name: str, metadata: Iterable[tuple[str, str | bytes]], peer: str, is_counted: bool) -> str:
        if self._tokens is None or name in OPEN:
            return peer
        try:
            client = self._tokens.client(metadata)
            if is_counted:
                client.take(time.monotonic())
        except PermissionError as error:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
        except Overloaded as error:
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), trailers_of(error)) from error
        if name in ADMIN and not client.is_admin:
            text = f"client '{client.name}' may not change what is served; allowed: one with admin = true"
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, text)
        return client.name
