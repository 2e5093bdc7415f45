"""Every meter that ships keeps the promises of one, and the suite catches those that do not."""

import math
import shutil

import pytest

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale.query.outcome import Method
from autoscale_runtime.meters import METERS, AttributedMeter, CounterMeter, ModelledMeter, NullMeter, ReplayMeter
from autoscale_runtime.meters.base import Meter, Reading
from autoscale_runtime.meters.checks import check_meter
from autoscale_runtime.meters.guarded import GuardedMeter
from tests.runtime.meters.meters_parts import Battery, Clock, Rapl


@pytest.mark.parametrize("name", METERS.names())
def test_every_registered_meter_conforms_on_this_host(name):
    meter = METERS.get(name).on_this_host("laptop")
    assert meter.name == name
    check_meter(meter)


def test_rapl_conforms_and_tells_what_was_spent(tmp_path):
    rapl = Rapl(tmp_path)

    def spend():
        rapl.clock.now_s += 1.0
        if rapl.files["package-0"].exists():
            rapl.spend("package-0", 3_000_000)
            rapl.spend("dram", 1_000_000)
        return 4.0 if rapl.files["package-0"].exists() else None

    check_meter(rapl.meter(), spend, unplug=lambda: shutil.rmtree(tmp_path))


def test_a_battery_conforms_and_tells_what_was_drawn(tmp_path):
    battery = Battery(tmp_path, power_now=6_000_000)

    def draw():
        battery.clock.now_s += 4.0
        return 24.0

    check_meter(battery.meter(), draw, unplug=lambda: battery.set(status="Full"))


def test_a_recorded_counter_conforms(tmp_path):
    path, clock = tmp_path / "counter.csv", Clock()
    path.write_text("time_s,energy_j\n0,0\n100,500\n")

    def pass_a_second():
        clock.now_s += 1.0
        return 5.0 if clock.now_s < 100.0 else None

    def end():
        clock.now_s = 1000.0

    check_meter(ReplayMeter(path, clock), pass_a_second, unplug=end)


def test_a_counter_spread_by_a_table_conforms(tmp_path):
    rapl = Rapl(tmp_path)

    def spend():
        rapl.clock.now_s += 1.0
        if rapl.files["package-0"].exists():
            rapl.spend("package-0", 3_000_000)

    meter = AttributedMeter(rapl.meter(), ModelledMeter(load_device("laptop")), lambda: rapl.clock.now_s)
    check_meter(meter, spend, unplug=lambda: shutil.rmtree(tmp_path))


@pytest.mark.parametrize("kind", [AttributedMeter, ReplayMeter])
def test_made_of_something_given_they_are_not_made_for_a_host(kind):
    with pytest.raises(InvalidInput, match="is made"):
        kind.on_this_host("laptop")


class Supply(CounterMeter):
    """Ten watts on a clock of its own; right, until a subclass makes it wrong."""

    name = "supply"
    shortest_s = 0.1
    scope = "bench supply"

    def __init__(self):
        self.is_there = True
        super().__init__(Clock())

    @classmethod
    def on_this_host(cls, power_table):
        return cls()

    def read_j(self):
        if not self.is_there:
            raise OSError("gone")
        return 10.0 * self.clock.now_s

    def spend(self):
        self.clock.now_s += 1.0
        return 10.0 if self.is_there else None

    def unplug(self):
        self.is_there = False


def reported(energy_j=10.0, method=Method.MEASURED, source="bench supply", window_s=1.0):
    """A meter that says this of every window."""

    class Reporting(Supply):
        def end(self, mark, target=None):
            return Reading(energy_j, method, source, window_s)

    return Reporting


class Milli(Supply):
    def read_j(self):
        return super().read_j() / 1e3


class Silent(Supply):
    def end(self, mark, target=None):
        return None


class ZeroWhenGone(Supply):
    def read_j(self):
        return super().read_j() if self.is_there else 0.0

    def why_unavailable(self):
        return None if self.is_there else "gone"

    def end(self, mark, target=None):
        return super().end(mark, target) or Reading(0.0, Method.MEASURED, self.scope, 1.0)


class Raising(Supply):
    def end(self, mark, target=None):
        return Reading(self.read_j() - mark.counter, Method.MEASURED, self.scope, self.clock() - mark.time_s)


class NoBeginning(Supply):
    def begin(self):
        return self.clock()


class OneWindow(Supply):
    """Takes what was spent since anybody last began."""

    def begin(self):
        self.begun = super().begin()
        return self.begun

    def end(self, mark, target=None):
        return super().end(self.begun, target)


class Whyless(Supply):
    def why_unavailable(self):
        return ""


class Contrary(Supply):
    def is_available(self):
        return not super().is_available()


class Chatty(Supply):
    def _counter(self):
        self._gaps = 0
        return super()._counter()


class Rude(NullMeter):
    def end(self, mark, target=None):
        return {}["energy_j"]


class Nameless(Supply):
    name = ""


class Twice(Supply):
    """Sees the radio, and tells of it beside."""

    sees_radio = True

    def radio_beside_j(self, modelled_j):
        return modelled_j + 1.0


class Vague(Supply):
    sees_radio = "perhaps"


def test_right_ones_pass():
    supply = Supply()
    check_meter(supply, supply.spend, unplug=supply.unplug)
    check_meter(NullMeter())
    guarded = Supply()
    check_meter(GuardedMeter(guarded), guarded.spend, unplug=guarded.unplug)


def test_guarded_a_wrong_one_does_no_harm_to_a_query():
    with pytest.raises(AssertionError, match=r"end\(\) raised KeyError"):
        check_meter(Rude())
    check_meter(GuardedMeter(Rude()))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Twice, "sees_radio is True, yet of 0.0 J of a radio it lacks 1.0"),
        (Vague, "sees_radio is 'perhaps'; allowed: True or False"),
        (reported(energy_j=-1.0), "allowed: 0 or more joules"),
        (reported(energy_j=math.nan), "allowed: 0 or more joules"),
        (reported(window_s=-1.0), "allowed: a window"),
        (reported(method="measured"), "allowed: a Method"),
        (reported(source=""), "nobody is named"),
        (reported(energy_j=11.0), r"of 10\.0 J"),
        (Milli, r"of 10\.0 J"),
        (Silent, r"reported nothing of 10\.0 J"),
        (ZeroWhenGone, "as measured, though it is not available"),
        (Raising, r"end\(\) raised OSError"),
        (NoBeginning, "allowed: a Mark"),
        (OneWindow, r"of 20\.0 J"),
        (Whyless, "unavailable because of ''"),
        (Contrary, "is available: False, yet says None"),
        (Chatty, "logged 4 times|logged 5 times|logged 6 times"),
        (Nameless, "has no name"),
    ],
)
def test_a_wrong_one_is_found_out(kind: type[Meter], message: str):
    meter = kind()
    with pytest.raises(AssertionError, match=message):
        check_meter(meter, meter.spend, unplug=meter.unplug)
