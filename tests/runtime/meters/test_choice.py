"""Which meter is taken and why; a coarse counter spread over queries; the interface that all of them keep."""

import math
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput, UnknownName
from autoscale.profiles import load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters import (
    AttributedMeter,
    CounterMeter,
    Meter,
    ModelledMeter,
    NullMeter,
    best_meter,
)
from autoscale_runtime.meters.attributed import FADE, calibration_of
from autoscale_runtime.meters.base import Mark, Reading
from autoscale_runtime.meters.guarded import GuardedMeter
from autoscale_runtime.meters.rapl import RaplMeter

TARGET = Target.parse("device:cpu/fp32@1t")


def test_no_meter_knows_nothing_rather_than_zero():
    meter = NullMeter()
    assert meter.is_available()
    assert meter.end(meter.begin(), TARGET) is None


def test_the_best_meter_of_this_machine_and_why():
    meter, reason = best_meter("laptop")
    kinds = {AttributedMeter: "measured", ModelledMeter: "modelled"}
    assert kinds[type(meter)] in reason
    if isinstance(meter, ModelledMeter):
        assert "rapl: " in reason and "battery: " in reason


def test_without_a_table_and_a_counter_nothing_is_known():
    meter, reason = best_meter(None, names=["modelled"])
    assert isinstance(meter, NullMeter)
    assert reason == "energy is not known (modelled: no power table is named)"


def test_names_are_checked():
    with pytest.raises(UnknownName, match="did you mean 'rapl'"):
        best_meter("laptop", names=["rappl"])
    with pytest.raises(UnknownName, match="did you mean 'laptop'"):
        best_meter("labtop")
    with pytest.raises(InvalidInput, match=r"needs a power table; allowed: .*laptop"):
        ModelledMeter.on_this_host(None)


class Bench:
    """A clock and a count of work that a test moves on."""

    def __init__(self):
        self.now_s = self.busy_s = 0.0

    def run(self, elapsed_s, busy_s):
        self.now_s += elapsed_s
        self.busy_s += busy_s


class Wattage(CounterMeter):
    """A counter that grows by a known power, as a bench supply would."""

    name = "wattage"
    shortest_s = 0.05
    scope = "bench supply"

    def __init__(self, power_w=50.0, clock=time.monotonic):
        super().__init__(clock)
        self.power_w = power_w

    def read_j(self):
        return self.power_w * self.clock()

    @classmethod
    def on_this_host(cls, power_table):
        return cls()


def supplied(bench, power_w=50.0):
    counter = Wattage(power_w, lambda: bench.now_s)
    return AttributedMeter(counter, ModelledMeter(load_device("laptop")), lambda: bench.busy_s)


def test_a_coarse_counter_is_spread_over_queries():
    bench = Bench()
    meter = supplied(bench)
    mark = meter.begin()
    bench.run(0.03, busy_s=0.05)
    before = meter.end(mark, TARGET)
    assert (before.method, before.source) == (Method.MODELLED, "power table 'laptop'")
    bench.run(0.03, busy_s=0.01)
    for _ in range(2):
        assert meter.end(mark, TARGET).method is Method.MODELLED, "of fewer than three windows any may be the wrong one"
        bench.run(0.06, busy_s=0.06)
    after = meter.end(mark, TARGET)
    assert (after.method, after.source) == (Method.MEASURED, "bench supply, spread by power table 'laptop'")
    # All that was measured, shared between ours and the others' as the table says, is what we read.
    assert meter.calibration == pytest.approx(50.0 * 0.06 / meter.table.energy_j(0.06, 0.06))
    least_j = meter.table.energy_j(after.window_s, 0.0, TARGET)
    assert after.energy_j >= meter.calibration * least_j > 0.0


def test_a_share_that_rests_on_default_watts_is_a_default() -> None:
    bench = Bench()
    meter = supplied(bench)
    for _ in range(3):
        bench.run(0.06, busy_s=0.06)
        mark = meter.begin()
        reading = meter.end(mark, Target.parse("device:gpu/fp16"))
    assert meter.calibration is not None
    assert (reading.method, reading.source) == (Method.DEFAULT, "power table 'laptop', default watts of a gpu")
    assert meter.end(mark, TARGET).method is Method.MEASURED


