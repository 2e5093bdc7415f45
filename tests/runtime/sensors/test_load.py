"""Load of others, on the real machine and in arithmetic."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.host.cores import allowed_cores
from autoscale_runtime.sensors.cpu_time import CpuTime, core_times, cpu_time, process_cpu_s, used_between
from autoscale_runtime.sensors.load import LoadSensor, _Snapshot, load_between
from tests.waiting import until

BURN = "while True: pass"
ENOUGH_S = 0.5
"""Of CPU time, which Linux counts in ticks of 10 ms."""
WHOLE_TEST_S = 3600.0
"""A window that reaches back to a sensor's first reading: the longer the test, the less its edges count."""


@pytest.fixture
def burner():
    process = subprocess.Popen([sys.executable, "-c", BURN])
    yield process
    process.kill()
    process.wait()


def test_first_reading_has_no_cpu_load_but_a_memory_load():
    observation = LoadSensor().read()
    assert observation.cpu_load is None
    assert 0.0 < observation.memory_load < 1.0


def test_a_companion_is_not_a_co_runner(burner):
    with_it, without_it = LoadSensor(window_s=WHOLE_TEST_S), LoadSensor([burner.pid], WHOLE_TEST_S)
    with_it.read(), without_it.read()
    begin_s, begin_total_s = process_cpu_s(burner.pid, allowed_cores()), cpu_time(allowed_cores()).total_s

    def is_what_it_took():
        time.sleep(0.05)  # the least that there is a load of
        seen, unseen = with_it.read().cpu_load, without_it.read().cpu_load
        took_s = process_cpu_s(burner.pid, allowed_cores()) - begin_s
        share = took_s / (cpu_time(allowed_cores()).total_s - begin_total_s)
        return took_s > ENOUGH_S and seen - unseen == pytest.approx(share, rel=0.3)

    until(is_what_it_took)


def test_own_work_is_not_a_co_runner():
    sensor, cores = LoadSensor(window_s=WHOLE_TEST_S), allowed_cores()
    sensor.read()
    begin, begin_own_s = cpu_time(cores), time.process_time()

    def is_what_others_took():
        start_s = time.process_time()
        while time.process_time() - start_s < 0.05:
            pass
        load, now, own_s = sensor.read().cpu_load, cpu_time(cores), time.process_time() - begin_own_s
        total_s = now.total_s - begin.total_s
        others = (now.busy_s - begin.busy_s - own_s) / total_s
        return own_s > ENOUGH_S and load == pytest.approx(max(others, 0.0), abs=0.3 * own_s / total_s)

    until(is_what_others_took)


def test_pinned_to_one_core_only_that_core_counts(burner):
    cores = allowed_cores()
    if len(cores) < 2:
        pytest.skip("one core only")
    kept = frozenset({min(cores)})
    try:
        os.sched_setaffinity(burner.pid, cores - kept)
        os.sched_setaffinity(os.getpid(), kept)
        assert allowed_cores() == kept
        assert process_cpu_s(burner.pid, kept) == 0.0
        sensor = LoadSensor(window_s=WHOLE_TEST_S)
        sensor.read()
        begin, begin_own_s = cpu_time(kept), time.process_time()

        def is_that_cores():
            time.sleep(0.05)
            load, now, own_s = sensor.read().cpu_load, cpu_time(kept), time.process_time() - begin_own_s
            others = (now.busy_s - begin.busy_s - own_s) / (now.total_s - begin.total_s)
            return load == pytest.approx(max(others, 0.0), abs=0.05)

        until(is_that_cores)
    finally:
        os.sched_setaffinity(os.getpid(), cores)


def test_cores_add_up_to_the_machine():
    cores = allowed_cores()
    if len(cores) != os.cpu_count():
        pytest.skip("pinned")
    parts = sum(cpu_time(frozenset({core})).total_s for core in cores)
    assert parts == pytest.approx(cpu_time().total_s, rel=0.02)


def test_a_process_that_is_gone_spent_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_cpu_s(process.pid, allowed_cores()) == 0.0


