"""The collector: takes the batches of a fleet over gRPC, and answers when they are in the ledger.

>>> with collect("ledger") as collector:  # doctest: +SKIP
...     print(collector.address)
127.0.0.1:43211
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc
import grpc.aio

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import MOST_BYTES, LaterSchema, read_batch
from autoscale_runtime.fleet.collector import event_loop
from autoscale_runtime.fleet.collector.committer import Committer, Delivery
from autoscale_runtime.fleet.collector.judging import Receipt
from autoscale_runtime.fleet.sums import SumsMessage, read_sums
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.listening import listen
from autoscale_runtime.wire.status import code_of
from autoscale_runtime.wire.tokens import Client, TokenFile

SERVICE: Final = "autoscale.fleet.FleetCollector"
_WAITING: Final = 1024
"""Batches that may wait for a commit: one holds what came during the last, so that all of them share its fixed cost."""

_WAITING_BYTES: Final = 256 << 20
"""Of all that wait together; any further one is refused, which bounds a collector's memory."""

_OPTIONS: Final = (("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0))


class NotItsOwn(InvalidInput):
    """Rows of another device than the one whose token came with them."""


class Collector:
    """A running collector; use as a context manager, or call ``stop``.

    Attributes:
        address: ``host:port`` that devices connect to.
        port: the port alone, the one that was found if none was asked for.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules,
        host: str,
        port: int,
        tokens: TokenFile | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._waiting_bytes, self._tokens = 0, tokens
        self.address, self.port = event_loop.run(self._listen(host, port, certificates))
        self._committer = Committer(ledger, rules, event_loop.soon)
        event_loop.run(self._server.start())

    async def _listen(self, host: str, port: int, certificates: Certificates | None) -> tuple[str, int]:
        # Bytes in: what cannot be read is kept as it came.
        handlers: dict[str, grpc.RpcMethodHandler[bytes, pb.Receipt]] = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._upload, read), response_serializer=pb.Receipt.SerializeToString
            )
            for name, read in _READERS.items()
        }
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_WAITING)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        return listen(self._server, host, port, certificates.credentials() if certificates is not None else None)

    def stop(self, grace_s: float = 10.0) -> None:
        """Take no more batches, commit and answer those that came, and let the ledger go."""
        event_loop.run(self._server.stop(grace_s))
        self._committer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _upload(
        self, read: "_Reader", content: bytes, context: "grpc.aio.ServicerContext[bytes, pb.Receipt]"
    ) -> pb.Receipt:
        if self._waiting_bytes + len(content) > _WAITING_BYTES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many batches wait; send it again later")
        self._waiting_bytes += len(content)
        try:
            receipt = await self._take(read, content, self._client(context))
        except PermissionError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except NotItsOwn as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except LaterSchema as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except AutoScaleError as error:
            await context.abort(code_of(error), str(error))
        finally:
            self._waiting_bytes -= len(content)
        return pb.Receipt(accepted=receipt.accepted, duplicate=receipt.duplicate, rejected=receipt.rejected)

    def _client(self, context: "grpc.aio.ServicerContext[bytes, pb.Receipt]") -> Client | None:
        """Who sends; None where anybody may."""
        return None if self._tokens is None else self._tokens.client(context.invocation_metadata() or ())

    async def _take(self, read: "_Reader", content: bytes, client: Client | None) -> Receipt:
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        batch = _read(read, content)
        if client is not None and not client.is_admin and _is_of_another(batch, client.name):
            raise NotItsOwn(f"'{client.name}' sends rows of another device; allowed: its own")
        self._committer.submit(Delivery(batch, content, receipt))
        return await receipt


_Reader = Callable[[bytes], pb.Batch | SumsMessage]
_READERS: Final[dict[str, _Reader]] = {"Upload": read_batch, "UploadSums": read_sums}


def _read(read: _Reader, content: bytes) -> pb.Batch | SumsMessage | InvalidInput:
    """What came, or why it cannot be read; of a later schema it is not for this collector to keep."""
    try:
        return read(content)
    except LaterSchema:
        raise
    except InvalidInput as problem:
        return problem


def _is_of_another(batch: pb.Batch | SumsMessage | InvalidInput, device_id: str) -> bool:
    return isinstance(batch, pb.Batch) and batch.device_id != device_id


def collect(
    ledger: Path | str,
    rules: Rules | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tokens: TokenFile | None = None,
    certificates: Certificates | None = None,
) -> Collector:
    """Open a ledger and start to collect into it.

    Args:
        ledger: a folder; made where there is none.
        rules: what is known of the fleet.
        host: the address to listen at; the default is reached from this machine alone.
        port: 0 takes a free one.
        tokens: who may send, each the rows of the device of its name (an admin's those of any); None lets everybody.
        certificates: for TLS; None listens without encryption.

    Raises:
        InvalidInput: another collector has the ledger, or it is of a later version; a port that is none; certificates
            that cannot be read.
        MissingExtra: pyarrow is not installed.
        PortInUse: the address cannot be bound.
    """
    opened = Ledger(ledger)
    try:
        return Collector(opened, rules or Rules(), host, port, tokens, certificates)
    except BaseException:
        opened.close()
        raise
