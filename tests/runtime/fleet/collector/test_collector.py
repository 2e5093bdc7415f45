"""From devices to the ledger over gRPC: once each, whatever is sent."""

import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.errors import DeadlineExceeded, InvalidInput, PortInUse, TargetUnavailable
from autoscale.fleet import Rows, read_ledger
from autoscale.fleet.ledger.column import NOT_A_NUMBER
from autoscale.fleet.ledger.rows import Texts, joined
from autoscale.fleet.ledger.schema import columns_of
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.batches import MOST_ROWS, batch_of, read_batch, rows_of
from autoscale_runtime.fleet.device_log.segment import frame
from autoscale_runtime.fleet.device_log.uploader import Uploaded, UploadOptions
from tests.runtime.fleet.fleet_parts import as_lists, files_up_to, keys, logged, record, send
from tests.waiting import until

pytest.importorskip("pyarrow")

from autoscale.fleet.ledger.store import Ledger
from autoscale_runtime.fleet.collector.committer import Committer, Delivery
from autoscale_runtime.fleet.collector.service import Collector, collect

ROOT = Path(__file__).resolve().parents[4]


def upload(folder: Path, collector: Collector, **options: Any) -> Uploaded:
    with Uploader(folder, collector.address, UploadOptions(**options)) as uploader:
        return uploader.upload()


