"""The collector: takes the batches of a fleet over gRPC, and answers when they are in the ledger.

>>> with collect("ledger") as collector:  # doctest: +SKIP
...     print(collector.address)
127.0.0.1:43211
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import MOST_BYTES, LaterSchema, read_batch, reported_rows, rows_of
from autoscale_runtime.fleet.collector.committer import Committer, Delivery, Receipt, unreadable
from autoscale_runtime.wire.listening import listen
from autoscale_runtime.wire.status import code_of

SERVICE: Final = "autoscale.fleet.FleetCollector"
_WAITING: Final = 64
"""Batches that may wait for the same commit; as many more wait for them, and any further one is refused."""

_OPTIONS: Final = (("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0))


class Collector:
    """A running collector; use as a context manager, or call ``stop``.

    Attributes:
        address: ``host:port`` that devices connect to.
        port: the port alone, the one that was found if none was asked for.
    """

    def __init__(self, ledger: Ledger, rules: Rules, host: str, port: int) -> None:
        workers = ThreadPoolExecutor(_WAITING, "fleet")
        self._server = grpc.server(workers, options=_OPTIONS, maximum_concurrent_rpcs=2 * _WAITING)
        # Bytes in: what cannot be read is kept as it came.
        handler: grpc.RpcMethodHandler[bytes, pb.Receipt] = grpc.unary_unary_rpc_method_handler(
            self._upload, response_serializer=pb.Receipt.SerializeToString
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Upload": handler}),))
        self.address, self.port = listen(self._server, host, port)
        self._committer = Committer(ledger, rules)
        self._server.start()

    def stop(self, grace_s: float = 10.0) -> None:
        """Take no more batches, commit and answer those that came, and let the ledger go."""
        stopped = self._server.stop(grace_s)
        stopped.wait()
        self._committer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _upload(self, content: bytes, context: grpc.ServicerContext) -> pb.Receipt:
        try:
            receipt = self._take(content)
        except LaterSchema as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except AutoScaleError as error:
            context.abort(code_of(error), str(error))
        return pb.Receipt(accepted=receipt.accepted, duplicate=receipt.duplicate, rejected=receipt.rejected)

    def _take(self, content: bytes) -> Receipt:
        try:
            batch = read_batch(content)
            key = batch.device_id, batch.log_id
            delivery = Delivery(key, rows_of(batch), dict(batch.lost), batch.begins)
        except LaterSchema:
            raise
        except InvalidInput:
            self._committer.deliver(unreadable(content, reported_rows(content)))
            raise
        return self._committer.deliver(delivery)


def collect(ledger: Path | str, rules: Rules | None = None, host: str = "127.0.0.1", port: int = 0) -> Collector:
    """Open a ledger and start to collect into it.

    Args:
        ledger: a folder; made where there is none.
        rules: what is known of the fleet.
        host: the address to listen at; the default is reached from this machine alone.
        port: 0 takes a free one.

    Raises:
        InvalidInput: another collector has the ledger, or it is of a later version; a port that is none.
        MissingExtra: pyarrow is not installed.
        PortInUse: the address cannot be bound.
    """
    opened = Ledger(ledger)
    try:
        return Collector(opened, rules or Rules(), host, port)
    except BaseException:
        opened.close()
        raise
