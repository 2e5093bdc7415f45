"""INA3221 on trees as its two drivers write them; the thread that looks at a gauge."""

import gc
import shutil
import time
import weakref
from pathlib import Path

import pytest

from autoscale_runtime.meters.checks import check_meter
from autoscale_runtime.meters.ina3221 import GAIN_ERROR, OFFSET_V, Ina3221Meter
from tests.runtime.meters.meters_parts import Clock, Ina3221


@pytest.fixture
def board(tmp_path):
    return Ina3221(tmp_path)


def test_the_boards_input_is_the_whole_and_what_is_behind_it_is_not_added(board):
    meter = board.meter()
    board.draw(1, 10.0)
    board.draw(2, 6.0)
    mark = meter.begin()
    board.clock.now_s = 2.0
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(20.0)
    assert (reading.source, meter.sees_radio) == ("INA3221 VDD_IN, the whole board", True)


def test_without_a_whole_its_rails_are_summed_up_and_the_scope_says_so(tmp_path):
    board = Ina3221(tmp_path, labels=("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
    second = tmp_path / "sys/class/hwmon/hwmon2"
    second.mkdir()
    for name, text in {"name": "ina3221", "in2_label": "VDDQ_VDD2_1V8AO", "in2_input": "1", "curr2_input": "1"}.items():
        (second / name).write_text(text)
    meter = board.meter()
    for channel in (1, 2, 3):
        board.draw(channel, 4.0)
    mark = meter.begin()
    board.clock.now_s = 1.0
    assert meter.end(mark).energy_j == pytest.approx(12.0)
    assert meter.scope == "INA3221 VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0, the sum of its rails"
    assert not meter.sees_radio


def test_nvidias_driver_tells_milliwatts(tmp_path):
    chip = tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    chip.mkdir(parents=True)
    for n, label in enumerate(("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")):
        (chip / f"rail_name_{n}").write_text(f"{label}\n")
        (chip / f"in_power{n}_input").write_text("2500\n")
    clock = Clock()
    meter = Ina3221Meter(tmp_path, clock, None)
    mark = meter.begin()
    clock.now_s = 4.0
    reading = meter.end(mark)
    assert (reading.energy_j, reading.source) == (pytest.approx(10.0), "INA3221 POM_5V_IN, the whole board")


def test_a_reading_says_how_often_it_was_looked_at_and_what_may_have_been_between(board):
    meter = board.meter()
    board.draw(1, 10.0)
    mark = meter.begin()
    for board.clock.now_s, power_w in ((0.5, 20.0), (1.0, 10.0), (2.0, 10.0)):
        board.draw(1, power_w)
        meter.look()
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(25.0)
    assert reading.sampling_s == pytest.approx(2.0 / 4)
    offset_j = 5.0 * OFFSET_V / 5e-3 * 2.0
    assert reading.uncertainty_j == pytest.approx(5.0 + offset_j + GAIN_ERROR * 25.0)


def test_the_chip_may_convert_less_often_than_it_is_looked_at(board):
    board.set(update_interval=1100)
    meter = board.meter()
    board.draw(1, 10.0)
    mark = meter.begin()
    board.clock.now_s = 0.5
    meter.look()
    board.clock.now_s = 1.0
    assert meter.end(mark).sampling_s == pytest.approx(1.1)


def test_it_conforms_and_tells_what_was_drawn(board, tmp_path):
    board.draw(1, 6.0)

    def draw():
        board.clock.now_s += 1.0
        return 6.0 if board.chip.exists() else None

    check_meter(board.meter(), draw, unplug=lambda: shutil.rmtree(tmp_path / "sys"))


def test_a_channel_that_is_off_or_not_connected_is_no_rail(tmp_path):
    board = Ina3221(tmp_path, labels=("VDD_A", "VDD_B", "NC"))
    board.set(in2_enable=0)
    assert board.meter().scope == "INA3221 VDD_A, the sum of its rails"


@pytest.mark.parametrize("text", ["", "much", "-5000"])
def test_garbage_is_a_gap(board, text):
    meter = board.meter()
    mark = meter.begin()
    board.set(curr1_input=text)
    board.clock.now_s = 1.0
    assert meter.end(mark) is None
    assert not meter.is_available()


def test_without_a_chip_it_says_so(tmp_path):
    other = tmp_path / "sys/class/hwmon/hwmon0"
    other.mkdir(parents=True)
    (other / "name").write_text("coretemp\n")
    assert "no INA3221 in" in Ina3221Meter(tmp_path).why_unavailable()


def test_a_thread_looks_while_windows_are_open_and_ends_with_the_meter(tmp_path: Path):
    board = Ina3221(tmp_path)
    board.draw(1, 6.0)
    meter = Ina3221Meter(tmp_path, period_s=0.01)
    mark = meter.begin()
    for _ in range(3000):
        time.sleep(0.01)
        reading = meter.end(mark)
        if reading is not None and reading.sampling_s < reading.window_s / 4:
            break
    assert reading.energy_j == pytest.approx(6.0 * reading.window_s, rel=1e-3)
    assert reading.sampling_s < reading.window_s / 4, "nobody looked between the ends"
    looking = meter._looking
    gone = weakref.ref(meter)
    del meter
    gc.collect()
    looking.join(60.0)
    assert gone() is None
    assert not looking.is_alive()