def test_a_log_arrives_once_in_any_number_of_rounds(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    logged(tmp_path / "a", 100)
    assert upload(tmp_path / "a", collector, batch_rows=30) == Uploaded(accepted=100)
    assert upload(tmp_path / "a", collector) == Uploaded()
    logged(tmp_path / "a", 50)
    logged(tmp_path / "b", 5)
    assert upload(tmp_path / "a", collector) == Uploaded(accepted=50)
    assert upload(tmp_path / "b", collector) == Uploaded(accepted=5)
    assert read_ledger(ledger).counts == {"accepted": 155, "missing": 0}
    assert len(set(keys(ledger))) == len(keys(ledger)) == 155
    assert len(list((tmp_path / "a").glob("*.log"))) == 1


def test_a_writer_may_go_on_while_its_log_is_uploaded(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with (
        LedgerWriter(tmp_path / "a", max_bytes=1 << 20) as log,
        Uploader(tmp_path / "a", collector.address) as uploader,
    ):
        for number in range(1500):
            log.append(record(number))
            if number % 500 == 499:
                assert uploader.upload() == Uploaded(accepted=500)
    assert [sequence for _, _, sequence in keys(ledger)] == list(range(1500))


def test_forgotten_acknowledgements_make_duplicates_and_no_more(
    tmp_path: Path, ledger: Path, collector: Collector
) -> None:
    logged(tmp_path / "a", 20)
    upload(tmp_path / "a", collector)
    (tmp_path / "a" / "acknowledged.json").write_text("half a fi")
    assert upload(tmp_path / "a", collector, batch_rows=8) == Uploaded(duplicate=20)
    assert read_ledger(ledger).counts == {"accepted": 20, "duplicate": 20, "missing": 0}


def test_dropped_rows_are_missing_and_their_cause_is_reported(
    tmp_path: Path, ledger: Path, collector: Collector
) -> None:
    with LedgerWriter(tmp_path / "a", max_bytes=64 << 10) as log:
        for number in range(1000):
            log.append(record(number))
        lost = log.lost["space"]
    assert upload(tmp_path / "a", collector) == Uploaded(accepted=1000 - lost)
    view = read_ledger(ledger)
    assert (view.counts, view.lost) == ({"accepted": 1000 - lost, "missing": lost}, {"space": lost})


def test_rows_of_an_unknown_device_model_are_rejected(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with LedgerWriter(tmp_path / "a") as log:
        log.append(record(device="toaster"))
    assert upload(tmp_path / "a", collector) == Uploaded(rejected=1)
    assert read_ledger(ledger).counts["rejected:unknown_profile"] == 1


def test_rows_survive_the_wire(rows: Rows) -> None:
    changed = {**rows.numbers, "latency_us": np.array([0, 127, 128, 2**31, -1, NOT_A_NUMBER, 5, 6, 7, 2**62])}
    sent = batch_of(Rows(changed, rows.texts), "device", "log", {"space": 3})
    got = rows_of(read_batch(sent.SerializeToString()))
    assert all(got.numbers[name].tolist() == values.tolist() for name, values in changed.items())
    for name, texts in rows.texts.items():
        assert [got.texts[name].words[i] for i in got.texts[name].codes] == [texts.words[i] for i in texts.codes]
    assert set(got.texts["device_id"].words) == {"device"}


def of_schema_1(rows: Rows) -> Rows:
    names = {each.name for each in columns_of(1)}
    numbers = {name: each for name, each in rows.numbers.items() if name in names}
    return Rows(numbers, {name: each for name, each in rows.texts.items() if name in names})


def test_many_batches_are_read_as_each_alone(rows: Rows) -> None:
    """Of unlike schemas, widths, words, lengths and orders of columns."""
    wide = Rows({**rows.numbers, "latency_us": rows.numbers["latency_us"] + 2**40}, rows.texts)
    other = Rows(rows.numbers, {**rows.texts, "model": Texts(np.arange(10, dtype=np.int32) % 2, ("x", "y"))})
    backwards = batch_of(rows, "d", "log", {})
    for columns in (backwards.numbers, backwards.texts):
        columns.sort(key=lambda each: each.name, reverse=True)  # type: ignore[attr-defined]
    batches = [
        batch_of(rows, "a", "log", {}),
        batch_of(of_schema_1(rows), "b", "log", {}, schema=1),
        batch_of(wide.take(np.arange(3)), "c", "log", {}),
        backwards,
        batch_of(other, "e", "log", {}),
        batch_of(of_schema_1(wide), "f", "log", {}, schema=1),
    ]
    assert as_lists(rows_of(*batches)) == as_lists(joined([rows_of(each) for each in batches]))


def test_a_batch_that_cannot_be_read_spoils_none_that_is_committed_with_it(ledger: Path, rows: Rows) -> None:
    batches = [batch_of(rows, f"device-{i}", "log", {}) for i in range(9)]
    batches[4].numbers[0].values += b"!"
    deliveries = [Delivery(each, each.SerializeToString()) for each in batches]
    committer = Committer(Ledger(ledger), Rules())
    for each in deliveries:
        committer.submit(each)
    committer.close()
    problems = [each.receipt.exception() for each in deliveries]  # type: ignore[call-arg]
    assert [index for index, each in enumerate(problems) if each is not None] == [4]
    assert isinstance(problems[4], InvalidInput)
    assert read_ledger(ledger).counts == {"accepted": 80, "missing": 0, "rejected:truncated": 10}


def test_a_text_that_is_absent_throughout_may_come_as_numbers(rows: Rows) -> None:
    """Who writes the columns of rows, and has no text in one, does not know which kind it is."""
    sent = batch_of(rows, "device", "log", {})
    (considered,) = [each for each in sent.texts if each.name == "considered"]
    sent.texts.remove(considered)
    values = sent.numbers.add(name="considered", width=8, values=np.full(len(rows), -1, "<i8").tobytes())
    got = rows_of(read_batch(sent.SerializeToString()))
    assert "considered" not in got.numbers
    assert [got.texts["considered"].words[i] for i in got.texts["considered"].codes] == [""] * len(rows)
    values.values = np.full(len(rows), 7, "<i8").tobytes()
    with pytest.raises(InvalidInput, match="considered"):
        rows_of(sent)


def test_a_full_disk_at_the_collector_loses_nothing(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    logged(tmp_path / "a", 200)
    with Uploader(tmp_path / "a", collector.address) as uploader:
        with files_up_to(1024), pytest.raises(TargetUnavailable, match="the ledger cannot be written"):
            uploader.upload()
        assert uploader.upload() == Uploaded(accepted=200)
    assert read_ledger(ledger).counts == {"accepted": 200, "missing": 0}


def test_in_the_background_it_waits_for_the_collector(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    port = collector.port
    collector.stop()
    logged(tmp_path / "a", 10)
    options = UploadOptions(timeout_s=60.0, every_s=0.05, first_wait_s=0.05, longest_wait_s=0.1)
    with Uploader(tmp_path / "a", f"127.0.0.1:{port}", options) as uploader:
        uploader.start()
        until(lambda: isinstance(uploader.last_error, TargetUnavailable))
        with collect(ledger, port=port):
            until(lambda: read_ledger(ledger).counts.get("accepted") == 10)
            until(lambda: uploader.last_error is None)


def test_nobody_there_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    logged(tmp_path / "a", 3)
    with Uploader(tmp_path / "a", "127.0.0.1:1", UploadOptions(timeout_s=60.0)) as uploader:
        with pytest.raises((TargetUnavailable, DeadlineExceeded), match=r"127\.0\.0\.1:1"):
            uploader.upload()
        with pytest.raises(InvalidInput, match="one uploader for each log"):
            Uploader(tmp_path / "a", "127.0.0.1:1")


def test_a_clock_that_is_set_back_is_counted_with_what_it_dates(
    tmp_path: Path, ledger: Path, collector: Collector
) -> None:
    now_s = time.time()
    with LedgerWriter(tmp_path / "a") as log:
        # A day ahead is rejected as of the future, so coming back from there misdates no row that counts.
        for ago_s in (900, 870, 860, 915, 4000, 3990, -86_400, 3900, 100, 5000):
            log.append(record(time_s=now_s - ago_s))
    with LedgerWriter(tmp_path / "b") as log:
        log.append(record(time_s=now_s - 9000))
    assert upload(tmp_path / "a", collector) == Uploaded(accepted=9, rejected=1)
    assert upload(tmp_path / "b", collector) == Uploaded(accepted=1)
    (tmp_path / "a" / "acknowledged.json").unlink()
    assert upload(tmp_path / "a", collector) == Uploaded(duplicate=10)
    assert read_ledger(ledger).counts["clock_set_back"] == 2


def test_rows_out_of_order_are_no_clock_that_is_set_back(ledger: Path, collector: Collector, rows: Rows) -> None:
    minutes_us = np.arange(10) * 120_000_000
    timed = Rows({**rows.numbers, "time_us": rows.numbers["time_us"] - 10**10 + minutes_us}, rows.texts)
    send(collector.address, batch_of(timed.take(np.arange(10)[::-1]), "device", "log", {}))
    assert read_ledger(ledger).counts == {"accepted": 10, "missing": 0, "reordered": 9}


FULL = """
import sys
from pathlib import Path
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.device_log.uploader import UploadOptions
from tests.runtime.fleet.fleet_parts import record

folder, address, size = Path(sys.argv[1]) / "log", sys.argv[2], int(sys.argv[3])
with LedgerWriter(folder, max_bytes=size) as log:
    while not log.lost:
        log.append(record())
    with open(folder.parent / "other", "wb", buffering=0) as other:
        try:
            while True:
                other.write(b"x")
        except OSError:
            pass
    for _ in range(2):
        with Uploader(folder, address, UploadOptions(batch_rows=100)) as uploader:
            done = uploader.upload()
        print(done.accepted, done.duplicate, len(list(folder.glob("*.log"))), flush=True)
"""
"""Fills a disk of its own, then uploads twice."""


@pytest.mark.parametrize("max_bytes", [1 << 20, 64 << 20], ids=["segments", "one_segment"])
def test_a_full_disk_at_the_device_sends_each_row_once_and_is_freed(
    tmp_path: Path, ledger: Path, collector: Collector, max_bytes: int
) -> None:
    mounted: list[str | Path] = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=256k none "$0"'
    if shutil.which("unshare") is None or subprocess.run([*mounted, mount, tmp_path], capture_output=True).returncode:
        pytest.skip("this system lets tests mount no disk of their own")
    run = [*mounted, f'{mount} && exec "$@"', tmp_path, sys.executable, "-c", FULL]
    done = subprocess.run(
        [*run, tmp_path, collector.address, str(max_bytes)], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = ([int(each) for each in line.split()] for line in done.stdout.splitlines())
    assert first[0] > 100
    assert (first[1:], second) == ([0, 1], [0, 0, 1])
    assert read_ledger(ledger).counts == {"accepted": first[0], "missing": 0}


def test_two_collectors_on_one_ledger_or_one_port(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with pytest.raises(InvalidInput, match="allowed: one collector for each ledger"):
        collect(ledger)
    with pytest.raises(PortInUse, match=f"cannot listen at 127.0.0.1:{collector.port}"):
        collect(tmp_path / "other", port=collector.port)
    with pytest.raises(InvalidInput, match="port is 70000; allowed"):
        collect(tmp_path / "other", port=70_000)
    collect(tmp_path / "other").stop()


def test_upload_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="batch_rows is 0; allowed: above 0"):
        UploadOptions(batch_rows=0)
    with pytest.raises(InvalidInput, match=f"batch_rows is 99999; allowed: 1 to {MOST_ROWS}"):
        UploadOptions(batch_rows=99_999)


def test_the_rows_of_cloned_devices_count_and_what_they_share_counts_once(
    tmp_path: Path, ledger: Path, collector: Collector
) -> None:
    logged(tmp_path / "a", 10)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    logged(tmp_path / "a", 5)
    logged(tmp_path / "b", 7)
    assert upload(tmp_path / "a", collector) == Uploaded(accepted=15)
    assert upload(tmp_path / "b", collector) == Uploaded(accepted=7, duplicate=10)
    assert upload(tmp_path / "b", collector) == Uploaded()
    assert read_ledger(ledger).counts == {"accepted": 22, "duplicate": 10, "missing": 0}


def test_a_batch_too_large_for_a_message_goes_in_parts(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with LedgerWriter(tmp_path / "a", max_bytes=1 << 30) as log:
        for number in range(3000):
            name = f"{number:04}" + "\u20ac" * 1000
            log.append(record(number, model=name, device=name))
    assert upload(tmp_path / "a", collector, batch_rows=MOST_ROWS) == Uploaded(rejected=3000)
    assert read_ledger(ledger).counts["rejected:unknown_profile"] == 3000


def test_a_batch_that_can_never_be_read_does_not_hold_up_those_that_follow(
    tmp_path: Path, ledger: Path, collector: Collector
) -> None:
    logged(tmp_path / "a", 3)
    [path] = (tmp_path / "a").glob("*.log")
    logged(tmp_path / "a", 4)
    content = path.read_bytes()
    end = 8 + struct.unpack_from("<I", content)[0]
    path.write_bytes(frame(content[8:end].replace(b"attempts", b"unheard")) + content[end:])
    with Uploader(tmp_path / "a", collector.address) as uploader:
        for _ in range(2):
            with pytest.raises(InvalidInput, match="lacks the columns"):
                uploader.upload()
        assert uploader.upload() == Uploaded(accepted=4, skipped=3)
    assert read_ledger(ledger).counts == {"accepted": 4, "missing": 3, "rejected:truncated": 3}


def test_an_empty_folder_has_nothing_to_upload(tmp_path: Path, collector: Collector) -> None:
    assert upload(tmp_path / "new", collector) == Uploaded()
