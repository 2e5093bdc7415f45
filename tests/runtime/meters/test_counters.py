"""Counters of joules: RAPL and the battery on a fake tree, NVML as it is here, a recorded one."""

import importlib.util
import logging
import os
import sys
import tempfile
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import TraceError
from autoscale.query.outcome import Method
from autoscale_runtime.meters import ReplayMeter
from autoscale_runtime.meters.battery import BatteryMeter
from autoscale_runtime.meters.counter_sum import CounterSum
from autoscale_runtime.meters.nvml import NvmlMeter
from autoscale_runtime.meters.rapl import RaplMeter
from tests.runtime.meters.meters_parts import RANGE_UJ, Battery, Clock, Rapl


@pytest.fixture
def rapl(tmp_path):
    return Rapl(tmp_path)


def test_rapl_counts_packages_and_dram_and_nothing_twice(rapl):
    meter = rapl.meter()
    assert meter.is_available()
    mark = meter.begin()
    for name, uj in (("package-0", 3_000_000), ("core", 2_000_000), ("dram", 500_000), ("psys", 9_000_000)):
        rapl.spend(name, uj)
    rapl.clock.now_s = 0.2
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(3.5)
    assert (reading.method, reading.source, reading.window_s) == (Method.MEASURED, "RAPL package-0 + dram", 0.2)


def test_rapl_tells_nothing_of_a_window_too_short(rapl):
    meter = rapl.meter()
    mark = meter.begin()
    rapl.spend("package-0", 3_000_000)
    rapl.clock.now_s = 0.049
    assert meter.end(mark) is None
    rapl.clock.now_s = 0.05
    assert meter.end(mark).energy_j == pytest.approx(3.0)


def test_rapl_wraps_around(rapl):
    rapl.files["package-0"].write_text(f"{RANGE_UJ - 1_000_000}\n")
    meter = rapl.meter()
    mark = meter.begin()
    rapl.clock.now_s = 1.0
    rapl.spend("package-0", 5_000_000)
    assert int(rapl.files["package-0"].read_text()) < 5_000_000
    assert meter.end(mark).energy_j == pytest.approx(5.0)


@settings(max_examples=40)
@given(st.lists(st.integers(1, RANGE_UJ), min_size=1, max_size=8), st.integers(0, RANGE_UJ))
def test_rapl_windows_add_up(spent_uj, start_uj):
    with tempfile.TemporaryDirectory() as folder:
        rapl = Rapl(folder)
        rapl.files["package-0"].write_text(str(start_uj))
        meter = rapl.meter()
        whole = part = meter.begin()
        parts_j = []
        for uj in spent_uj:
            rapl.clock.now_s += 3600.0
            rapl.spend("package-0", uj)
            parts_j.append(meter.end(part).energy_j)
            part = meter.begin()
        assert all(energy_j >= 0.0 for energy_j in parts_j)
        assert meter.end(whole).energy_j == pytest.approx(sum(parts_j), rel=1e-9)
        assert sum(parts_j) == pytest.approx(sum(spent_uj) / 1e6, rel=1e-9)


@pytest.mark.parametrize("range_uj", [None, "", "0", "-1", "unknown", "4999999999", str(RANGE_UJ)])
def test_a_rapl_counter_that_falls_without_wrapping_is_a_gap(rapl, caplog, range_uj):
    rapl.files["package-0"].write_text("5000000000\n")
    known = rapl.files["package-0"].parent / "max_energy_range_uj"
    known.unlink() if range_uj is None else known.write_text(range_uj)
    meter = rapl.meter()
    mark = meter.begin()
    for fallen in (10_000_000, 9_999_999):  # a restart, and a step back
        rapl.clock.now_s += 1.0
        rapl.files["package-0"].write_text(f"{fallen}\n")
        assert meter.end(mark) is None, "257 kJ in a second is impossible"
        mark = meter.begin()
    rapl.clock.now_s += 1.0
    rapl.spend("package-0", 10_000_000)
    assert meter.end(mark).energy_j == pytest.approx(10.0)
    assert len(caplog.records) == 1