def test_what_was_measured_long_ago_counts_less():
    bench = Bench()
    meter = supplied(bench)
    times_s = (0.1, 0.15, 0.2)
    for elapsed_s in times_s:
        bench.run(elapsed_s, busy_s=0.1)
        meter.end(meter.begin(), TARGET)
    weights = (FADE**2, FADE, 1.0)
    measured_j = sum(weight * 50.0 * elapsed_s for weight, elapsed_s in zip(weights, times_s, strict=True))
    tables_j = [meter.table.energy_j(elapsed_s, 0.1) for elapsed_s in times_s]
    assert meter.calibration == pytest.approx(
        measured_j / sum(weight * each_j for weight, each_j in zip(weights, tables_j, strict=True))
    )


def test_twice_the_power_is_twice_the_energy():
    bench = Bench()
    meters = [supplied(bench, power_w) for power_w in (50.0, 100.0)]
    for step in range(20):
        marks = [meter.begin() for meter in meters]
        bench.run(0.02, busy_s=0.001 * step)
        for meter, mark in zip(meters, marks, strict=True):
            meter.end(mark, TARGET)
    assert meters[1].calibration / meters[0].calibration == pytest.approx(2.0)


def test_threads_may_share_a_meter():
    bench, turn, readings = Bench(), threading.Lock(), []
    meter = supplied(bench)

    def ask():
        for _ in range(40):
            mark = meter.begin()
            with turn:
                bench.run(0.004, busy_s=0.004)
            readings.append(meter.end(mark, TARGET))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 160
    assert meter.calibration is not None
    assert all(reading.energy_j >= 0.0 for reading in readings)


def test_a_counter_that_vanishes_leaves_the_table(tmp_path: Path, caplog):
    domain = tmp_path / "sys/class/powercap/intel-rapl:0"
    domain.mkdir(parents=True)
    (domain / "name").write_text("package-0")
    (domain / "energy_uj").write_text("5000000")
    bench = Bench()
    counter = RaplMeter(tmp_path, lambda: bench.now_s)
    meter = AttributedMeter(counter, ModelledMeter(load_device("laptop")), lambda: bench.busy_s)
    assert meter.is_available()
    for spent_uj, method in ((6_000_000, Method.MODELLED), (7_000_000, Method.MODELLED), (8_000_000, Method.MEASURED)):
        bench.run(0.06, busy_s=0.06)
        (domain / "energy_uj").write_text(str(spent_uj))
        assert meter.end(meter.begin(), TARGET).method is method
    (domain / "energy_uj").unlink()
    for method in (Method.MEASURED, Method.MODELLED):
        bench.run(0.06, busy_s=0.06)
        assert meter.end(meter.begin(), TARGET).method is method, "one gap is a gap, two are an end"
    assert len(caplog.records) == 1
    assert "energy_uj" in meter.why_unavailable()


ratios = st.floats(0.5, 20.0)
outliers = st.sampled_from([1e-6, 0.01, 100.0, 1e6])


@given(ratios, st.lists(st.floats(0.8, 1.25), min_size=3, max_size=8), outliers, st.integers(0, 8))
def test_one_outlier_poisons_no_calibration(ratio, noise, outlier, at):
    windows = [(ratio * each, 1.0) for each in noise]
    windows.insert(at, (ratio * outlier, 1.0))
    assert calibration_of(windows) == pytest.approx(ratio, rel=0.25)


@given(ratios, st.integers(3, 9), st.integers(0, 8), outliers)
def test_an_outlier_among_equal_windows_changes_nothing(ratio, count, at, outlier):
    windows = [(ratio * seconds, float(seconds)) for seconds in range(1, count + 1)]
    windows.insert(at, (ratio * outlier, 1.0))
    assert calibration_of(windows) == pytest.approx(ratio)


def test_two_windows_calibrate_nothing_and_a_lasting_change_is_followed():
    assert calibration_of([(5.0, 1.0)] * 2) is None
    assert calibration_of([(5.0, 1.0)] * 4 + [(50.0, 1.0)] * 5) == pytest.approx(50.0)


class Failing(CounterMeter):
    """A plug-in meter with a fault of its own."""

    name = "failing"
    shortest_s = 0.0
    scope = "a plug-in"

    def __init__(self, fault=None):
        super().__init__()
        self.fault = fault

    def read_j(self):
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.clock() if self.fault is None else self.fault

    @classmethod
    def on_this_host(cls, power_table):
        return cls()


