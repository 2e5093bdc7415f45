"""Hourly sums in place of rows: the same account to the nanogram, each counts once, and nothing names a device."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from autoscale.errors import InvalidInput, TargetUnavailable
from autoscale.fleet import read_ledger
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.fleet_command import fleet
from autoscale.fleet.ledger.hourly import HourlySums, hourly_sums
from autoscale.fleet.ledger.rollup import HOUR_US, SUMS
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.ledger.validation import Rules
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method, Outcome, Split
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale_runtime.fleet import LedgerWriter, Uploader
from autoscale_runtime.fleet.device_log.segment import read_segment
from autoscale_runtime.fleet.device_log.uploader import Uploaded, UploadOptions
from autoscale_runtime.fleet.sums import SumsMessage, message_of, read_sums
from tests.runtime.fleet.fleet_parts import record

pytest.importorskip("duckdb")

from autoscale.fleet.ledger.rollup import sums_of
from autoscale.fleet.ledger.store import MANY, Ledger
from autoscale.fleet.ledger.verification import verify
from autoscale.fleet.report import Question, account
from autoscale.fleet.report.notices import notices
from autoscale_runtime.fleet.collector.committer import Committer, Delivery
from autoscale_runtime.fleet.collector.service import collect
from tests.autoscale.fleet.ledger_parts import random_rows, rows, written

TARGETS = (Target("device", "cpu", "int8", threads=2), Target("cloud", "gpu", "fp32"))
HOUR_S = 3600.0


def varied(number: int, dice: np.random.Generator) -> Record:
    """Records of yesterday, each of its own figures."""
    target = TARGETS[number % 2]
    energy = Split(*dice.uniform(0.001, 2.0, 3).tolist())
    grams = Split(*(joules * 1e-4 for joules in (energy.device, energy.network, energy.remote)))
    outcome = Outcome(
        float(dice.uniform(0.001, 0.1)),
        energy,
        grams,
        Split(*(dice.uniform(0.0, 1e-5, 3).tolist())),
        0.7,
        {"latency_s": Method.MEASURED},
    )
    decision = Decision(
        "AUTO", target, (Attempt(target, 0.01),), None, None, outcome, float(dice.uniform(0.1, 1.0)), 0.0
    )
    time_s = time.time() - 24.0 * HOUR_S + number * HOUR_S / 50.0
    model = ("mobilenet-v1", "mobilebert")[number % 3 == 0]
    return Record(time_s, "mi8pro", model, Goal(latency_s=0.05, min_accuracy=0.6), Observation(), decision)


def device(folder: Path, seed: int, count: int = 200) -> Path:
    dice = np.random.default_rng(seed)
    with LedgerWriter(folder) as log:
        for number in range(count):
            log.append(varied(number, dice))
    return folder


def upload(folder: Path, address: str, aggregate: bool = True) -> Uploaded:
    with Uploader(folder, address, UploadOptions(aggregate=aggregate)) as uploader:
        return uploader.upload()


def figures(ledger: Path) -> dict[str, Any]:
    """What a report says of the queries, beside whose they are and how they came."""
    told = as_json(account(ledger))
    without = (
        "devices",
        "has_unnamed_devices",
        "devices_of_most_carbon",
        "rows",
        "ledger",
        "ledgers",
        "generated",
        "notices",
        "span",
        "declarations",
    )
    return {name: value for name, value in told.items() if name not in without}


def commit(ledger: Path, *messages: SumsMessage) -> list[Any]:
    committer = Committer(Ledger(ledger), Rules())
    try:
        return [committer.deliver(Delivery(each, b"")) for each in messages]
    finally:
        committer.close()


def message(number: int, **changed: int) -> SumsMessage:
    """One sum of some queries of an hour ago."""
    hour_us = (time.time_ns() // 1000 // HOUR_US - 2) * HOUR_US
    made = hourly_sums(rows(3, time_us=hour_us + 5, schema=2, probability_ppb=10**9, embodied_device_ng=7))
    numbers = {name: np.full(1, changed.get(name, int(values[0]))) for name, values in made.numbers.items()}
    return SumsMessage(number.to_bytes(16), HourlySums(numbers, made.texts), {"space": 2})


def test_half_of_a_fleet_in_sums_comes_to_the_same_account_to_the_nanogram(tmp_path: Path) -> None:
    for seed in range(4):
        device(tmp_path / "logs" / str(seed), seed)
    shutil.copytree(tmp_path / "logs", tmp_path / "copies")
    with collect(tmp_path / "all") as all_rows, collect(tmp_path / "half") as half:
        for seed in range(4):
            assert upload(tmp_path / "logs" / str(seed), all_rows.address, aggregate=False).accepted == 200
            assert upload(tmp_path / "copies" / str(seed), half.address, aggregate=seed % 2 == 0).accepted == 200
            assert upload(tmp_path / "copies" / str(seed), half.address, aggregate=seed % 2 == 0) == Uploaded()
    assert figures(tmp_path / "half") == figures(tmp_path / "all")
    report = account(tmp_path / "half")
    assert (report.devices, report.sums_alone.sent, report.total.inferences) == (2, 400, 800)
    assert report.ledger_view.counts == {"accepted": 800, "missing": 0}
    assert verify(tmp_path / "half").is_whole
    for each in (tmp_path / "copies" / "0", tmp_path / "copies" / "2"):
        name = (each / "device_id").read_bytes()
        assert not [path for path in (tmp_path / "half").rglob("*") if path.is_file() and name in path.read_bytes()]


def test_sums_of_a_device_are_those_of_the_ledgers_rollup(tmp_path: Path) -> None:
    given = random_rows(3000, seed=5, days=1)
    dice = np.random.default_rng(1)
    given.numbers["probability_ppb"][:] = dice.integers(0, 10**9, 3000)
    given.numbers["pue_remote_ppm"][:] = dice.integers(-1, 2, 3000) * 1_120_000
    (path,) = read_ledger(written(tmp_path, given)).files
    made = hourly_sums(given)
    columns = {name: values.tolist() for name, values in made.numbers.items()}
    columns |= {name: [texts.words[code] or None for code in texts.codes] for name, texts in made.texts.items()}
    expected = [tuple(row[name] for name in SUMS) for row in sums_of(path)[0].to_pylist()]
    assert sorted(map(repr, zip(*(columns[name] for name in SUMS), strict=True))) == sorted(map(repr, expected))


def test_sums_that_had_no_answer_are_sent_again_as_they_were(tmp_path: Path) -> None:
    log, ledger = device(tmp_path / "log", 1), tmp_path / "ledger"
    with collect(ledger) as collector:
        acknowledged = (log / "acknowledged.json").read_bytes()
        assert upload(log, collector.address).accepted == 200
        (log / "acknowledged.json").write_bytes(acknowledged)  # the answer was lost
        device(log, 2, 10)
        assert upload(log, collector.address) == Uploaded(accepted=10, duplicate=200)
    assert account(ledger).total.inferences == 210
    sent = read_ledger(ledger).counts
    assert sent == {"accepted": 210, "duplicate": 200, "missing": 0}


def test_rows_that_were_under_way_stay_rows(tmp_path: Path) -> None:
    log, ledger = device(tmp_path / "log", 1), tmp_path / "ledger"
    with collect(ledger) as collector:
        acknowledged = (log / "acknowledged.json").read_bytes()
        upload(log, collector.address, aggregate=False)
        (log / "acknowledged.json").write_bytes(acknowledged)
        device(log, 2, 10)
        assert upload(log, collector.address) == Uploaded(accepted=10, duplicate=200)
    report = account(ledger)
    assert (report.total.inferences, report.sums_alone.sent) == (210, 10)


def test_rows_between_which_others_went_as_sums_have_no_gap(tmp_path: Path) -> None:
    log, ledger = tmp_path / "log", tmp_path / "ledger"
    with collect(ledger) as collector:
        for number, aggregate in enumerate((True, False, True, True, False, False)):
            device(log, number, 10)
            assert upload(log, collector.address, aggregate).accepted == 10
    report = account(ledger)
    assert (report.total.inferences, report.sums_alone.sent) == (60, 30)
    assert report.ledger_view.counts == {"accepted": 60, "missing": 0, "clock_set_back": 2}


def test_an_hour_that_has_not_ended_waits(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path / "log") as log:
        log.append(record(1, time_s=time.time() - 2.0 * HOUR_S))
        log.append(record(2, time_s=time.time()))
    command = ["upload", str(tmp_path / "log")]
    with collect(tmp_path / "ledger") as collector:
        told = CliRunner().invoke(fleet, [*command, collector.address, "--aggregate"]).output
        assert told == "accepted 1, duplicate 0, rejected 0, left out 0\n1 wait until their hour has ended\n"
        assert upload(tmp_path / "log", collector.address, aggregate=False).accepted == 1


def test_rows_that_cannot_be_true_are_told_and_in_no_sum(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path / "log") as log:
        log.append(record(1, time_s=3.0))
        log.append(record(2, time_s=time.time() - 5.0 * HOUR_S))
    with collect(tmp_path / "ledger") as collector:
        assert upload(tmp_path / "log", collector.address) == Uploaded(accepted=1, rejected=1)
    assert read_ledger(tmp_path / "ledger").lost == {"past_dated": 1}


def test_rows_that_cannot_be_true_are_told_with_rows_where_no_sums_follow(tmp_path: Path) -> None:
    with collect(tmp_path / "ledger") as collector:
        for time_s, aggregate in ((3.0, True), (time.time() - 5.0 * HOUR_S, False), (time.time() - 4.0 * HOUR_S, True)):
            with LedgerWriter(tmp_path / "log") as log:
                log.append(record(1, time_s=time_s))
            upload(tmp_path / "log", collector.address, aggregate)
    told = read_ledger(tmp_path / "ledger")
    assert (told.lost, told.counts) == ({"past_dated": 1}, {"accepted": 2, "missing": 0})


def test_what_a_device_dropped_counts_once_whichever_way_it_sends(tmp_path: Path) -> None:
    log, dice, dropped = tmp_path / "log", np.random.default_rng(1), []
    with collect(tmp_path / "ledger") as collector:
        for aggregate in (False, True, True, False, False, True):
            with LedgerWriter(log, max_bytes=64 << 10) as writer:
                for _ in range(300):
                    writer.append(varied(0, dice))
                dropped.append(writer.lost["space"])
            upload(log, collector.address, aggregate)
            assert read_ledger(tmp_path / "ledger").lost == {"space": dropped[-1]}
    assert dropped == sorted(set(dropped))


def test_sums_that_cannot_be_true_go_to_quarantine(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, int], str]] = [
        ({"energy_device_uj": -1}, "negative"),
        ({"inferences": 0}, "negative"),
        ({"latency_us": 10**13}, "out_of_range"),
        ({"missed": 4}, "out_of_range"),
        ({"hour_us": HOUR_US}, "inconsistent"),
        ({f"operational_{each}_ng": 10**9 for each in ("device", "low", "high")}, "inconsistent"),
        ({"embodied_high_ng": 0}, "inconsistent"),
    ]
    messages = [message(number, **changed) for number, (changed, _) in enumerate(wrong)]
    good, *bad = commit(tmp_path, message(99), *messages)
    assert (good.accepted, [each.rejected for each in bad]) == (3, [3, 1, 3, 3, 3, 3, 3])
    view = read_ledger(tmp_path)
    rejected = {"rejected:negative": 4, "rejected:out_of_range": 6, "rejected:inconsistent": 9}
    assert view.counts == {"accepted": 3, "missing": 0, **rejected}
    assert view.lost == {"space": 16}
    assert sum(each.rows for each in view.entries.values() if not each.day) == 19
    assert CliRunner().invoke(fleet, ["forget", str(tmp_path), "a"]).exit_code == 0
    assert verify(tmp_path).is_whole
    assert account(tmp_path).total.inferences == 3


def test_a_span_within_hours_counts_sums_where_their_hour_begins_and_says_so(tmp_path: Path) -> None:
    commit(tmp_path, message(1), message(2))
    hour_us = (time.time_ns() // 1000 // HOUR_US - 2) * HOUR_US
    half = hour_us + HOUR_US // 2
    spans = [Span(None, half), Span(half, half + 1), Span(half, None), Span(None, hour_us), Span(hour_us, None)]
    reports = [account(tmp_path, Question(each)) for each in spans]
    assert [each.sums_alone.sent for each in reports] == [6, 0, 0, 0, 6]
    assert [each.total.inferences for each in reports] == [6, 0, 0, 0, 6]
    told = [[each for each in notices(report) if "cuts the hour" in each] for report in reports]
    assert ["6 queries are sums alone" in " ".join(each) for each in told] == [True, True, True, False, False]
    assert ("all of them" in told[0][0], "none of them" in told[1][0]) == (True, True)
    assert (
        CliRunner()
        .invoke(fleet, ["report", str(tmp_path)])
        .output.startswith("6 inferences of devices that are not named")
    )


def test_many_small_files_of_sums_are_merged_to_the_same_account(tmp_path: Path) -> None:
    commit(tmp_path, *map(message, range(MANY)))
    before = figures(tmp_path)
    with Ledger(tmp_path) as ledger:
        (day,) = ledger.crowded_days("sent")
        ledger.compact(day, "sent")
    (path,) = [each for each in read_ledger(tmp_path).entries.values() if each.folder == "sent"]
    assert path.rows == 3 * MANY
    assert figures(tmp_path) == before
    assert verify(tmp_path).is_whole


def test_what_is_no_message_of_sums_is_told_so() -> None:
    good = message_of(message(1))
    for change, told in (
        ({"key": b"short"}, "a key of 5 bytes"),
        ({"sums": 2}, "allowed: 2 values"),
        ({"schema": 99}, "update the collector"),
    ):
        changed = type(good)()
        changed.CopyFrom(good)
        for name, value in change.items():
            setattr(changed, name, value)
        with pytest.raises(InvalidInput, match=told):
            read_sums(changed.SerializeToString())
    del good.numbers[0]
    with pytest.raises(InvalidInput, match="lack or add the numbers"):
        read_sums(good.SerializeToString())


def test_a_command_uploads_sums(tmp_path: Path) -> None:
    log = device(tmp_path / "log", 1, 5)
    with collect(tmp_path / "ledger") as collector:
        done = CliRunner().invoke(fleet, ["upload", str(log), collector.address, "--aggregate"])
        again = CliRunner().invoke(fleet, ["upload", str(log), collector.address, "--aggregate", "--json"])
    assert done.output == "accepted 5, duplicate 0, rejected 0, left out 0\n"
    assert json.loads(again.output) == {"accepted": 0, "duplicate": 0, "rejected": 0, "skipped": 0, "waiting": 0}
    error = CliRunner().invoke(fleet, ["upload", str(tmp_path), "127.0.0.1:1"]).exception
    assert isinstance(error, InvalidInput)
    with pytest.raises(TargetUnavailable):
        upload(device(tmp_path / "other", 2, 5), "127.0.0.1:1")
    kept = json.loads((tmp_path / "other" / "upload" / "sums.json").read_text())
    assert kept["last"] == 4
    segment = read_segment(next((tmp_path / "other").glob("*.log")))
    assert segment is not None
    assert len(segment.rows) == 5
