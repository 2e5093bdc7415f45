"""Which meter is taken and why; a coarse counter spread over queries; the interface that all of them keep."""

import threading
import time
from pathlib import Path

import pytest

from autoscale.errors import InvalidInput, UnknownName
from autoscale.profiles import load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters import (
    METERS,
    AttributedMeter,
    CounterMeter,
    Meter,
    ModelledMeter,
    NullMeter,
    ReplayMeter,
    best_meter,
)
from autoscale_runtime.meters.attributed import FADE
from autoscale_runtime.meters.rapl import RaplMeter

TARGET = Target.parse("device:cpu/fp32@1t")


@pytest.mark.parametrize("name", METERS.names())
def test_every_registered_meter_keeps_the_interface(name):
    meter = METERS.get(name).on_this_host("laptop")
    assert isinstance(meter, Meter)
    assert meter.name == name
    assert meter.is_available() == (meter.why_unavailable() is None)
    reading = meter.end(meter.begin(), TARGET)
    assert reading is None or (reading.energy_j >= 0.0 and reading.source)


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


@pytest.mark.parametrize("kind", [AttributedMeter, ReplayMeter])
def test_made_of_something_given_they_are_not_made_for_a_host(kind):
    with pytest.raises(InvalidInput, match="is made"):
        kind.on_this_host("laptop")


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


def work(meter, count=12, busy_s=0.01):
    readings = []
    for _ in range(count):
        mark, start_s = meter.begin(), time.process_time()
        while time.process_time() - start_s < busy_s:
            pass
        readings.append(meter.end(mark, TARGET))
    return readings


def test_a_coarse_counter_is_spread_over_queries():
    bench = Bench()
    meter = supplied(bench)
    mark = meter.begin()
    bench.run(0.03, busy_s=0.05)
    before = meter.end(mark, TARGET)
    assert (before.method, before.source) == (Method.MODELLED, "power table 'laptop'")
    bench.run(0.03, busy_s=0.01)
    after = meter.end(mark, TARGET)
    assert (after.method, after.source) == (Method.MEASURED, "bench supply, spread by power table 'laptop'")
    # All that was measured, shared between ours and the others' as the table says, is what we are told.
    assert meter.calibration == pytest.approx(50.0 * 0.06 / meter.table.energy_j(0.06, 0.06))
    least_j = meter.table.energy_j(after.window_s, 0.0, TARGET)
    assert after.energy_j >= meter.calibration * least_j > 0.0


def test_a_share_that_rests_on_default_watts_is_a_default() -> None:
    bench = Bench()
    meter = supplied(bench)
    bench.run(0.06, busy_s=0.06)
    mark = meter.begin()
    reading = meter.end(mark, Target.parse("device:gpu/fp16"))
    assert meter.calibration is not None
    assert (reading.method, reading.source) == (Method.DEFAULT, "power table 'laptop', default watts of a gpu")
    assert meter.end(mark, TARGET).method is Method.MEASURED


def test_what_was_measured_long_ago_counts_less():
    bench = Bench()
    meter = supplied(bench)
    for elapsed_s in (0.1, 0.2):
        bench.run(elapsed_s, busy_s=0.1)
        meter.end(meter.begin(), TARGET)
    measured_j = [50.0 * elapsed_s for elapsed_s in (0.1, 0.2)]
    expected_j = [meter.table.energy_j(elapsed_s, 0.1) for elapsed_s in (0.1, 0.2)]
    faded = [FADE * first + second for first, second in (measured_j, expected_j)]
    assert meter.calibration == pytest.approx(faded[0] / faded[1])


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
    meter = AttributedMeter(Wattage(), ModelledMeter(load_device("laptop")))
    readings = []
    threads = [threading.Thread(target=lambda: readings.extend(work(meter, count=40, busy_s=0.001))) for _ in range(4)]
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
    bench.run(0.06, busy_s=0.06)
    (domain / "energy_uj").write_text("6000000")
    assert meter.end(meter.begin(), TARGET).method is Method.MEASURED
    (domain / "energy_uj").unlink()
    bench.run(0.06, busy_s=0.06)
    assert meter.end(meter.begin(), TARGET).method is Method.MODELLED
    assert len(caplog.records) == 1
    assert "energy_uj" in meter.why_unavailable()
