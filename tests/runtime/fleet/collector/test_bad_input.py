"""What a client may send that no device of ours would: counted, kept, never twice, and the collector goes on."""

import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from autoscale.fleet import Rows, read_ledger
from autoscale.fleet.ledger.column import NOT_A_NUMBER
from autoscale.fleet.ledger.schema import SCHEMA, columns_of
from autoscale.fleet.ledger.store import MANY, Ledger
from autoscale.fleet.ledger.validation import Rules
from autoscale.fleet.ledger.view import verified
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.batches import MOST_BYTES, batch_of
from autoscale_runtime.fleet.collector.committer import BUSY_COMMITS, Committer, Delivery
from tests.runtime.fleet.fleet_parts import keys, send, with_numbers
from tests.waiting import until

pytest.importorskip("pyarrow")

from autoscale_runtime.fleet.collector.service import Collector


def test_every_kind_of_wrong_row_is_counted_and_kept(ledger: Path, collector: Collector, rows: Rows) -> None:
    late = rows.take(np.array([8, 3, 8, 9]))
    receipts = send(
        collector.address,
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
    assert [(each.rejected, each.duplicate) for each in send(collector.address, wrong, wrong)] == [(10, 0), (0, 10)]
    assert read_ledger(ledger).counts["rejected:negative"] == 10


def test_reordered_rows_are_accepted_and_counted(ledger: Path, collector: Collector, rows: Rows) -> None:
    for part in ([4, 5], [2, 1], [0], [3]):
        send(collector.address, batch_of(rows.take(np.array(part)), "device", "log", {}))
    assert read_ledger(ledger).counts == {"accepted": 6, "missing": 0, "reordered": 4}


def test_logs_of_other_devices_are_other_logs(ledger: Path, collector: Collector, rows: Rows) -> None:
    logs = [("a", "x"), ("a", "y"), ("b", "x")]
    assert [each.accepted for each in send(collector.address, *(batch_of(rows, *log, {}) for log in logs))] == [
        10,
        10,
        10,
    ]
    assert len(set(keys(ledger))) == 30


SPOILT = ("short", "lacking", "code", "word", "strange", "twice", "liar")


def damaged(rows: Rows) -> dict[str, bytes]:
    good = batch_of(rows, "device", "log", {})
    batches = {name: pb.Batch.FromString(good.SerializeToString()) for name in SPOILT}
    batches["short"].numbers[3].values = batches["short"].numbers[3].values[:-1]
    del batches["lacking"].numbers[3]
    batches["code"].texts[0].codes = b"\x09" * len(rows)
    batches["word"].texts[0].words.append(batches["word"].texts[0].words[0])
    batches["anonymous"] = batch_of(rows, "", "log", {})
    batches["negative"] = with_numbers(rows, sequence=-1)
    batches["huge"] = with_numbers(rows, sequence=2**62)
    batches["before"] = batch_of(rows, "device", "log", {}, begins=5)
    batches["strange"].numbers[0].name = "blood_pressure"
    batches["strange"].numbers.append(good.numbers[0])
    batches["twice"].texts.append(good.texts[0])
    batches["lost"] = batch_of(rows, "device", "log", {"space": 2**64 - 1})
    batches["liar"].rows = 2**32 - 1
    raw = {name: each.SerializeToString() for name, each in batches.items()}
    return raw | {"empty": b"", "torn": good.SerializeToString()[:-20], "junk": b"\xff\xff\xff"}


@pytest.mark.parametrize("kind", [*SPOILT, "anonymous", "negative", "huge", "before", "lost", "empty", "torn", "junk"])
def test_what_cannot_be_read_as_rows_is_kept_once_and_refused(
    kind: str, ledger: Path, collector: Collector, rows: Rows
) -> None:
    content = damaged(rows)[kind]
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as refused:
            send(collector.address, content)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    [kept] = (ledger / "quarantine").iterdir()
    assert kept.read_bytes() == content
    reported = 1 if kind in ("torn", "junk", "empty") else len(content) // len(columns_of(1)) if kind == "liar" else 10
    assert read_ledger(ledger).counts == {"accepted": 0, "missing": 0, "rejected:truncated": reported}


def test_a_later_schema_is_refused_for_the_device_to_keep(ledger: Path, collector: Collector, rows: Rows) -> None:
    with pytest.raises(grpc.RpcError, match="update the collector") as refused:
        send(collector.address, batch_of(rows, "device", "log", {}, schema=SCHEMA + 1))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert read_ledger(ledger).counts == {"missing": 0}
    assert list((ledger / "quarantine").iterdir()) == []


def test_many_devices_at_once_share_commits(tmp_path: Path, ledger: Path, collector: Collector, rows: Rows) -> None:
    def one(device: int) -> None:
        send(collector.address, *(batch_of(rows, f"device-{device}", f"log-{i}", {}) for i in range(5)))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert read_ledger(ledger).counts["accepted"] == len(set(keys(ledger))) == 400


def test_batches_that_come_again_late_take_no_loss_back(ledger: Path, collector: Collector, rows: Rows) -> None:
    early, late = batch_of(rows, "device", "log", {}), with_numbers(rows, sequence=np.arange(10, 20))
    late.lost["space"] = 7
    send(collector.address, early, late, early)
    assert read_ledger(ledger).lost == {"space": 7}


def test_a_message_beyond_the_limit_is_refused_before_it_takes_memory(ledger: Path, collector: Collector) -> None:
    with pytest.raises(grpc.RpcError, match=r"larger than max|allowed by this server") as refused:
        send(collector.address, bytes(MOST_BYTES + 1))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert read_ledger(ledger).counts == {"missing": 0}


@pytest.mark.parametrize("damage", ["cut", "inside"])
def test_a_damaged_file_does_not_stop_the_collector(
    ledger: Path, collector: Collector, rows: Rows, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    send(collector.address, batch_of(rows, "device", "log", {}))
    [path] = read_ledger(ledger).files
    content = path.read_bytes()
    path.write_bytes(content[:-9] if damage == "cut" else content[:-30] + b"\xff" * 30)
    for number in range(MANY):
        send(collector.address, batch_of(rows, "device", f"log-{number}", {}))
    until(lambda: "is damaged, and stays as it is" in capfd.readouterr().err)
    view = read_ledger(ledger)
    view = verified(view, view.files)
    assert (len(view.files), [each.rows for each in view.damaged]) == (1, [10])
    assert send(collector.address, batch_of(rows, "device", "after", {}))[0].accepted == 10


def test_a_collector_that_never_rests_merges_small_files_too(tmp_path: Path, ledger: Path, rows: Rows) -> None:
    committer = Committer(Ledger(ledger), Rules())
    for number in range(BUSY_COMMITS):
        batch = batch_of(rows, "device", f"log-{number}", {})
        committer.deliver(Delivery(batch, batch.SerializeToString()))
    until(lambda: len(read_ledger(ledger).files) == 1)
    committer.close()
    assert len(set(keys(ledger))) == 10 * BUSY_COMMITS


def test_two_hundred_devices_at_once(tmp_path: Path, ledger: Path, collector: Collector, rows: Rows) -> None:
    """More than it takes at once: the others are asked to come again."""
    at_once, accepted = threading.Barrier(200), []

    def one(device: int) -> None:
        at_once.wait()
        while True:
            try:
                accepted.extend(
                    each.accepted for each in send(collector.address, batch_of(rows, f"{device}", "log", {}))
                )
                return
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                time.sleep(0.02)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(accepted) == read_ledger(ledger).counts["accepted"] == len(set(keys(ledger))) == 2000


def test_an_idle_collector_merges_small_files(ledger: Path, collector: Collector, rows: Rows) -> None:
    for number in range(MANY):
        send(collector.address, batch_of(rows, "device", f"log-{number}", {}))
    until(lambda: len(read_ledger(ledger).files) == 1)
    assert len(set(keys(ledger))) == 10 * MANY


def test_a_clock_that_was_lost_between_batches_is_found(ledger: Path, collector: Collector, rows: Rows) -> None:
    month_us = 30 * 86_400_000_000
    now_us = rows.numbers["time_us"]
    first, second, third = (rows.take(np.arange(at, at + 2)) for at in (0, 2, 4))
    [good] = send(collector.address, batch_of(first, "device", "log", {}))
    [lost] = send(collector.address, with_numbers(second, time_us=now_us[2:4] - month_us))
    [again] = send(collector.address, with_numbers(third, time_us=now_us[4:6] - 7_200_000_000))
    assert [(each.accepted, each.rejected) for each in (good, lost, again)] == [(2, 0), (0, 2), (2, 0)]
    counts = read_ledger(ledger).counts
    assert (counts["rejected:clock_reset"], counts["clock_set_back"]) == (2, 1)