def test_a_fall_seen_as_a_window_opens_costs_no_window(rapl):
    meter = rapl.meter()
    rapl.files["package-0"].write_text("5000000000\n")
    meter.end(meter.begin())
    rapl.clock.now_s = 1.0
    rapl.files["package-0"].write_text("0\n")
    mark = meter.begin()
    rapl.clock.now_s = 2.0
    rapl.spend("package-0", 7_000_000)
    assert meter.end(mark).energy_j == pytest.approx(7.0)


def test_a_rapl_counter_that_jumps_or_stands_still_is_a_gap(rapl):
    meter = rapl.meter()
    mark = meter.begin()
    rapl.clock.now_s = 1.0
    rapl.spend("package-0", 50_000_000_000)
    assert meter.end(mark) is None, "50 kW"
    mark = meter.begin()
    rapl.clock.now_s = 2.0
    assert meter.end(mark) is None, "what is switched on spends something"


def test_a_domain_without_a_counter_is_none(rapl):
    second = rapl.root / "sys/class/powercap/intel-rapl:2"
    second.mkdir()
    (second / "name").write_text("package-1\n")
    meter = rapl.meter()
    mark = meter.begin()
    rapl.clock.now_s = 1.0
    rapl.spend("package-0", 1_000_000)
    assert (meter.end(mark).energy_j, meter.scope) == (pytest.approx(1.0), "RAPL package-0 + dram")


def test_memory_that_rapl_cannot_tell_is_left_out_and_the_scope_says_so(rapl):
    meter = rapl.meter()
    assert meter.scope == "RAPL package-0 + dram"
    mark = meter.begin()
    rapl.files["dram"].write_text("garbage\n")
    rapl.clock.now_s = 1.0
    rapl.spend("package-0", 1_000_000)
    assert meter.end(mark) is None, "the sum was of other counters when this window began"
    mark = meter.begin()
    rapl.clock.now_s = 2.0
    rapl.spend("package-0", 2_000_000)
    reading = meter.end(mark)
    assert (reading.energy_j, reading.source) == (pytest.approx(2.0), "RAPL package-0")


@given(st.lists(st.floats(0.0, 300.0) | st.just("reset") | st.just("jump"), max_size=20), st.floats(1.0, 1e5))
def test_a_sum_counts_every_possible_step_and_no_other(steps, start_j):
    total, counter_j, possible_j = CounterSum(), start_j, 0.0
    total.add({"a": counter_j, "b": 0.0}, 0.0)
    for time_s, step in enumerate(steps, start=1):
        is_gap = isinstance(step, str)
        before_j = counter_j
        counter_j = {"reset": counter_j / 2.0, "jump": counter_j + 1e6}[step] if is_gap else counter_j + step
        possible_j += 1.0 + (0.0 if is_gap else counter_j - before_j)
        assert len(total.add({"a": counter_j, "b": float(time_s)}, float(time_s))) == is_gap
    assert total.total_j == pytest.approx(possible_j)


@pytest.mark.parametrize("harm", ["vanishes", "garbage"])
def test_rapl_that_breaks_tells_nothing_and_recovers(rapl, caplog, harm):
    meter = rapl.meter()
    file = rapl.files["package-0"]
    mark = meter.begin()
    rapl.clock.now_s = 1.0
    file.unlink() if harm == "vanishes" else file.write_text("counter\n")
    with caplog.at_level(logging.WARNING):
        assert meter.end(mark) is None
        assert meter.end(meter.begin()) is None
    assert len(caplog.records) == 1
    file.write_text("2000\n")
    assert meter.end(mark) is None, "the counter was away within this window"
    mark = meter.begin()
    rapl.spend("package-0", 1_000_000)
    rapl.clock.now_s = 2.0
    assert meter.end(mark).energy_j == pytest.approx(1.0)


def test_rapl_that_only_root_may_read_says_so():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        rapl = Rapl(folder)
        rapl.files["package-0"].chmod(0)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            why = rapl.meter().why_unavailable()
        finally:
            if is_root:
                os.seteuid(0)
    assert "intel-rapl:0/energy_uj is readable by root alone: sudo chmod a+r" in why


def test_battery_integrates_its_power(tmp_path):
    battery = Battery(tmp_path, power_now=6_000_000)
    meter = battery.meter()
    assert meter.is_available()
    mark = meter.begin()
    battery.clock.now_s, _ = 10.0, battery.set(power_now=8_000_000)
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(70.0)
    assert (reading.method, reading.source) == (Method.MEASURED, "battery gauge, whole device")


