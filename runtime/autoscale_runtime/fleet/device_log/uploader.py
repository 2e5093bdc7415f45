"""Carries a device's log to the collector: in batches, again and again until it has each, weeks later if need be."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import grpc
import numpy as np

from autoscale.closing import Closing
from autoscale.errors import InvalidInput, TargetError
from autoscale.files import sync
from autoscale.fleet.ledger.lock import FolderLock
from autoscale.fleet.ledger.rows import Ints
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime._proto.fleet_pb2_grpc import FleetCollectorStub
from autoscale_runtime.fleet.batches import MOST_BYTES, MOST_ROWS, LaterSchema, batch_of
from autoscale_runtime.fleet.device_log.log_folder import LogFolder, SegmentFile
from autoscale_runtime.fleet.device_log.outgoing_sums import Outgoing, summed_rows, sums_of
from autoscale_runtime.fleet.device_log.segment import Segment, read_segment
from autoscale_runtime.fleet.shards import shard_of
from autoscale_runtime.fleet.sums import MOST_SUMS
from autoscale_runtime.wire.access import Access, Bearer, reached
from autoscale_runtime.wire.certificates import client_credentials
from autoscale_runtime.wire.client import open_channel
from autoscale_runtime.wire.status import error_of_call

_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),
)
_LOG: Final = logging.getLogger("autoscale.fleet")
_MOST_REFUSALS: Final = 3
"""After so many a batch that the collector cannot read is left out, else it would hold up all that follow."""


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How a log is uploaded.

    Attributes:
        batch_rows: rows of one message, up to 16384; fewer go into one where their texts are long.
        timeout_s: how long the collector may take to make a batch durable.
        every_s: between two rounds in the background: seldom, since each wakes the radio, and a collector takes many
            rows of one batch for the price of a few.
        first_wait_s: after a failure; twice as long after each further one.
        longest_wait_s: at most.
        aggregate: send hourly sums in place of rows, of hours that have ended: no device, session, minute or single
            query leaves. Rows that were under way as rows before are sent as rows.

    Raises:
        InvalidInput: a number that is not above 0, or too many rows.
    """

    batch_rows: int = 4096
    timeout_s: float = 60.0
    every_s: float = 3600.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 600.0
    aggregate: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_rows", "timeout_s", "every_s", "first_wait_s", "longest_wait_s"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: above 0")
        if self.batch_rows > MOST_ROWS:
            raise InvalidInput(f"batch_rows is {self.batch_rows}; allowed: 1 to {MOST_ROWS}")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What one round brought: rows the collector took, knew already, and put into quarantine; rows left out."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    skipped: int = 0

    def __add__(self, other: "Uploaded") -> "Uploaded":
        return Uploaded(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.skipped + other.skipped,
        )


