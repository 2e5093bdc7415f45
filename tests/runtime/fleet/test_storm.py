"""kill -9 of the writer, its uploader and the collector, at moments nobody chose; then an exact count."""

import mmap
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet import read_ledger
from autoscale_runtime.fleet import Uploader
from autoscale_runtime.fleet.device_log.uploader import UploadOptions
from tests.runtime.fleet.fleet_parts import keys, latencies, logged, sequences
from tests.waiting import until

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector.service import collect

ROOT = Path(__file__).resolve().parents[3]
COLLECT = [sys.executable, "-c", "from autoscale.fleet.fleet_command import fleet; fleet()", "collect"]
WRITE = """
import mmap, struct, sys
from pathlib import Path
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.device_log.uploader import UploadOptions
from tests.runtime.fleet.fleet_parts import record

folder, counter, address = sys.argv[1:]
with Path(counter).open("r+b") as file:
    done = mmap.mmap(file.fileno(), 8)
    log = LedgerWriter(folder, max_bytes=16 << 20)
    if address:
        Uploader(folder, address, UploadOptions(batch_rows=64, every_s=0.01, first_wait_s=0.01)).start()
    number = struct.unpack("<q", done)[0]
    print("ready", flush=True)
    while True:
        log.append(record(number))
        number += 1
        done[:] = struct.pack("<q", number)
"""


def appended(counter: Path) -> int:
    """How many records the writer knows to be appended: in memory that outlives it."""
    with counter.open("r+b") as file, mmap.mmap(file.fileno(), 8) as done:
        return int(struct.unpack("<q", done)[0])


def run_and_kill(folder: Path, counter: Path, address: str, after: int) -> None:
    """Let a writer append so many records or a few more, and kill it."""
    begin = appended(counter)
    command = [sys.executable, "-c", WRITE, str(folder), str(counter), address]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        until(lambda: appended(counter) >= begin + after, every_s=0.0)
        writer.kill()


@contextmanager
def collecting(ledger: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    with subprocess.Popen([*COLLECT, str(ledger), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]
        process.kill()


def test_a_storm_on_the_writer_loses_at_most_the_record_being_written(tmp_path: Path) -> None:
    chance, counter = random.Random(1), tmp_path / "counter"
    counter.write_bytes(bytes(8))
    expected: list[int] = []
    for _ in range(4):
        before = appended(counter)
        run_and_kill(tmp_path / "log", counter, "", chance.randrange(30, 1000))
        kept = latencies(tmp_path / "log")
        # What was being appended when it was killed may be there, too: the next writer begins with that number again.
        expected += range(before, appended(counter))
        assert kept in (expected, [*expected, appended(counter)])
        expected = kept
        assert sequences(tmp_path / "log") == list(range(len(kept)))
    assert len(expected) > 100
    with collect(tmp_path / "ledger") as collector, Uploader(tmp_path / "log", collector.address) as uploader:
        assert uploader.upload().accepted == len(expected)
    assert read_ledger(tmp_path / "ledger").counts == {"accepted": len(expected), "missing": 0}


def test_a_storm_on_writer_and_uploader_counts_every_record_once(tmp_path: Path) -> None:
    chance, counter = random.Random(2), tmp_path / "counter"
    counter.write_bytes(bytes(8))
    with collect(tmp_path / "ledger") as collector:
        for _ in range(4):
            run_and_kill(tmp_path / "log", counter, collector.address, chance.randrange(1000))
        with Uploader(tmp_path / "log", collector.address) as uploader:
            uploader.upload()
    arrived = keys(tmp_path / "ledger")
    last = sequences(tmp_path / "log")[-1]
    assert [sequence for _, _, sequence in arrived] == list(range(last + 1))
    assert appended(counter) <= len(arrived) <= appended(counter) + 4
    counts = read_ledger(tmp_path / "ledger").counts
    assert (counts["accepted"], counts["missing"]) == (len(arrived), 0)


def accepted(ledger: Path) -> int:
    try:
        return read_ledger(ledger).counts.get("accepted", 0)
    except InvalidInput:  # it has not begun
        return 0


def test_a_storm_on_the_collector_neither_loses_nor_doubles(tmp_path: Path) -> None:
    chance, ledger, rows = random.Random(3), tmp_path / "ledger", 3000
    logs = [tmp_path / f"log-{i}" for i in range(3)]
    for each in logs:
        logged(each, rows)
    progress = [0]
    for _ in range(4):
        with collecting(ledger) as (process, address):
            uploads = [Uploader(each, address, UploadOptions(batch_rows=25, timeout_s=60.0)) for each in logs]
            for uploader in uploads:
                uploader.start()
            enough = progress[-1] + chance.randrange(25, 500)
            until(lambda enough=enough: accepted(ledger) >= min(enough, len(logs) * rows))  # type: ignore[misc]
            process.kill()
            process.wait()
            for uploader in uploads:
                uploader.close()
        progress.append(accepted(ledger))
    assert 0 < progress[1] <= progress[-1]
    with collecting(ledger) as (_, address):
        for folder in logs:
            with Uploader(folder, address) as uploader:
                uploader.upload()
    arrived = keys(ledger)
    assert len(arrived) == len(set(arrived)) == len(logs) * rows
    view = read_ledger(ledger)
    assert (view.counts["accepted"], view.counts["missing"], view.damaged) == (len(arrived), 0, ())