@pytest.mark.parametrize("current", [500_000, -500_000])
def test_battery_by_current_and_voltage_of_either_sign(tmp_path, current):
    battery = Battery(tmp_path, current_now=current, voltage_now=4_000_000)
    meter = battery.meter()
    mark = meter.begin()
    battery.clock.now_s = 1.9
    assert meter.end(mark) is None, "gauges are slower than that"
    battery.clock.now_s = 4.0
    assert meter.end(mark).energy_j == pytest.approx(8.0)


def test_battery_on_mains_tells_nothing(tmp_path):
    battery = Battery(tmp_path, power_now=6_000_000)
    meter = battery.meter()
    mark = meter.begin()
    battery.set(status="Charging")
    battery.clock.now_s = 10.0
    assert meter.end(mark) is None
    assert "'Charging'" in meter.why_unavailable()
    battery.set(status="Discharging")
    battery.clock.now_s = 20.0
    assert meter.end(mark) is None, "what was drawn while it charged is not known"
    mark = meter.begin()
    battery.clock.now_s = 30.0
    assert meter.end(mark).energy_j == pytest.approx(60.0)


class Two:
    """A laptop with two batteries, of which the second works."""

    def __init__(self, root, plug=0):
        self.root, self.clock = Path(root), Clock()
        self.set("AC", type="Mains", online=plug)
        self.set("BAT0", type="Battery", present=1, status="Not charging", power_now=0, energy_now=19_200_000)
        self.set("BAT1", type="Battery", present=1, status="Discharging", power_now=9_000_000, energy_now=28_800_000)

    def set(self, name, **files):
        folder = self.root / "sys/class/power_supply" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, value in files.items():
            (folder / file).write_text(f"{value}\n")

    def meter(self):
        return BatteryMeter(self.root, self.clock)


def test_the_second_battery_is_the_one_that_works(tmp_path):
    two = Two(tmp_path)
    meter = two.meter()
    mark = meter.begin()
    two.clock.now_s = 10.0
    assert meter.end(mark).energy_j == pytest.approx(90.0)
    two.set("BAT0", status="Discharging", power_now=11_000_000)
    two.set("BAT1", status="Not charging", power_now=0)
    mark = meter.begin()
    two.clock.now_s = 20.0
    assert meter.end(mark).energy_j == pytest.approx(110.0), "the first takes over"


def test_what_mains_power_gives_beside_a_battery_is_not_known(tmp_path):
    meter = Two(tmp_path, plug=1).meter()
    assert "mains power is connected" in meter.why_unavailable()
    assert meter.end(meter.begin()) is None


def test_a_battery_that_does_not_say_which_way_it_flows_is_a_gap(tmp_path):
    two = Two(tmp_path)
    two.set("BAT0", status="Unknown", power_now=4_000_000)
    assert "which way that flows is not reported" in two.meter().why_unavailable()
    two.set("BAT0", power_now=0)
    assert two.meter().why_unavailable() is None


@pytest.mark.parametrize("power", [0, "", "unknown", 4_294_967_295_000, None])
def test_without_a_rate_what_is_left_in_it_tells(tmp_path, power):
    two = Two(tmp_path)
    (two.root / "sys/class/power_supply/BAT1/power_now").unlink()
    if power is not None:
        two.set("BAT1", power_now=power)
    meter = two.meter()
    assert meter.is_available()
    mark = meter.begin()
    two.clock.now_s = 10.0
    assert meter.end(mark) is None, "0 W while discharging"
    mark = meter.begin()
    two.clock.now_s, _ = 20.0, two.set("BAT1", energy_now=28_770_000)
    assert meter.end(mark).energy_j == pytest.approx(30_000 * 3600e-6)
    for impossible in (28_800_000, 1_000):  # more than before; 100 kJ within 10 s
        mark = meter.begin()
        two.clock.now_s, _ = two.clock.now_s + 10.0, two.set("BAT1", energy_now=impossible)
        assert meter.end(mark) is None


def test_without_a_rate_the_charge_tells_at_its_voltage(tmp_path):
    battery = Battery(tmp_path, charge_now=2_000_000, voltage_now=4_000_000, current_now=0)
    meter = battery.meter()
    mark = meter.begin()
    battery.clock.now_s, _ = 60.0, battery.set(charge_now=1_990_000)
    assert meter.end(mark).energy_j == pytest.approx(10_000 * 3600e-6 * 4.0)


