"""Hardware sensors on a fake tree, and on this machine as it is."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import UnknownName
from autoscale.query.observation import Observation
from autoscale_runtime.sensors import NOTHING_SENSED, SENSORS, Sensor, SensorHub, host_sensors
from autoscale_runtime.sensors.battery import BatterySensor
from autoscale_runtime.sensors.temperature import TemperatureSensor
from autoscale_runtime.sensors.wifi import WifiSensor, levels_dbm
from tests.runtime.sensors.sensors_parts import IN_DBM, ON_SCALE, battery, wireless, write, zone


def test_host_sensors_are_those_that_sense_something():
    assert "load" in [sensor.name for sensor in host_sensors(["cloud"])]
    assert all(sensor.is_available() for sensor in host_sensors(["cloud"]))


def test_an_unknown_sensor_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'battery'"):
        SENSORS.get("batery")


@pytest.mark.parametrize("kind", [WifiSensor, BatterySensor, TemperatureSensor])
def test_what_is_not_there_is_absent(kind, tmp_path, caplog):
    sensor = kind(root=tmp_path)
    assert sensor.read() == NOTHING_SENSED
    assert not sensor.is_available()
    assert not caplog.records


def test_wifi_tells_its_links_in_dbm(tmp_path):
    wireless(tmp_path, ON_SCALE, IN_DBM)
    observation = WifiSensor(["cloud", "edge:tab"], root=tmp_path).read()
    assert {name: state.rssi_dbm for name, state in observation.links.items()} == {"cloud": -56, "edge:tab": -56}
    assert WifiSensor(["cloud"], interface="wlan1", root=tmp_path).read() == NOTHING_SENSED


@given(st.text(max_size=300))
def test_any_wireless_file_has_levels_or_none(text):
    assert all(-120.0 <= level < 0.0 for level in levels_dbm(text, lambda problem: None).values())


@pytest.mark.parametrize("level", ["0.", "63.", "200.", "-256", "-200.", "nan"])
def test_a_level_that_cannot_be_is_absent(tmp_path, level):
    wireless(tmp_path, f"  wlan0: 0000   54.  {level}  -256        0      0      0      0     12        0")
    assert WifiSensor(root=tmp_path).read() == NOTHING_SENSED


@pytest.mark.parametrize(
    ("status", "charging"),
    [("Charging", True), ("Full", True), ("Not charging", True), ("Discharging", False), ("Unknown", None)],
)
def test_battery(tmp_path, status, charging):
    battery(tmp_path, capacity="83\n", status=f"{status}\n")
    assert BatterySensor(tmp_path).read() == Observation(battery=0.83, is_charging=charging)


def test_mains_and_a_mouse_are_no_battery_of_the_device(tmp_path):
    battery(tmp_path, "AC", type="Mains\n")
    battery(tmp_path, "hid-mouse", scope="Device\n", capacity="10\n", status="Discharging\n")
    assert not BatterySensor(tmp_path).is_available()
    battery(tmp_path, "macsmc", scope="System\n", capacity="50\n", status="Full\n")
    assert BatterySensor(tmp_path).read().battery == 0.5


def test_temperature_is_of_the_processor(tmp_path):
    zone(tmp_path, 0, "acpitz", "90000")
    assert TemperatureSensor(tmp_path).read() == NOTHING_SENSED
    zone(tmp_path, 1, "cpu-0-0-usr", "41500")
    zone(tmp_path, 2, "cpu-1-0-usr", "43250")
    assert TemperatureSensor(tmp_path).read().temperature_c == 43.25
    zone(tmp_path, 3, "x86_pkg_temp", "39000")
    assert TemperatureSensor(tmp_path).read().temperature_c == 39.0


@pytest.mark.parametrize("garbage", ["", "warm", "1e99", "nan"])
def test_garbage_is_absent_and_logged_once(tmp_path, caplog, garbage):
    temp = zone(tmp_path, 0, "cpu", "40000")
    capacity = battery(tmp_path, capacity="50", status="Full") / "capacity"
    sensors = [TemperatureSensor(tmp_path), BatterySensor(tmp_path)]
    assert all(sensor.is_available() for sensor in sensors)
    temp.write_text(garbage)
    capacity.write_text(garbage)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert sensors[0].read() == NOTHING_SENSED
            assert sensors[1].read() == Observation(is_charging=True), "the status is no worse for it"
    assert [record.args[0] for record in caplog.records] == ["temperature", "battery"]


@pytest.mark.parametrize(
    ("reported", "temperature_c"),
    [("45000", 45.0), ("45", 45.0), ("-5000", -5.0), ("999", None), ("1000", 1.0), ("124999", 124.999)]
    + [(str(impossible), None) for impossible in (0, 255, 255000, -273, -273150, -40000, 127, 127000, 2**31 - 1)],
)
def test_a_temperature_that_cannot_be_is_absent(tmp_path, reported, temperature_c):
    zone(tmp_path, 0, "cpu", reported)
    assert TemperatureSensor(tmp_path).read().temperature_c == temperature_c


def test_a_bad_zone_hides_neither_its_group_nor_the_next(tmp_path, caplog):
    zone(tmp_path, 0, "x86_pkg_temp", "255000")
    zone(tmp_path, 1, "cpu-0", "41000")
    zone(tmp_path, 2, "cpu-1", "cold").unlink()
    zone(tmp_path, 3, "cpu-2", "52000")
    zone(tmp_path, 4, "cpu-3", "0")
    (tmp_path / "sys/class/thermal/thermal_zone5").mkdir()
    assert TemperatureSensor(tmp_path).read().temperature_c == 52.0
    assert len(caplog.records) == 1


def test_a_file_that_vanishes_and_comes_back(tmp_path, caplog):
    temp = zone(tmp_path, 0, "cpu", "40000")
    sensor = TemperatureSensor(tmp_path)
    temp.unlink()
    assert sensor.read() == NOTHING_SENSED
    temp.write_text("50000")
    assert sensor.read().temperature_c == 50.0
    assert len(caplog.records) == 1


def test_a_bad_line_of_the_wireless_file_leaves_the_others(tmp_path, caplog):
    wireless(tmp_path, "  wlan1: 0000 54.", IN_DBM, "  wlan2: 0000 54. loud -256")
    assert WifiSensor(["cloud"], root=tmp_path).read().link("cloud").rssi_dbm == -56.0
    assert "wlan1: 0000 54." in caplog.text


class Raising(Sensor):
    name = "raising"

    def __init__(self, fault):
        self.fault = fault

    def sense(self):
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault


@pytest.mark.parametrize("fault", [KeyError("x"), RuntimeError("driver"), AttributeError("y"), None, 3.0])
def test_whatever_a_sensor_does_the_others_are_read(tmp_path, caplog, fault):
    battery(tmp_path, capacity="83", status="Full")
    hub = SensorHub([Raising(fault), BatterySensor(tmp_path)])
    assert hub.now().battery == 0.83
    assert len(caplog.records) == 1


def test_a_sensor_that_cannot_be_made_leaves_the_others(tmp_path, monkeypatch, caplog):
    write(tmp_path, "plug-1.0.dist-info/METADATA", "Name: plug\nVersion: 1.0\n")
    write(tmp_path, "plug-1.0.dist-info/entry_points.txt", "[autoscale.sensors]\ngone = plug.nowhere:GoneSensor\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "load" in [sensor.name for sensor in host_sensors()]
    assert "'gone' cannot be made" in caplog.text
