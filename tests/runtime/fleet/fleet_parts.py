"""Records, rows and full disks for the tests of the fleet's ledger."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from autoscale.fleet import read_ledger
from autoscale.fleet.ledger.rows import Rows
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import batch_of
from autoscale_runtime.fleet.device_log.segment import read_segment
from autoscale_runtime.fleet.device_log.writer import LedgerWriter

TARGET = Target("device", "cpu", "int8", threads=2)


def record(number: int = 0, **changed: Any) -> Record:
    """A record that carries a number as its latency, in microseconds."""
    outcome = Outcome(number / 1e6, Split(0.25), Split(1e-6), Split(2e-9), None, {"latency_s": Method.MEASURED})
    decision = Decision("AUTO", TARGET, (Attempt(TARGET, 0.01),), None, None, outcome, 1.0, -1.0)
    values: dict[str, Any] = {"time_s": time.time(), "device": "mi8pro", "model": "mobilenet-v1"} | changed
    return Record(**values, goal=Goal(), observation=Observation(), decision=decision)


def logged(folder: Path, count: int, first: int = 0) -> None:
    """Append records first, first + 1, ... with a writer of their own."""
    with LedgerWriter(folder) as log:
        for number in range(first, first + count):
            log.append(record(number))


def latencies(folder: Path) -> list[int]:
    """What a log still holds, by the numbers of its records."""
    segments = [read_segment(each) for each in sorted(folder.glob("*.log"))]
    return [each for segment in segments if segment for each in segment.rows.numbers["latency_us"].tolist()]


def sequences(folder: Path) -> list[int]:
    """Likewise, by their sequence."""
    segments = [read_segment(each) for each in sorted(folder.glob("*.log"))]
    return [each for segment in segments if segment for each in segment.rows.numbers["sequence"].tolist()]


def rows_of_log(folder: Path, count: int) -> Rows:
    """Rows as a device has them."""
    logged(folder, count)
    segment = read_segment(next(folder.glob("*.log")))
    assert segment is not None
    return segment.rows.take(np.arange(count))


def as_lists(rows: Rows) -> dict[str, list[Any]]:
    """Every column's values."""
    texts = {name: [each.words[i] for i in each.codes] for name, each in rows.texts.items()}
    return {**{name: each.tolist() for name, each in rows.numbers.items()}, **texts}


def keys(ledger: Path) -> list[tuple[str, str, int]]:
    """Every accepted row's key, sorted."""
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

    names = ["device_id", "log_id", "sequence"]
    tables = [pq.ParquetFile(each).read(names) for each in read_ledger(ledger).files]
    return sorted(key for table in tables for key in zip(*(table[name].to_pylist() for name in names), strict=True))


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As a disk that is full behaves: a file grows to some size, and no further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def send(address: str, *batches: pb.Batch | bytes) -> list[pb.Receipt]:
    """What a collector answers, as a client that knows the protocol alone."""
    with grpc.insecure_channel(address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/autoscale.fleet.FleetCollector/Upload")
        raw = [each if isinstance(each, bytes) else each.SerializeToString() for each in batches]
        return [pb.Receipt.FromString(call(each, timeout=30)) for each in raw]


def with_numbers(rows: Rows, **changed: Any) -> pb.Batch:
    """A batch with other numbers in some columns."""
    numbers = {name: np.full(len(rows), values) for name, values in changed.items()}
    return batch_of(Rows({**rows.numbers, **numbers}, rows.texts), "device", "log", {})