def test_0_w_while_discharging_is_no_reading(tmp_path):
    battery = Battery(tmp_path, power_now=0)
    assert "neither at what rate above 0 W nor what is left" in battery.meter().why_unavailable()
    battery.set(current_now=700_000, voltage_now=12_000_000)
    meter = battery.meter()
    mark = meter.begin()
    battery.clock.now_s = 10.0
    assert meter.end(mark).energy_j == pytest.approx(84.0)


def test_a_battery_taken_out_is_a_gap(tmp_path):
    two = Two(tmp_path)
    two.set("BAT1", power_now=0)
    meter = two.meter()
    mark = meter.begin()
    two.set("BAT1", present=0)
    two.set("BAT0", status="Discharging", power_now=0)
    two.clock.now_s = 10.0
    assert meter.end(mark) is None


def test_what_is_not_there_says_so(tmp_path):
    assert "no RAPL counters in" in RaplMeter(tmp_path).why_unavailable()
    assert RaplMeter(tmp_path).end(RaplMeter(tmp_path).begin()) is None
    assert BatteryMeter(tmp_path).why_unavailable() == "this device has no battery"


def test_nvml_here():
    meter = NvmlMeter()
    if importlib.util.find_spec("pynvml") is None:
        assert meter.why_unavailable() == "the package is not installed: pip install nvidia-ml-py"
        assert meter.end(meter.begin()) is None
    else:
        assert meter.why_unavailable() is None or "NVML" in meter.why_unavailable()


class NVMLError(Exception):
    pass


class Boards(types.ModuleType):
    """What the package nvidia-ml-py offers, over boards that a test sets: millijoules, or None for one that is lost."""

    def __init__(self, *read_mj):
        super().__init__("pynvml")
        self.read_mj = list(read_mj)
        self.NVMLError = NVMLError
        self.nvmlInit = self.start
        self.nvmlDeviceGetCount = lambda: len(self.read_mj)
        self.nvmlDeviceGetHandleByIndex = lambda index: index
        self.nvmlDeviceGetTotalEnergyConsumption = self.count

    def start(self):
        if not self.read_mj:
            raise NVMLError("Driver Not Loaded")

    def count(self, gpu):
        if self.read_mj[gpu] is None:
            raise NVMLError("Not Supported")
        return self.read_mj[gpu]


@pytest.fixture
def boards(monkeypatch):
    def plug(*read_mj):
        module = Boards(*read_mj)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        clock = Clock()
        return module, clock, NvmlMeter(clock)

    return plug


def test_a_board_without_a_counter_leaves_the_others(boards):
    module, clock, meter = boards(None, 5_000_000, 1_000)
    mark = meter.begin()
    clock.now_s, module.read_mj = 1.0, [None, 5_100_000, 51_000]
    assert meter.end(mark).energy_j == pytest.approx(150.0)


def test_boards_that_start_again_are_a_gap_and_go_on(boards, caplog):
    module, clock, meter = boards(5_000_000, 7_000_000)
    mark = meter.begin()
    clock.now_s, module.read_mj = 1.0, [0, 0]
    assert meter.end(mark) is None
    mark = meter.begin()
    clock.now_s, module.read_mj = 2.0, [30_000, 20_000]
    assert meter.end(mark).energy_j == pytest.approx(50.0)
    assert len(caplog.records) == 1


def test_a_board_that_is_lost_is_a_gap_and_the_other_goes_on(boards):
    module, clock, meter = boards(1_000, 1_000)
    mark = meter.begin()
    clock.now_s, module.read_mj = 1.0, [41_000, None]
    assert meter.end(mark) is None
    mark = meter.begin()
    clock.now_s, module.read_mj = 2.0, [81_000, None]
    assert meter.end(mark).energy_j == pytest.approx(40.0)


def test_without_a_driver_or_a_counter_it_says_so(boards):
    assert boards()[2].why_unavailable() == "NVML: Driver Not Loaded"
    assert boards(None)[2].why_unavailable() == "NVML: GPU 0 does not count: Not Supported"


def recording(tmp_path, text):
    path = tmp_path / "counter.csv"
    path.write_text(text)
    return path


