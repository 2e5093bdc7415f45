"""What came in a call, read: the same for every transport that a collector stands on."""

from collections.abc import Callable, Mapping
from typing import Final

import grpc

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import LaterSchema, read_batch
from autoscale_runtime.fleet.sums import SumsMessage, read_sums
from autoscale_runtime.wire.status import code_of

SERVICE: Final = "autoscale.fleet.FleetCollector"
MOST_WAITING: Final = 1024
"""Batches that may wait for a commit: one holds what came during the last, so that all of them share its fixed cost."""

MOST_WAITING_BYTES: Final = 256 << 20
"""Of all that wait together; any further one is refused, which bounds a collector's memory."""

READERS: Final[Mapping[str, Callable[[bytes], pb.Batch | SumsMessage]]] = {
    "Upload": read_batch,
    "UploadSums": read_sums,
}
"""Method to what reads its request."""


class NotItsOwn(InvalidInput):
    """Rows of another device than the one whose token came with them."""


def read_delivery(method: str, content: bytes, sender: str) -> pb.Batch | SumsMessage | InvalidInput:
    """What came, or why it cannot be read.

    Args:
        method: one of ``READERS``.
        content: of the call.
        sender: the device that may send its own rows alone; empty for one that may send any.

    Raises:
        LaterSchema: it is of a later schema, and not for this collector to keep.
        NotItsOwn: it has rows of another device than the sender's.
    """
    try:
        batch = READERS[method](content)
    except LaterSchema:
        raise
    except InvalidInput as problem:
        return problem
    if sender and isinstance(batch, pb.Batch) and batch.device_id != sender:
        raise NotItsOwn(f"'{sender}' sends rows of another device; allowed: its own")
    return batch


def status_of(error: Exception) -> grpc.StatusCode:
    """The status that a device is told an error by."""
    if isinstance(error, NotItsOwn):
        return grpc.StatusCode.PERMISSION_DENIED
    if isinstance(error, LaterSchema):
        return grpc.StatusCode.FAILED_PRECONDITION
    return code_of(error) if isinstance(error, AutoScaleError) else grpc.StatusCode.INTERNAL
