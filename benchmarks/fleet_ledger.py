"""What the fleet's ledger costs: one record on the device; records a second in a collector held to one core; and small
batches a second where collector and devices share two cores, with the collector's CPU time for each.

Run from the root: ``python -m benchmarks.fleet_ledger``; ``--collectors 3`` has as many on the same cores, by turns
with one, in place of that. Needs the extra ``fleet``.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

import grpc
import numpy as np

from autoscale.fleet.ledger.ledgers import read_ledgers
from autoscale.fleet.ledger.rows import Rows
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale.units import J_PER_KWH, MICRO_PER_UNIT
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import batch_of
from autoscale_runtime.fleet.device_log.segment import read_segment
from autoscale_runtime.fleet.device_log.writer import LedgerWriter
from autoscale_runtime.fleet.shards import shard_of

Row = dict[str, Any]

RECORDS: Final = 20_000
BATCH_ROWS: Final = 4096
BATCHES: Final = 400
DEVICES: Final = 40
SENDING: Final = 16
SMALL_ROWS: Final = 50
SMALL_BATCHES: Final = 12_000
SMALL_DEVICES: Final = 2000
SMALL_SENDING: Final = 900
"""As many wait at once as small devices whose hour is the same would; a collector takes 1024."""
COLLECT: Final = "from autoscale.fleet.fleet_command import fleet; fleet()"
TARGETS: Final = [Target.parse(each) for each in ("device:cpu/int8@1766MHz", "device:gpu/fp16", "cloud:gpu/fp32")]


def record(number: int) -> Record:
    """One of some thousand different records."""
    target = TARGETS[number % 3]
    energy_j = 0.01 + 1e-5 * (number % 997)
    methods = {"latency_s": Method.MEASURED, "energy_j.device": Method.MODELLED, "accuracy": Method.MEASURED}
    outcome = Outcome(
        0.02 + 1e-6 * (number % 9973),
        Split(energy_j, 0.002, 0.1),
        Split(energy_j * 381.0 / J_PER_KWH, 1e-7, 0.1 * 56.0 * 1.1 / J_PER_KWH),
        Split(2e-6),
        0.71,
        methods,
        pue_remote=1.1,
    )
    decision = Decision("AUTO", target, (Attempt(target, 0.02),), 0.019, 0.011, outcome, 0.93, -1.0)
    seen = Observation(0.1, 0.5, intensity_g_per_kwh={"device": 381.0, "cloud": 56.0})
    return Record(time.time(), "mi8pro", "mobilenet-v1", Goal(), seen, decision)


def append_us(folder: Path) -> tuple[float, float]:
    """Median and 99th percentile of an append, microseconds."""
    records = [record(i) for i in range(997)]
    times = np.empty(RECORDS)
    with LedgerWriter(folder) as log:
        for i in range(RECORDS):
            each = records[i % len(records)]
            start = perf_counter_ns()
            log.append(each)
            times[i] = perf_counter_ns() - start
    return float(np.median(times)) / 1e3, float(np.quantile(times, 0.99)) / 1e3


@dataclass(frozen=True, slots=True)
class Load:
    """Batches to send, and how.

    Attributes:
        batches: how many.
        rows: in each.
        devices: that they come from in turn.
        sending: batches that wait for their answer at once.
        cores: that the collector may run on; 0 for all.
        collectors: that share the devices.
    """

    batches: int
    rows: int
    devices: int
    sending: int
    cores: int = 0
    collectors: int = 1

    def contents(self, rows: Rows) -> list[bytes]:
        """Each batch's numbers and times after those of that device's batch before."""
        return [self._batch(rows, i % self.devices, i // self.devices).SerializeToString() for i in range(self.batches)]

    def _batch(self, rows: Rows, device: int, before: int) -> pb.Batch:
        sequence = np.arange(self.rows) + before * self.rows
        time_us = rows.numbers["time_us"] + before * MICRO_PER_UNIT
        numbers = {**rows.numbers, "sequence": sequence, "time_us": time_us}
        return batch_of(Rows(numbers, rows.texts), f"device-{device}", "log", {})


LARGE: Final = Load(BATCHES, BATCH_ROWS, DEVICES, SENDING, cores=1)
SMALL: Final = Load(SMALL_BATCHES, SMALL_ROWS, SMALL_DEVICES, SMALL_SENDING)


def collected(folder: Path, rows: Rows, load: Load) -> tuple[float, float]:
    """Batches a second that collectors make durable, and their CPU time for each, s."""
    contents = load.contents(rows)
    ledgers = [folder / f"ledger-{load.rows}-{load.collectors}-{i}" for i in range(load.collectors)]
    with ExitStack() as stack:
        running = [stack.enter_context(_collector(each, load.cores)) for each in ledgers]
        addresses = [address for _, address in running]
        shards = [addresses.index(shard_of(f"device-{i}", addresses)) for i in range(load.devices)]
        before_s = sum(_cpu_s(process) for process, _ in running)
        elapsed_s = _send(addresses, contents, shards, load.sending)
        cpu_s = sum(_cpu_s(process) for process, _ in running) - before_s
    view = read_ledgers(ledgers)
    assert view.counts["accepted"] == load.batches * load.rows, view.counts
    assert not view.shared
    return load.batches / elapsed_s, cpu_s / load.batches


@contextmanager
def _collector(ledger: Path, cores: int) -> Iterator[tuple[int, str]]:
    """One that runs: its process and its address."""
    command = [sys.executable, "-c", COLLECT, "collect", str(ledger), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
        if cores:
            os.sched_setaffinity(collector.pid, sorted(os.sched_getaffinity(0))[-cores:])
        assert collector.stdout is not None
        yield collector.pid, collector.stdout.readline().split()[-1]
        collector.send_signal(signal.SIGTERM)


def _cpu_s(process: int) -> float:
    """The CPU time that all threads of a process took; Linux."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def run() -> list[Row]:
    """Append and collect."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        median, tail = append_us(folder / "log")
        rows = _rows_of(folder / "log")
        rate, _ = collected(folder, rows.take(np.arange(BATCH_ROWS)), LARGE)
        small_rate, small_cpu_s = collected(folder, rows.take(np.arange(SMALL_ROWS)), SMALL)
    return [
        {"name": "ledger append p50", "value": median, "unit": "us", "target": 20.0, "peer": ""},
        {"name": "ledger append p99", "value": tail, "unit": "us", "target": None, "peer": ""},
        {
            "name": "collector",
            "value": rate * BATCH_ROWS / 1e3,
            "unit": "k records/s",
            "target": 100.0,
            "peer": "one core",
        },
        {
            "name": "collector, small",
            "value": small_rate,
            "unit": f"batches of {SMALL_ROWS}/s",
            "target": 3000.0,
            "peer": f"{small_cpu_s * 1e3:.2f} ms of the collector's CPU each; devices on the same cores",
        },
    ]


def _rows_of(log: Path) -> Rows:
    segment = read_segment(min(log.glob("*.log")))
    assert segment is not None
    return segment.rows


def main() -> None:
    """Print the rows."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--collectors", type=int, default=1, help="to compare with one")
    asked = options.parse_args()
    if asked.collectors > 1:
        by_turns(asked.collectors)
        return
    for row in run():
        target = "" if row["target"] is None else f"{row['target']:g}"
        print(f"{row['name']:20} {row['value']:8.2f} {row['unit']:12} {target:8} {row['peer']}")