def test_after_a_pause_the_load_is_of_now():
    now_s = [0.0]
    sensor = LoadSensor(window_s=0.5, clock=lambda: now_s[0])
    for time_s in (0.0, 600.0, 600.001, 600.2):
        now_s[0] = time_s
        sensor.read()
    assert sensor._past[0].time_s >= 600.0


seconds = st.floats(0.0, 1e6)


@given(seconds, seconds, seconds, seconds, seconds)
def test_load_is_a_fraction_or_absent(elapsed_s, busy_s, total_s, own_s, past_own_s):
    before = _Snapshot(0.0, {0: CpuTime(0.0, 0.0)}, past_own_s)
    load = load_between(before, _Snapshot(elapsed_s, {0: CpuTime(busy_s, total_s)}, own_s))
    assert load is None or 0.0 <= load <= 1.0
    assert (load is None) == (elapsed_s < 0.05 or total_s == 0.0)


def test_load_of_a_known_interval():
    before = _Snapshot(10.0, {0: CpuTime(40.0, 500.0), 1: CpuTime(60.0, 500.0)}, 5.0)
    after = _Snapshot(11.0, {0: CpuTime(41.0, 501.0), 1: CpuTime(60.5, 501.0)}, 5.5)
    assert load_between(before, after) == pytest.approx(0.5)


def test_a_core_that_goes_or_comes_within_the_window_does_not_count():
    before = {0: CpuTime(10.0, 100.0), 1: CpuTime(90.0, 100.0)}
    assert used_between(before, {0: CpuTime(11.0, 102.0)}) == (1.0, 2.0)
    assert used_between({0: before[0]}, {0: CpuTime(11.0, 102.0), 1: CpuTime(91.0, 102.0)}) == (1.0, 2.0)


def test_a_core_whose_counter_goes_back_was_away():
    before = {0: CpuTime(10.0, 100.0), 1: CpuTime(90.0, 100.0)}
    assert used_between(before, {0: CpuTime(11.0, 102.0), 1: CpuTime(0.5, 2.0)}) == (1.0, 2.0)


def test_a_tick_of_idle_time_taken_back_leaves_a_busy_core():
    assert used_between({0: CpuTime(10.0, 100.0)}, {0: CpuTime(12.0, 101.99)}) == pytest.approx((1.99, 1.99))


STAT = """\
cpu  1 1 1 1 1 1 1 1 1 1
cpu0 100 0 0 900 0 0 0 0 0 0
cpu2 200 100 300 100 50 150 75 25 999 999
cpu3 100 0
cpu10 0 0 0 1000 0 0 0 0 0 0
cpufreq 1 2 3 4 5 6 7 8 9 10
intr 0 0
"""


def test_cores_go_by_their_numbers_and_not_by_their_place_in_the_file(tmp_path, monkeypatch):
    (tmp_path / "stat").write_text(STAT)
    monkeypatch.setattr("psutil.PROCFS_PATH", str(tmp_path))
    ticks = os.sysconf("SC_CLK_TCK")
    busy, total = 200 + 100 + 300 + 150 + 75 + 25, 200 + 100 + 300 + 100 + 50 + 150 + 75 + 25
    assert core_times().keys() == {0, 2, 10}
    assert cpu_time(frozenset({2})) == pytest.approx((busy / ticks, total / ticks))
    assert cpu_time(frozenset({0, 1, 3, 10})) == pytest.approx((100 / ticks, 2000 / ticks))
    assert cpu_time(frozenset({1, 3})) == (0.0, 0.0)


def test_an_unreadable_file_of_cores_leaves_the_memory(tmp_path, monkeypatch, caplog):
    (tmp_path / "stat").mkdir()
    (tmp_path / "meminfo").write_bytes(Path("/proc/meminfo").read_bytes())
    sensor = LoadSensor()
    monkeypatch.setattr("psutil.PROCFS_PATH", str(tmp_path))
    observation = sensor.read()
    assert observation.cpu_load is None
    assert observation.memory_load > 0.0
    assert "stat" in caplog.text