@pytest.mark.parametrize("fault", [RuntimeError("driver"), KeyError("x"), math.inf, math.nan, -1e9])
def test_whatever_a_plugged_in_counter_says_no_query_fails(fault, caplog):
    meter = Failing()
    mark = meter.begin()
    assert meter.end(mark).energy_j > 0.0
    meter.fault = fault
    assert meter.end(mark) is None
    assert meter.end(meter.begin()) is None


def test_a_meter_that_cannot_be_opened_leaves_the_next(tmp_path, monkeypatch):
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoscale.meters]\ngone = plug.nowhere:GoneMeter\nbad = plug_bad:Bad\n")
    (tmp_path / "plug_bad.py").write_text(
        "class Bad:\n"
        "    @classmethod\n"
        "    def on_this_host(cls, power_table):\n"
        "        raise RuntimeError('no driver')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    meter, reason = best_meter("laptop", names=["gone", "bad", "modelled"])
    assert isinstance(meter, ModelledMeter)
    assert "gone: it cannot be opened" in reason
    assert "no driver" in reason


class Odd(Meter):
    """A plug-in that is no counter, with a fault of its own."""

    name = "odd"

    def __init__(self, at_begin=None, at_end=None):
        self.at_begin, self.at_end = at_begin, at_end

    @classmethod
    def on_this_host(cls, power_table):
        return cls()

    def why_unavailable(self):
        return None

    def begin(self):
        if self.at_begin is not None:
            raise self.at_begin
        return Mark(0.0, 0.0)

    def end(self, mark, target=None):
        if isinstance(self.at_end, Exception):
            raise self.at_end
        return self.at_end


GOOD = Reading(3.0, Method.MEASURED, "odd", 1.0)


@pytest.mark.parametrize(
    ("fault", "read"),
    [
        (Odd(at_end=GOOD), GOOD),
        (Odd(), None),
        (Odd(at_begin=RuntimeError("driver"), at_end=GOOD), None),
        (Odd(at_end=KeyError("x")), None),
        (Odd(at_end=GOOD._replace(energy_j=-1.0)), None),
        (Odd(at_end=GOOD._replace(energy_j=math.nan)), None),
        (Odd(at_end="3 J"), None),
    ],
)
def test_whatever_a_plugged_in_meter_does_it_is_a_reading_or_a_gap(fault, read, caplog):
    meter = GuardedMeter(fault)
    assert [meter.end(meter.begin(), TARGET) for _ in range(3)] == [read] * 3
    assert len(caplog.records) == (read is None and (fault.at_end or fault.at_begin) is not None)


def test_a_plugged_in_meter_is_guarded_and_named(tmp_path, monkeypatch):
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoscale.meters]\nodd = plug_odd:Odd\n")
    (tmp_path / "plug_odd.py").write_text(
        "from autoscale_runtime.meters import Meter\n"
        "class Odd(Meter):\n"
        "    name = 'odd'\n"
        "    on_this_host = classmethod(lambda cls, power_table: cls())\n"
        "    why_unavailable = lambda self: None\n"
        "    begin = end = lambda self, *args: 1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    meter, reason = best_meter("laptop", names=["odd", "modelled"])
    assert reason == "energy is reported by the meter 'odd'"
    assert meter.end(meter.begin(), TARGET) is None


def test_a_spread_reading_is_as_uncertain_as_its_counter_and_its_windows():
    bench = Bench()
    meter = supplied(bench)
    for elapsed_s in (0.1, 0.1, 0.1):
        bench.run(elapsed_s, busy_s=0.1)
        reading = meter.end(meter.begin(), TARGET)
    assert reading.sampling_s is None, "this counter does not say how often it is renewed"
    meter.counter.refresh_s = 0.01
    for busy_s in (0.1, 0.05, 0.1):
        mark = meter.begin()
        bench.run(0.1, busy_s)
        reading = meter.end(mark, TARGET)
    assert reading.sampling_s == 0.01
    ratios = [50.0 * 0.1 / meter.table.energy_j(0.1, busy_s) for busy_s in (0.1, 0.1, 0.1, 0.1, 0.05, 0.1)]
    spread = (sum((each / meter.calibration - 1.0) ** 2 for each in ratios) / len(ratios)) ** 0.5
    assert spread > 0.01
    assert reading.uncertainty_j == pytest.approx(reading.energy_j * (0.1 + spread))
