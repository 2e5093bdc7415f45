"""Counters of joules: RAPL and the battery on a fake tree, NVML as it is here, a recorded one."""

import importlib.util
import logging
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import TraceError
from autoscale.query.outcome import Method
from autoscale_runtime.meters import ReplayMeter
from autoscale_runtime.meters.battery import BatteryMeter
from autoscale_runtime.meters.nvml import NvmlMeter
from autoscale_runtime.meters.rapl import RaplMeter

RANGE_UJ = 262_143_328_850


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Rapl:
    """A fake powercap tree whose domains a test sets."""

    def __init__(self, root):
        self.root = Path(root)
        self.clock = Clock()
        self.files = {}
        for folder, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "psys"),
        ):
            domain = self.root / "sys/class/powercap" / folder
            domain.mkdir(parents=True)
            (domain / "name").write_text(f"{name}\n")
            (domain / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.files[name] = domain / "energy_uj"
            self.files[name].write_text("1000\n")

    def meter(self):
        return RaplMeter(self.root, self.clock)

    def spend(self, name, uj):
        file = self.files[name]
        file.write_text(f"{(int(file.read_text()) + uj) % (RANGE_UJ + 1)}\n")


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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, RANGE_UJ), min_size=1, max_size=8), st.integers(0, RANGE_UJ))
def test_rapl_windows_add_up(spent_uj, start_uj):
    with tempfile.TemporaryDirectory() as folder:
        rapl = Rapl(folder)
        rapl.files["package-0"].write_text(str(start_uj))
        meter = rapl.meter()
        whole = part = meter.begin()
        parts_j = []
        for uj in spent_uj:
            rapl.clock.now_s += 1.0
            rapl.spend("package-0", uj)
            parts_j.append(meter.end(part).energy_j)
            part = meter.begin()
        assert all(energy_j >= 0.0 for energy_j in parts_j)
        assert meter.end(whole).energy_j == pytest.approx(sum(parts_j), rel=1e-9)
        assert sum(parts_j) == pytest.approx(sum(spent_uj) / 1e6, rel=1e-9)


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


class Battery:
    """A fake battery whose gauge a test sets."""

    def __init__(self, root, **files):
        self.clock = Clock()
        self.root = Path(root)
        self.folder = self.root / "sys/class/power_supply/BAT1"
        self.folder.mkdir(parents=True)
        self.set(type="Battery", status="Discharging", **files)

    def set(self, **files):
        for name, value in files.items():
            (self.folder / name).write_text(f"{value}\n")

    def meter(self):
        return BatteryMeter(self.root, self.clock)


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
    assert meter.end(mark) == (pytest.approx(5.0), Method.MEASURED, "replay of counter.csv", 4.0)
    clock.now_s = 4.1
    assert meter.end(mark) is None
    assert "runs from 0.0 to 4.0 s" in meter.why_unavailable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,energy_j\n0,5\n1,4\n", "line 3: energy_j falls from 5.0 to 4.0"),
        ("time_s,energy_j\n0,\n", "line 2: energy_j is absent"),
        ("time_s,energy_j\n0,much\n", "line 2: energy_j is 'much'"),
        ("time_s,power_w\n0,1\n", "unknown column 'power_w'; allowed: energy_j"),
        ("time_s\n0\n", "line 2: energy_j is absent"),
    ],
)
def test_a_bad_recording_is_refused(tmp_path, text, message):
    with pytest.raises(TraceError) as error:
        ReplayMeter(recording(tmp_path, text))
    assert message in str(error.value)
