"""What a collector does with a call, whichever of the server's transports it came by."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import grpc

from autoscale.errors import AutoScaleError
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import MOST_BYTES
from autoscale_runtime.fleet.collector.committer import Delivery
from autoscale_runtime.fleet.collector.judging import Receipt
from autoscale_runtime.fleet.collector.reading import (
    MOST_WAITING,
    MOST_WAITING_BYTES,
    READERS,
    SERVICE,
    read_delivery,
    status_of,
)
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Call, Methods
from autoscale_runtime.wire.tokens import TokenFile

_METHODS: Final = {f"{SERVICE}/{name}": name for name in READERS}

METHODS: Final = Methods(frozenset(_METHODS))
LIMITS: Final = Limits(max_message_bytes=MOST_BYTES, max_streams=MOST_WAITING, max_unfinished_bytes=MOST_WAITING_BYTES)


class Front:
    """Takes batches from a transport, and answers each when it is committed.

    Args:
        submit: has a delivery committed; raises what it says at once.
        tokens: who may send; None lets everybody.
    """

    def __init__(self, submit: Callable[[Delivery], None], tokens: TokenFile | None) -> None:
        self._submit, self._tokens = submit, tokens
        self._waiting_bytes = 0

    def request(self, call: Call) -> None:
        """Take a batch."""
        size = len(call.message)
        if self._waiting_bytes + size > MOST_WAITING_BYTES:
            call.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many batches wait; send it again later")
            return
        try:
            batch = read_delivery(_METHODS[call.method], call.message, self._sender(call))
            self._submit(Delivery(batch, call.message, _Reply(call, self._let_go)))
        except AutoScaleError as error:
            call.refuse(status_of(error), str(error))
        else:
            self._waiting_bytes += size

    def _let_go(self, size: int) -> None:
        self._waiting_bytes -= size

    def _sender(self, call: Call) -> str:
        """The device whose rows a call may bring; empty for those of any."""
        if self._tokens is None or self._tokens.is_admin(call.client):
            return ""
        return call.client


class _Reply:
    """Where a batch's receipt goes: to who sent it, who may have left meanwhile."""

    __slots__ = ("_call", "_let_go")

    def __init__(self, call: Call, let_go: Callable[[int], None]) -> None:
        self._call, self._let_go = call, let_go

    def set_result(self, receipt: Receipt) -> None:
        """Answer."""
        self._let_go(len(self._call.message))
        self._call.reply(_told(receipt))

    def set_exception(self, error: Exception) -> None:
        """Answer with a status."""
        self._let_go(len(self._call.message))
        self._call.refuse(status_of(error), str(error))


@lru_cache(maxsize=1024)
def _told(receipt: Receipt) -> bytes:
    """As it travels; most batches of a fleet have as many rows, all of them accepted."""
    return pb.Receipt(
        accepted=receipt.accepted, duplicate=receipt.duplicate, rejected=receipt.rejected
    ).SerializeToString()