def test_a_recorded_counter_is_played(tmp_path):
    clock = Clock()
    meter = ReplayMeter(recording(tmp_path, "time_s,energy_j\n0,5\n1,7\n3,7\n4,10\n"), clock)
    mark = meter.begin()
    clock.now_s = 0.5
    assert meter.end(mark).energy_j == pytest.approx(1.0)
    clock.now_s = 4.0
    assert meter.end(mark) == (
        pytest.approx(5.0),
        Method.MEASURED,
        "replay of counter.csv",
        4.0,
        pytest.approx(4 / 3),
        0.0,
    )
    clock.now_s = 4.1
    assert meter.end(mark) is None
    assert "runs from 0.0 to 4.0 s" in meter.why_unavailable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,energy_j\n0,5\n1,4\n", "line 3: energy_j falls from 5.0 to 4.0"),
        ("time_s,energy_j\n0,\n", "line 2: energy_j is absent"),
        ("time_s,energy_j\n0,5\n1,\n", "fewer than two rows"),
        ("time_s,energy_j\n0,much\n", "line 2: energy_j is 'much'"),
        ("time_s,energy_j\n0,5\n", "fewer than two rows"),
        ("time_s,power_w\n0,1\n", "unknown column 'power_w'; allowed: energy_j"),
        ("time_s\n0\n", "line 2: energy_j is absent"),
    ],
)
def test_a_recording_that_cannot_be_used_at_all_is_refused(tmp_path, text, message):
    with pytest.raises(TraceError) as error:
        ReplayMeter(recording(tmp_path, text))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2,", "line 4: energy_j is absent"),
        ("2,much", "line 4: energy_j is 'much'"),
        ("2,9999", "line 4: energy_j jumps from 20.0 to 9999.0"),
        ("2,3", "line 4: energy_j falls from 20.0 to 3.0"),
        ("soon,30", "line 4: time_s is 'soon'"),
    ],
)
def test_one_bad_row_of_a_recording_is_left_out(tmp_path, caplog, row, message):
    clock = Clock()
    path = recording(tmp_path, f"time_s,energy_j\n0,10\n1,20\n{row}\n3,40\n4,50\n")
    meter = ReplayMeter(path, clock)
    mark = meter.begin()
    for clock.now_s, energy_j in ((1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (4.0, 40.0)):
        assert meter.end(mark).energy_j == pytest.approx(energy_j)
    assert len(caplog.records) == 1
    assert message in caplog.text


def test_a_recorded_reset_is_a_gap(tmp_path):
    clock = Clock()
    meter = ReplayMeter(recording(tmp_path, "time_s,energy_j\n0,500\n1,510\n2,3\n3,13\n4,23\n"), clock)
    whole = meter.begin()
    clock.now_s = 1.0
    assert meter.end(whole).energy_j == pytest.approx(10.0)
    clock.now_s = 1.5
    assert meter.end(whole) is None
    clock.now_s = 2.0
    mark = meter.begin()
    clock.now_s = 4.0
    assert meter.end(mark).energy_j == pytest.approx(20.0)
    assert meter.end(whole) is None


def test_a_reading_says_how_often_what_it_reads_is_renewed_and_what_that_may_cost(rapl, boards):
    meter = rapl.meter()
    mark = meter.begin()
    rapl.spend("package-0", 20_000_000)
    rapl.clock.now_s = 2.0
    reading = meter.end(mark)
    assert (reading.sampling_s, reading.uncertainty_j) == (1e-3, pytest.approx(10.0 * 1e-3))
    module, clock, meter = boards(0)
    mark = meter.begin()
    clock.now_s, module.read_mj = 1.0, [100_000]
    reading = meter.end(mark)
    assert (reading.sampling_s, reading.uncertainty_j) == (0.1, pytest.approx(100.0 * 0.1 + 100.0 * 0.05))


def test_a_batterys_reading_says_how_often_its_gauge_was_looked_at(tmp_path):
    battery = Battery(tmp_path, power_now=6_000_000)
    meter = battery.meter()
    mark = meter.begin()
    battery.clock.now_s = 2.0
    battery.set(power_now=10_000_000)
    meter.begin()
    battery.clock.now_s = 4.0
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(36.0)
    assert (reading.sampling_s, reading.uncertainty_j) == (2.0, pytest.approx(4.0))