class Uploader(Closing):
    """Uploads the log in a folder, also while a writer appends to it; one at a time for each folder.

    >>> with Uploader("log", "collector:9001") as uploader:  # doctest: +SKIP
    ...     uploader.upload()  # all there is, now; or uploader.start() for the background

    Args:
        folder: a ``LedgerWriter``'s.
        address: the collector's ``host:port``, or ``grpcs://host:port`` for TLS; those of several, of which the
            device's name picks one.
        options: the rest.
        token: of this device, where the collector wants one, or the ``Path`` of its file; without TLS it goes to this
            machine alone.
        access: the rest of whom the device trusts there and by what it is known, as for mutual TLS.

    Attributes:
        total: what all rounds brought so far.
        last_error: why the last round in the background failed; None where it did not.

    Raises:
        InvalidInput: another uploader has the folder, the address is none, or a file of ``access`` cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        address: str | Sequence[str],
        options: UploadOptions | None = None,
        token: str | Path = "",
        access: Access | None = None,
    ) -> None:
        given = replace(access or Access(), token=token) if token else access
        collectors = dict(reached(each, given) for each in ([address] if isinstance(address, str) else address))
        self._folder = LogFolder(folder)
        self._address = next(iter(collectors)) if len(collectors) == 1 else _collector_of(self._folder, [*collectors])
        known = collectors[self._address]
        credentials = client_credentials(known) if known.is_secure else None
        self._bearer = Bearer(known.token)
        self._options = options or UploadOptions()
        self._folder.upload.mkdir(exist_ok=True)
        self._lock = FolderLock(self._folder.upload, "log", "uploader")
        self._channel = open_channel(self._address, known, credentials, _OPTIONS, grpc.Compression.Gzip)
        collector = FleetCollectorStub(self._channel)
        self._send, self._send_sums = collector.Upload, collector.UploadSums
        self._refusals = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.total = Uploaded()
        self.last_error: Exception | None = None

    def upload(self) -> Uploaded:
        """Send all that is whole in the log and that the collector does not have.

        Raises:
            TargetError: the collector could not be reached or did not take a batch; what it took is not sent again.
            InvalidInput: it cannot read a batch; ``LaterSchema`` where it is older than this device, whose rows wait.
            OSError: the log cannot be read, or the disk fails.
        """
        done = self._settle_sums()
        segments = self._folder.segments()
        for each, following in zip(segments, [*segments, None][1:], strict=True):
            segment = _read(each)
            if segment is None:
                continue
            done += self._upload_segment(each, segment)
            if following is not None and self._folder.acknowledged() >= segment.last:
                each.path.unlink(missing_ok=True)
        return done

    def start(self) -> None:
        """Upload in the background from now on: every so often, and after failures with longer and longer waits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fleet-upload", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop, once the batch under way has its answer or failed."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._channel.close()
        self._lock.close()

    def _run(self) -> None:
        chance, wait_s = random.Random(), self._options.first_wait_s
        while not self._stopped.is_set():
            try:
                self.upload()
                self.last_error, wait_s, pause_s = None, self._options.first_wait_s, self._options.every_s
            except LaterSchema as error:  # nothing helps but an update of the collector, which takes its time
                self._note_failure(error)
                pause_s = self._options.every_s
            except Exception as error:  # whatever it is, it must be seen, and the rounds go on
                self._note_failure(error)
                pause_s = wait_s * chance.uniform(0.5, 1.0)  # so that a fleet does not come back all at once
                wait_s = min(2.0 * wait_s, self._options.longest_wait_s)
            self._stopped.wait(pause_s)

    def _note_failure(self, error: Exception) -> None:
        if self.last_error is None:  # weeks without a network are one line, not a thousand
            _LOG.warning("the log is not uploaded to %s for now: %s", self._address, error)
        self.last_error = error

    def _upload_segment(self, file: SegmentFile, segment: Segment) -> Uploaded:
        done = Uploaded()
        after = self._folder.acknowledged()
        sequences = segment.rows.numbers["sequence"]
        waiting = np.flatnonzero(sequences > after)
        if len(waiting):
            with suppress(FileNotFoundError):  # the writer made room
                sync(file.path)  # a number that was sent is never used again, not even after a power cut
        as_rows = waiting
        if self._options.aggregate:
            as_rows = waiting[sequences[waiting] <= self._folder.attempted()]
        elif len(waiting):
            self._folder.attempt(int(sequences[waiting[-1]]))
        for rows in self._batches(segment, as_rows):
            done += self._brought(*rows)
        if self._options.aggregate:
            done += self._upload_sums(segment, waiting[len(as_rows) :])
        return done

    def _batches(self, segment: Segment, waiting: Ints) -> Iterator[tuple[Callable[[], Uploaded], int]]:
        """What hands over some rows, in turn, and the last of them."""
        if not len(waiting):
            return
        sums, log = Outgoing.read(self._folder.upload), segment.header
        begins = max(log.begins, sums.last + 1)  # no gap: they came as sums, or are told as lost
        losses = sums.losses.of(log.log_id, segment.lost)
        if losses.untold:  # kept before it is sent: what may have arrived with rows is not told with sums
            with suppress(OSError):  # a full disk is no reason to keep the rows that fill it
                replace(sums, losses=losses.told_by_rows()).write(self._folder.upload)
        while len(waiting) and not self._stopped.is_set():
            batch = _batch(segment, waiting[: self._options.batch_rows], losses.due_with_rows, begins)
            last = int(segment.rows.numbers["sequence"][waiting[batch.rows - 1]])
            yield partial(self._hand_over, self._send, batch, batch.rows), last
            waiting = waiting[batch.rows :]

    def _upload_sums(self, segment: Segment, waiting: Ints) -> Uploaded:
        done, now_us = Uploaded(), time.time_ns() // 1000
        waiting = summed_rows(segment, waiting, now_us)
        while len(waiting) and not self._stopped.is_set():
            which, waiting = waiting[:MOST_SUMS], waiting[MOST_SUMS:]
            sums_of(segment, which, Outgoing.read(self._folder.upload), now_us).write(self._folder.upload)
            done += self._settle_sums()
        return done

    def _settle_sums(self) -> Uploaded:
        """Send sums that were made and did not arrive, whether or not new ones are to be made."""
        kept = Outgoing.read(self._folder.upload)
        if kept.last <= self._folder.acknowledged():
            return Uploaded()
        if not kept.message:
            return self._brought(lambda: Uploaded(rejected=kept.left_out), kept.last)
        sums = pb.Sums.FromString(kept.message)
        done = self._brought(partial(self._hand_over, self._send_sums, sums, 1), kept.last)
        return done + Uploaded(rejected=kept.left_out)

    def _brought(self, hand_over: Callable[[], Uploaded], last: int) -> Uploaded:
        brought = hand_over()
        self._folder.acknowledge(last)
        self.total += brought
        return brought

    def _hand_over(self, send: Callable[..., pb.Receipt], batch: pb.Batch | pb.Sums, rows: int) -> Uploaded:
        try:
            receipt = send(batch, timeout=self._options.timeout_s, metadata=self._bearer.metadata())
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise LaterSchema(f"{self._address}: {error.details()}; the rows wait here until then") from error
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                self._refusals += 1
                if self._refusals >= _MOST_REFUSALS:
                    self._refusals = 0
                    return Uploaded(skipped=rows)
            raise error_of_call(error, self._address) from error
        except ValueError as error:  # gRPC's way to say that the channel was closed meanwhile
            raise TargetError(f"{self._address}: {error}") from error
        self._refusals = 0
        return Uploaded(receipt.accepted, receipt.duplicate, receipt.rejected)


def _collector_of(folder: LogFolder, addresses: Sequence[str]) -> str:
    segments = folder.segments()
    return shard_of(folder.device_id(_read(segments[-1]) if segments else None), addresses)


def _batch(segment: Segment, which: Ints, lost: Mapping[str, int], begins: int) -> pb.Batch:
    """As many of some rows as fit into a message."""
    log = segment.header
    while True:
        rows = segment.rows.take(which)
        batch = batch_of(rows, log.device_id, log.log_id, lost, log.schema, begins)
        if batch.ByteSize() <= MOST_BYTES or len(which) == 1:
            return batch
        which = which[: len(which) // 2]


def _read(file: SegmentFile) -> Segment | None:
    try:
        return read_segment(file.path)
    except FileNotFoundError:  # the writer made room
        return None
