"""The log on the device: whole after whatever end, bounded, one writer, and no query ever feels it."""

import json
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.column import NOT_A_NUMBER
from autoscale_runtime.fleet import LedgerWriter
from autoscale_runtime.fleet.device_log.log_folder import LogFolder
from autoscale_runtime.fleet.device_log.segment import ROW, Header, frame, read_segment
from tests.runtime.fleet.fleet_parts import files_up_to, latencies, logged, record, sequences

ROOT = Path(__file__).resolve().parents[4]
ROW_BYTES = len(frame(ROW)) + Header("", "", 0, {}).row_dtype.itemsize


def only(folder: Path) -> Path:
    [path] = folder.glob("*.log")
    return path


def test_what_was_appended_can_be_read_before_the_writer_closes(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, app_version="1.2") as log:
        log.append(record(5, model="äöü"))
        log.append(record(6))
        segment = read_segment(only(tmp_path))
        assert segment is not None
        assert segment.rows.numbers["latency_us"].tolist() == [5, 6]
        texts = {name: [each.words[code] for code in each.codes] for name, each in segment.rows.texts.items()}
        assert texts["model"] == ["äöü", "mobilenet-v1"]
        assert texts["app_version"] == ["1.2"] * 2
        assert log.lost == {}


def test_a_log_goes_on_under_its_name_with_the_next_number(tmp_path: Path) -> None:
    logged(tmp_path, 3)
    logged(tmp_path, 2, first=3)
    assert (sequences(tmp_path), latencies(tmp_path)) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    segments = [read_segment(each) for each in tmp_path.glob("*.log")]
    assert len({(each.header.device_id, each.header.log_id) for each in segments if each}) == 1
    assert len({each.rows.texts["session_id"].words[0] for each in segments if each}) == 2


@settings(max_examples=40)
@given(cut=st.integers(1, 700), junk=st.binary(max_size=40))
def test_a_torn_end_costs_its_records_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    logged(folder, 6)
    path = only(folder)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut] + junk)
    kept = latencies(folder)
    assert kept == list(range(len(kept)))
    assert len(kept) >= 6 - math.ceil(cut / ROW_BYTES)
    logged(folder, 3, first=100)
    assert latencies(folder) == [*kept, 100, 101, 102]
    numbers = sequences(folder)
    assert numbers == sorted(set(numbers))
    # Numbers that the cut records may have had are never used again.
    assert numbers[-3] >= len(kept) + (len(content) - cut + len(junk) > read_good(path))


def read_good(path: Path) -> int:
    segment = read_segment(path)
    return 0 if segment is None else segment.good_bytes


def test_damage_inside_loses_what_follows_in_that_segment_alone(tmp_path: Path) -> None:
    logged(tmp_path, 4)
    path = only(tmp_path)
    logged(tmp_path, 2, first=4)
    content = bytearray(path.read_bytes())
    content[-ROW_BYTES - 10] ^= 1  # in the last row but one
    path.write_bytes(content)
    assert latencies(tmp_path) == [0, 1, 4, 5]


def test_a_segment_without_a_header_is_removed(tmp_path: Path) -> None:
    logged(tmp_path, 2)
    LogFolder(tmp_path).path_of(2).write_bytes(b"\x00" * 50)
    logged(tmp_path, 1, first=2)
    assert latencies(tmp_path) == [0, 1, 2]


@given(old=st.integers(-1, 2**63 - 1), new=st.integers(0, 2**63 - 1), at=st.integers(0, 64))
def test_half_of_an_acknowledgement_over_another_is_none(
    tmp_path_factory: pytest.TempPathFactory, old: int, new: int, at: int
) -> None:
    folder = LogFolder(tmp_path_factory.mktemp("torn"))
    path = folder.path / "acknowledged.json"
    folder.acknowledge(old)
    before = path.read_bytes()
    folder.acknowledge(new)
    after = path.read_bytes()
    assert (folder.acknowledged(), len(after)) == (new, len(before))
    torn = after[:at] + before[at:]
    path.write_bytes(torn)
    assert folder.acknowledged() == {before: old, after: new}.get(torn, -1)


def test_an_emptied_folder_begins_a_new_log_of_the_same_device(tmp_path: Path) -> None:
    logged(tmp_path, 2)
    before = read_segment(only(tmp_path))
    only(tmp_path).unlink()
    logged(tmp_path, 1)
    after = read_segment(only(tmp_path))
    assert before is not None
    assert after is not None
    assert after.header.device_id == before.header.device_id
    assert after.header.log_id != before.header.log_id


def test_the_folder_keeps_to_its_size_and_counts_what_it_drops(tmp_path: Path) -> None:
    limit = 128 << 10
    with LedgerWriter(tmp_path, max_bytes=limit) as log:
        for number in range(2000):
            log.append(record(number))
        lost = log.lost["space"]
    assert sum(each.stat().st_size for each in tmp_path.glob("*.log")) <= limit + 4096
    kept = latencies(tmp_path)
    assert kept == list(range(lost, 2000))
    assert lost > 0
    with LedgerWriter(tmp_path, max_bytes=limit) as again:
        assert again.lost == {"space": lost}


def test_what_the_collector_has_is_dropped_uncounted(tmp_path: Path) -> None:
    logged(tmp_path, 100)
    LogFolder(tmp_path).acknowledge(1999)
    with LedgerWriter(tmp_path, max_bytes=64 << 10) as log:
        for number in range(100):
            log.append(record(number))
        assert log.lost == {}
    assert sequences(tmp_path) == list(range(2000, 2100))


