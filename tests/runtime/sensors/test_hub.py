"""Several sensors and links in one observation, kept fresh by a thread."""

import threading
import time
import timeit

import pytest

from autoscale.errors import UnknownName
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.sensors import NOTHING_SENSED, Sensor, SensorHub, host_sensors
from autoscale_runtime.sensors.hub import STALE, merged
from tests.waiting import LONGEST_WAIT_S, until


class Thermometer(Sensor):
    """Counts its readings as degrees, so that a test sees each of them."""

    name = "thermometer"

    def __init__(self):
        self.readings = 0

    def sense(self):
        self.readings += 1
        return Observation(temperature_c=float(self.readings))


class Broken(Sensor):
    name = "broken"

    def sense(self):
        raise OSError("no such device")


def test_the_later_sensor_counts():
    first = Observation(cpu_load=0.1, battery=0.5, links={"cloud": LinkState(rssi_dbm=-50.0, uplink_bps=1.0)})
    second = Observation(cpu_load=0.2, links={"cloud": LinkState(rssi_dbm=-60.0), "edge": LinkState(is_up=True)})
    assert merged([first, second]) == Observation(
        cpu_load=0.2,
        battery=0.5,
        links={"cloud": LinkState(rssi_dbm=-60.0, uplink_bps=1.0), "edge": LinkState(is_up=True)},
    )
    assert merged([]) == NOTHING_SENSED


def test_false_is_not_absent():
    assert merged([Observation(is_charging=True), Observation(is_charging=False)]).is_charging is False


def test_a_broken_sensor_leaves_the_others(caplog):
    assert SensorHub([Broken(), Thermometer()]).now() == Observation(temperature_c=1.0)
    assert "no such device" in caplog.text


def test_without_a_thread_a_reading_stays():
    now_s = [0.0]
    hub = SensorHub([Thermometer()], max_age_s=0.1, clock=lambda: now_s[0])
    now_s[0] = 1e6
    assert hub.now().temperature_c == 1.0
    hub.refresh()
    assert hub.now().temperature_c == 2.0


def test_the_thread_refreshes_while_queries_come_and_rests_when_they_do_not():
    thermometer = Thermometer()
    with SensorHub([thermometer], max_age_s=0.005) as hub:
        until(lambda: hub.now().temperature_c >= 4.0)
        asked_last = thermometer.readings
        # Twenty times its period: one reading may be under way, and one was asked for.
        time.sleep(0.1)
        assert thermometer.readings <= asked_last + 2


@pytest.mark.parametrize(("pause_s", "reading"), [(STALE, 1.0), (STALE + 1.0, 2.0)])
def test_after_a_pause_the_first_query_waits_for_a_reading_of_now(pause_s, reading):
    now_s = [0.0]
    # The thread's own turn comes in an hour, so whoever reads here is the query.
    with SensorHub([Thermometer()], max_age_s=3600.0, clock=lambda: now_s[0]) as hub:
        now_s[0] = pause_s * 3600.0
        assert hub.now().temperature_c == reading


def test_what_is_due_soon_is_read_ahead_and_what_nobody_asked_for_is_not():
    now_s = [0.0]
    with SensorHub([Thermometer()], max_age_s=3600.0, clock=lambda: now_s[0]) as hub:
        hub.freshen(3601.0)
        assert hub.now(keeps_awake=False).temperature_c == 1.0
        hub.freshen(3601.0)
        assert hub.now().temperature_c == 1.0  # asks for a reading in an hour
        hub.freshen(3599.0)
        assert hub.now(keeps_awake=False).temperature_c == 1.0
        hub.freshen(3601.0)
        assert hub.now(keeps_awake=False).temperature_c == 2.0
        hub.freshen(1e6)
        assert hub.now(keeps_awake=False).temperature_c == 2.0


def test_close_ends_the_thread_and_may_be_called_twice():
    hub = SensorHub([Thermometer()], max_age_s=3600.0)
    [thread] = started_by(hub.start)
    closing = threading.Thread(target=hub.close, daemon=True)
    closing.start()
    closing.join(LONGEST_WAIT_S)  # an hour, if it waited for the thread's next turn
    assert not closing.is_alive() and not thread.is_alive()
    hub.close()
    assert started_by(hub.start) == set()
    assert hub.now().temperature_c == 1.0


def started_by(act):
    """The threads that it started."""
    before = set(threading.enumerate())
    act()
    return set(threading.enumerate()) - before


def test_links_show_transfers_circuits_and_signal():
    class Signal(Sensor):
        name = "signal"

        def sense(self):
            return Observation(links={"cloud": LinkState(rssi_dbm=-71.0)})

    hub = SensorHub([Signal()], links=["cloud", "edge"])
    assert hub.now().links == {"cloud": LinkState(rssi_dbm=-71.0), "edge": LinkState()}
    hub.transferred("cloud", 100_000, 1_000, elapsed_s=0.1, remote_busy_s=0.02)
    circuits = {"cloud": True}
    cloud = hub.now(circuits).link("cloud")
    assert (cloud.rssi_dbm, cloud.is_up) == (-71.0, True)
    predicted = hub.predict_s("cloud", 100_000, 1_000)
    assert predicted.expected_s == pytest.approx(0.08, rel=0.01)
    # The caller may keep one mapping and change it.
    circuits["cloud"] = False
    assert hub.now(circuits).link("cloud").is_up is False
    hub.failed("cloud", 100_000, 5.0)
    hub.failed("cloud", 100_000, 5.0)
    assert hub.now(circuits).link("cloud").uplink_bps < cloud.uplink_bps
    assert hub.predict_s("edge", 1, 1) is None


def test_an_unknown_link_names_the_nearest():
    hub = SensorHub([], links=["cloud"])
    for call in (hub.predict_s, lambda *args: hub.transferred(*args, 0.1), hub.failed):
        with pytest.raises(UnknownName, match="did you mean 'cloud'"):
            call("clod", 1, 1)


def test_a_query_pays_next_to_nothing():
    with SensorHub(host_sensors(["cloud"]), links=["cloud"]) as hub:
        hub.transferred("cloud", 1000, 1000, 0.1)
        circuits = {"cloud": True}
        asking_s = min(timeit.repeat(lambda: hub.now(circuits), number=500, repeat=9)) / 500
        reading_s = min(timeit.repeat(hub.refresh, number=5, repeat=9)) / 5
    # It is a hundred times less; ``make bench`` has the figures.
    assert asking_s < reading_s / 10