def _send(addresses: Sequence[str], batches: Sequence[bytes], shards: Sequence[int], sending: int) -> float:
    """Send, some at a time, each device's to its own collector; the time until the last is acknowledged, s."""
    with ExitStack() as stack:
        uploads = [stack.enter_context(_upload(each)) for each in addresses]
        under_way: deque[Any] = deque()
        start = perf_counter()
        for number, batch in enumerate(batches):
            under_way.append(uploads[shards[number % len(shards)]].future(batch))
            if len(under_way) >= sending:
                under_way.popleft().result()
        for each in under_way:
            each.result()
        return perf_counter() - start


@contextmanager
def _upload(address: str) -> "Iterator[grpc.UnaryUnaryMultiCallable[bytes, bytes]]":
    with grpc.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        grpc.channel_ready_future(channel).result(30)
        yield channel.unary_unary("/autoscale.fleet.FleetCollector/Upload")


def by_turns(collectors: int) -> None:
    """Print the rates of one collector and of several on the same cores, three times."""
    with tempfile.TemporaryDirectory() as name:
        append_us(Path(name) / "log")
        rows = _rows_of(Path(name) / "log").take(np.arange(SMALL_ROWS))
        for turn in range(3):
            for many in (1, collectors):
                folder = Path(name) / str(turn)
                folder.mkdir(exist_ok=True)
                rate, cpu_s = collected(folder, rows, replace(SMALL, collectors=many))
                print(f"{many} collectors: {rate:.0f} batches of {SMALL_ROWS}/s, {cpu_s * 1e3:.2f} ms of theirs each")


if __name__ == "__main__":
    main()
