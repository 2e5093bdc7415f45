"""The collector on gRPC's own asyncio server, where the transport ``fast`` is not installed."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import grpc
import grpc.aio

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
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.listening import listen
from autoscale_runtime.wire.tokens import TokenFile

_OPTIONS: Final = (("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0))


class AioFront:
    """Takes batches, and answers each when it is committed.

    Args:
        submit: has a delivery committed; raises what it says at once.
        tokens: who may send; None lets everybody.
    """

    def __init__(self, submit: Callable[[Delivery], None], tokens: TokenFile | None) -> None:
        self._submit, self._tokens = submit, tokens
        self._waiting_bytes = 0
        # Bytes in: what cannot be read is kept as it came.
        handlers: dict[str, grpc.RpcMethodHandler[bytes, pb.Receipt]] = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._upload, name), response_serializer=pb.Receipt.SerializeToString
            )
            for name in READERS
        }
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_WAITING)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def listen(self, host: str, port: int, certificates: Certificates | None) -> tuple[str, int]:
        """Bind an address; as ``Transport.listen``."""
        return listen(self._server, host, port, certificates.credentials() if certificates is not None else None)

    async def start(self) -> None:
        """Answer."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no more batches, and give those under way some time."""
        await self._server.stop(grace_s)

    async def _upload(
        self, method: str, content: bytes, context: "grpc.aio.ServicerContext[bytes, pb.Receipt]"
    ) -> pb.Receipt:
        if self._waiting_bytes + len(content) > MOST_WAITING_BYTES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many batches wait; send it again later")
        self._waiting_bytes += len(content)
        try:
            receipt = await self._take(method, content, context)
        except PermissionError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except AutoScaleError as error:
            await context.abort(status_of(error), str(error))
        finally:
            self._waiting_bytes -= len(content)
        return pb.Receipt(accepted=receipt.accepted, duplicate=receipt.duplicate, rejected=receipt.rejected)

    async def _take(
        self, method: str, content: bytes, context: "grpc.aio.ServicerContext[bytes, pb.Receipt]"
    ) -> Receipt:
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        client = None if self._tokens is None else self._tokens.client(context.invocation_metadata() or ())
        sender = "" if client is None or client.is_admin else client.name
        self._submit(Delivery(read_delivery(method, content, sender), content, receipt))
        return await receipt