def test_a_full_disk_is_counted_and_the_query_does_not_feel_it(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as log:
        log.append(record(0))
        with files_up_to(only(tmp_path).stat().st_size + 400):
            for number in range(1, 11):
                log.append(record(number))
        kept = latencies(tmp_path)
        assert log.lost == {"disk": 11 - len(kept)}
        log.append(record(11))
    assert kept == [0, 1]
    assert (latencies(tmp_path), sequences(tmp_path)) == ([0, 1, 11], [0, 1, 11])
    segment = read_segment(only(tmp_path))
    assert segment is not None
    assert segment.lost == {"disk": 9}


@pytest.mark.parametrize("how", ["close", "kill"])
def test_what_a_full_disk_took_is_known_to_the_next_writer(tmp_path: Path, how: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
from autoscale_runtime.fleet import LedgerWriter
from tests.runtime.fleet.fleet_parts import files_up_to, record
log = LedgerWriter({str(tmp_path)!r})
log.append(record(0))
[path] = Path({str(tmp_path)!r}).glob("*.log")
with files_up_to(path.stat().st_size + 100):
    for number in range(1, 6):
        log.append(record(number))
    os._exit(0) if {how!r} == "kill" else log.close()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    with LedgerWriter(tmp_path) as log:
        assert log.lost == {"disk": 5}
        log.append(record(6))
    assert (latencies(tmp_path), sequences(tmp_path)) == ([0, 6], [0, 6])
    with LedgerWriter(tmp_path) as log:
        assert log.lost == {"disk": 5}


def test_a_log_is_taken_up_on_a_full_disk(tmp_path: Path) -> None:
    logged(tmp_path, 2)
    with files_up_to(1), LedgerWriter(tmp_path) as log:
        log.append(record(2))
        assert log.lost == {"disk": 1}


def test_a_copied_folder_goes_on_as_a_log_of_its_own(tmp_path: Path) -> None:
    logged(tmp_path / "a", 4)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    logged(tmp_path / "a", 2, first=10)
    logged(tmp_path / "b", 3, first=20)
    first, second = (logs_of(tmp_path / name) for name in "ab")
    assert [sequences_ for _, sequences_ in first] == [[0, 1, 2, 3], [4, 5]]
    assert [sequences_ for _, sequences_ in second] == [[0, 1, 2, 3], [4, 5, 6]]
    assert len({log for log, _ in first}) == 1
    assert second[0][0] == first[0][0] != second[1][0]
    segment = read_segment(LogFolder(tmp_path / "b").path_of(4))
    assert segment is not None
    assert segment.header.begins == 4


def logs_of(folder: Path) -> list[tuple[str, list[int]]]:
    """For each segment its log and its numbers."""
    segments = [read_segment(each.path) for each in LogFolder(folder).segments()]
    return [(each.header.log_id, each.rows.numbers["sequence"].tolist()) for each in segments if each]


def test_texts_too_long_for_the_ledger_are_cut_and_harm_no_other_record(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as log:
        for model in ("x" * 3_000_000, "x" * 4_000_000, "mobilenet-v1"):
            log.append(record(model=model))
    segment = read_segment(only(tmp_path))
    assert segment is not None
    models = segment.rows.texts["model"].trimmed()
    assert [len(models.words[code]) for code in models.codes] == [1025, 1025, 12]
    assert len(set(models.words)) == len(models.words)


def test_what_a_later_version_says_of_a_segment_is_passed_over(tmp_path: Path) -> None:
    logged(tmp_path, 1)
    path = only(tmp_path)
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:4], "little")
    later = json.loads(content[9:end]) | {"planet": "Mars"}
    path.write_bytes(frame(b"H" + json.dumps(later).encode()) + content[end:])
    logged(tmp_path, 1, first=1)
    assert (latencies(tmp_path), sequences(tmp_path)) == ([0, 1], [0, 1])


def test_a_disk_full_from_the_start_leaves_nothing_half_written(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as log:
        with files_up_to(50):
            log.append(record(0))
        assert list(tmp_path.glob("*.log")) == []
        log.append(record(1))
        assert log.lost == {"disk": 1}
    assert (latencies(tmp_path), sequences(tmp_path)) == ([1], [1])


def test_clocks_that_jump_and_numbers_that_are_none_are_written_as_they_are(tmp_path: Path) -> None:
    times = [1.7e9, 1.6e9, 0.0, 1.8e9, math.nan]
    with LedgerWriter(tmp_path) as log:
        for each in times:
            log.append(record(time_s=each))
    segment = read_segment(only(tmp_path))
    assert segment is not None
    written_us = [round(each * 1e6) for each in times[:-1]]
    assert segment.rows.numbers["time_us"].tolist() == [*written_us, NOT_A_NUMBER]
    assert sequences(tmp_path) == [0, 1, 2, 3, 4]


def test_threads_may_append_at_once(tmp_path: Path) -> None:
    def append(log: LedgerWriter, first: int) -> None:
        for number in range(first, first + 200):
            log.append(record(number, model=f"model-{number}"))

    with LedgerWriter(tmp_path) as log:
        threads = [threading.Thread(target=append, args=(log, 1000 * i)) for i in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert sorted(latencies(tmp_path)) == sorted(1000 * i + j for i in range(4) for j in range(200))
    assert sequences(tmp_path) == list(range(800))


def test_one_writer_for_a_folder(tmp_path: Path) -> None:
    held = f"in use by process {os.getpid()}; allowed: one writer for each log"
    with LedgerWriter(tmp_path), pytest.raises(InvalidInput, match=held):
        LedgerWriter(tmp_path)
    LedgerWriter(tmp_path).close()


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_bytes is 1; allowed: 65536 or more"):
        LedgerWriter(tmp_path, max_bytes=1)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot hold a log"):
        LedgerWriter(tmp_path / "file")
    log = LedgerWriter(tmp_path)
    log.close()
    with pytest.raises(InvalidInput, match="was closed"):
        log.append(record())
