"""Every sensor that ships keeps the promises of one, and the suite catches those that do not."""

import shutil

import pytest

from autoscale.carbon import Electricity, GivenIntensity
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.sensors import SENSORS, ReplaySensor, Sensor
from autoscale_runtime.sensors.battery import BatterySensor
from autoscale_runtime.sensors.checks import check_sensor
from autoscale_runtime.sensors.grid import GridSensor
from autoscale_runtime.sensors.temperature import TemperatureSensor
from autoscale_runtime.sensors.wifi import WifiSensor
from tests.runtime.sensors.sensors_parts import IN_DBM, battery, wireless, zone

SENSES = {
    "load": {"cpu_load", "memory_load"},
    "wifi": {"links"},
    "battery": {"battery", "is_charging"},
    "temperature": {"temperature_c"},
}


@pytest.mark.parametrize("name", SENSORS.names())
def test_every_registered_sensor_conforms_on_this_host(name):
    sensor = SENSORS.get(name).on_this_host(["cloud"])
    assert sensor.name == name
    check_sensor(sensor, SENSES.get(name, set()), ["cloud"])


@pytest.mark.parametrize("kind", [WifiSensor, BatterySensor, TemperatureSensor])
def test_they_conform_where_there_is_hardware_and_where_it_goes(kind, tmp_path):
    wireless(tmp_path, IN_DBM)
    battery(tmp_path, capacity="83", status="Full")
    zone(tmp_path, 0, "cpu", "41500")
    sensor = kind(root=tmp_path)
    assert sensor.is_available()
    check_sensor(sensor, SENSES[kind.name], ("cloud", "edge"), lambda: shutil.rmtree(tmp_path))


@pytest.mark.parametrize("kind", [WifiSensor, BatterySensor, TemperatureSensor])
def test_they_conform_where_there_is_none(kind, tmp_path):
    check_sensor(kind(root=tmp_path), set())


def test_recorded_ones_and_the_grids_conform(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("time_s,cpu_load,cloud.rssi_dbm\n0,0.5,-60\n")
    check_sensor(ReplaySensor(path), {"cpu_load", "links"}, ["cloud"])
    check_sensor(GridSensor(GridWatch(Electricity("FR", GivenIntensity(50.0)))), {"intensity_g_per_kwh"})


class Thermometer(Sensor):
    """Right, until a subclass or a test makes it wrong."""

    name = "thermometer"
    is_there = True

    def unplug(self):
        self.is_there = False

    def sense(self):
        return Observation(temperature_c=20.0 if self.is_there else None)


class Zero(Thermometer):
    def sense(self):
        return Observation(temperature_c=20.0 if self.is_there else 0.0)


class Raising(Thermometer):
    def read(self):
        return {True: Observation(temperature_c=20.0)}[self.is_there]


class Buggy(Thermometer):
    readings = 0

    def sense(self):
        self.readings += 1
        return Observation(temperature_c="20.0" if self.readings == 2 else 20.0)


class Chatty(Thermometer):
    def read(self):
        self._has_gaps = False
        return super().read()

    def sense(self):
        if not self.is_there:
            raise OSError("gone")
        return Observation(temperature_c=20.0)


class Nosy(Thermometer):
    def sense(self):
        return Observation(temperature_c=20.0, battery=1.0)


class Elsewhere(Thermometer):
    def sense(self):
        return Observation(links={"clowd": LinkState(rssi_dbm=-60.0)})


class Bare(Thermometer):
    def read(self):
        return 20.0


class Sulking(Thermometer):
    def is_available(self):
        return False


class Boasting(Thermometer):
    def is_available(self):
        return True


class Unsure(Thermometer):
    def is_available(self):
        return None


class Nameless(Thermometer):
    name = ""


def test_a_right_one_passes():
    thermometer = Thermometer()
    check_sensor(thermometer, {"temperature_c"}, unplug=thermometer.unplug)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Zero, "after what it reads was taken away"),
        (Raising, "raised KeyError on being read: False"),
        (Buggy, "of what is whole it logged: .*cannot be read"),
        (Chatty, "logged 3 times"),
        (Nosy, r"fills \['battery'\]; allowed: \['links', 'temperature_c'\]"),
        (Elsewhere, r"tells of links \['clowd'\]"),
        (Bare, "read 20.0; allowed: an Observation"),
        (Sulking, "not available and yet read"),
        (Boasting, "available though"),
        (Unsure, "is_available\\(\\) is None"),
        (Nameless, "has no name"),
    ],
)
def test_a_wrong_one_is_found_out(kind, message):
    sensor = kind()
    with pytest.raises(AssertionError, match=message):
        check_sensor(sensor, {"temperature_c", "links"}, ["cloud"], sensor.unplug)


def test_what_reads_nothing_cannot_be_unplugged():
    sensor = Thermometer()
    sensor.unplug()
    with pytest.raises(AssertionError, match="nothing to take away"):
        check_sensor(sensor, unplug=sensor.unplug)
