"""From devices to the ledger over gRPC: once each, whatever is sent."""

import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from autoscale.errors import DeadlineExceeded, InvalidInput, PortInUse, TargetUnavailable
from autoscale.fleet import Rows, read_ledger
from autoscale.fleet.schema import NOT_A_NUMBER
from autoscale.fleet.store import MANY
from autoscale.fleet.validation import Rules
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.segment import frame
from autoscale_runtime.fleet.uploader import Uploaded, UploadOptions
from autoscale_runtime.fleet.wire import batch_of, read_batch, rows_of
from tests.runtime.fleet_parts import files_up_to, keys, logged, record, rows_of_log

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector import Collector, collect


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def collector(ledger: Path) -> Iterator[Collector]:
    with collect(ledger, Rules(device_models=frozenset(["mi8pro"]))) as running:
        yield running


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return rows_of_log(tmp_path / "rows", 10)


def upload(folder: Path, collector: Collector, **options: Any) -> Uploaded:
    with Uploader(folder, collector.address, UploadOptions(**options)) as uploader:
        return uploader.upload()


def send(collector: Collector, *batches: pb.Batch | bytes) -> list[pb.Receipt]:
    with grpc.insecure_channel(collector.address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/autoscale.fleet.FleetCollector/Upload")
        raw = [each if isinstance(each, bytes) else each.SerializeToString() for each in batches]
        return [pb.Receipt.FromString(call(each, timeout=30)) for each in raw]


def with_numbers(rows: Rows, **changed: Any) -> pb.Batch:
    numbers = {name: np.full(len(rows), values) for name, values in changed.items()}
    return batch_of(Rows({**rows.numbers, **numbers}, rows.texts), "device", "log", {})


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


def test_dropped_rows_are_missing_and_their_cause_is_told(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with LedgerWriter(tmp_path / "a", max_bytes=64 << 10) as log:
        for number in range(1000):
            log.append(record(number))
        lost = log.lost["space"]
    assert upload(tmp_path / "a", collector) == Uploaded(accepted=1000 - lost)
    view = read_ledger(ledger)
    assert (view.counts, view.lost) == ({"accepted": 1000 - lost, "missing": lost}, {"space": lost})


def test_every_kind_of_wrong_row_is_counted_and_kept(ledger: Path, collector: Collector, rows: Rows) -> None:
    late = rows.take(np.array([8, 3, 8, 9]))
    receipts = send(
        collector,
        with_numbers(rows.take(np.arange(3)), energy_device_uj=[5, -7, NOT_A_NUMBER]),
        with_numbers(rows.take(np.arange(3, 5)), time_us=[2 * time.time_ns() // 1000, 5]),
        batch_of(late, "device", "log", {}),
    )
    assert [(each.accepted, each.duplicate, each.rejected) for each in receipts] == [(1, 0, 2), (0, 0, 2), (2, 2, 0)]
    assert read_ledger(ledger).counts == {
        "accepted": 3,
        "duplicate": 2,
        "missing": 3,
        "rejected:future_dated": 1,
        "rejected:negative": 1,
        "rejected:not_a_number": 1,
        "rejected:past_dated": 1,
    }


def test_rejected_rows_sent_again_are_duplicates(ledger: Path, collector: Collector, rows: Rows) -> None:
    wrong = with_numbers(rows, energy_device_uj=-1)
    assert [(each.rejected, each.duplicate) for each in send(collector, wrong, wrong)] == [(10, 0), (0, 10)]
    assert read_ledger(ledger).counts["rejected:negative"] == 10


def test_reordered_rows_are_accepted_and_counted(ledger: Path, collector: Collector, rows: Rows) -> None:
    for part in ([4, 5], [2, 1], [0], [3]):
        send(collector, batch_of(rows.take(np.array(part)), "device", "log", {}))
    assert read_ledger(ledger).counts == {"accepted": 6, "missing": 0, "reordered": 4}


def test_logs_of_other_devices_are_other_logs(ledger: Path, collector: Collector, rows: Rows) -> None:
    logs = [("a", "x"), ("a", "y"), ("b", "x")]
    assert [each.accepted for each in send(collector, *(batch_of(rows, *log, {}) for log in logs))] == [10, 10, 10]
    assert len(set(keys(ledger))) == 30


def test_rows_of_an_unknown_device_model_are_rejected(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with LedgerWriter(tmp_path / "a") as log:
        log.append(record(device="toaster"))
    assert upload(tmp_path / "a", collector) == Uploaded(rejected=1)
    assert read_ledger(ledger).counts["rejected:unknown_device"] == 1


def damaged(rows: Rows) -> dict[str, bytes]:
    good = batch_of(rows, "device", "log", {})
    batches = {name: pb.Batch.FromString(good.SerializeToString()) for name in ("short", "lacking", "code", "word")}
    batches["short"].numbers[3].values = batches["short"].numbers[3].values[:-1]
    del batches["lacking"].numbers[3]
    batches["code"].texts[0].codes = b"\x09" * len(rows)
    batches["word"].texts[0].words.append(batches["word"].texts[0].words[0])
    batches["anonymous"] = batch_of(rows, "", "log", {})
    batches["negative"] = with_numbers(rows, sequence=-1)
    raw = {name: each.SerializeToString() for name, each in batches.items()}
    return raw | {"torn": good.SerializeToString()[:-20], "junk": b"\xff\xff\xff"}


@pytest.mark.parametrize("kind", ["short", "lacking", "code", "word", "anonymous", "negative", "torn", "junk"])
def test_what_cannot_be_read_as_rows_is_kept_once_and_refused(
    kind: str, ledger: Path, collector: Collector, rows: Rows
) -> None:
    content = damaged(rows)[kind]
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as refused:
            send(collector, content)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    [kept] = (ledger / "quarantine").iterdir()
    assert kept.read_bytes() == content
    told = 1 if kind in ("torn", "junk", "anonymous") else 10
    assert read_ledger(ledger).counts == {"accepted": 0, "missing": 0, "rejected:truncated": told}


def test_a_later_schema_is_refused_for_the_device_to_keep(ledger: Path, collector: Collector, rows: Rows) -> None:
    with pytest.raises(grpc.RpcError, match="update the collector") as refused:
        send(collector, batch_of(rows, "device", "log", {}, schema=2))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert read_ledger(ledger).counts == {"missing": 0}
    assert list((ledger / "quarantine").iterdir()) == []


def test_rows_survive_the_wire(rows: Rows) -> None:
    changed = {**rows.numbers, "latency_us": np.array([0, 127, 128, 2**31, -1, NOT_A_NUMBER, 5, 6, 7, 2**62])}
    sent = batch_of(Rows(changed, rows.texts), "device", "log", {"space": 3})
    got = rows_of(read_batch(sent.SerializeToString()))
    assert all(got.numbers[name].tolist() == values.tolist() for name, values in changed.items())
    for name, texts in rows.texts.items():
        assert [got.texts[name].words[i] for i in got.texts[name].codes] == [texts.words[i] for i in texts.codes]
    assert set(got.texts["device_id"].words) == {"device"}


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
    options = UploadOptions(timeout_s=5.0, every_s=0.05, first_wait_s=0.05, longest_wait_s=0.1)
    with Uploader(tmp_path / "a", f"127.0.0.1:{port}", options) as uploader:
        uploader.start()
        assert until(lambda: isinstance(uploader.last_error, TargetUnavailable))
        with collect(ledger, port=port):
            assert until(lambda: read_ledger(ledger).counts.get("accepted") == 10)
            assert until(lambda: uploader.last_error is None)


def until(condition: Any) -> bool:
    end_s = time.monotonic() + 20.0
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def test_nobody_there_is_said_and_changes_nothing(tmp_path: Path) -> None:
    logged(tmp_path / "a", 3)
    with Uploader(tmp_path / "a", "127.0.0.1:1", UploadOptions(timeout_s=5.0)) as uploader:
        with pytest.raises((TargetUnavailable, DeadlineExceeded), match=r"127\.0\.0\.1:1"):
            uploader.upload()
        with pytest.raises(InvalidInput, match="one uploader for each log"):
            Uploader(tmp_path / "a", "127.0.0.1:1")


def test_many_devices_at_once_share_commits(tmp_path: Path, ledger: Path, collector: Collector, rows: Rows) -> None:
    def one(device: int) -> None:
        send(collector, *(batch_of(rows, f"device-{device}", f"log-{i}", {}) for i in range(5)))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert read_ledger(ledger).counts["accepted"] == len(set(keys(ledger))) == 400


def test_two_collectors_on_one_ledger_or_one_port(tmp_path: Path, ledger: Path, collector: Collector) -> None:
    with pytest.raises(InvalidInput, match="allowed: one collector for each ledger"):
        collect(ledger)
    with pytest.raises(PortInUse, match=f"cannot listen at 127.0.0.1:{collector.port}"):
        collect(tmp_path / "other", port=collector.port)
    collect(tmp_path / "other").stop()


def test_upload_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="batch_rows is 0; allowed: above 0"):
        UploadOptions(batch_rows=0)


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


def test_an_idle_collector_merges_small_files(ledger: Path, collector: Collector, rows: Rows) -> None:
    for number in range(MANY):
        send(collector, batch_of(rows, "device", f"log-{number}", {}))
    assert len(read_ledger(ledger).files) == MANY
    assert until(lambda: len(read_ledger(ledger).files) == 1)
    assert len(set(keys(ledger))) == 10 * MANY


def test_an_empty_folder_has_nothing_to_upload(tmp_path: Path, collector: Collector) -> None:
    assert upload(tmp_path / "new", collector) == Uploaded()
