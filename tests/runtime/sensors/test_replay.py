"""Recorded traces: played on an injected clock, written and read back, refused with the line at fault."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import TraceError
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.sensors import NOTHING_SENSED, ReplaySensor, SensorHub, host_sensors, record, watch

TRACE = """\
time_s,cpu_load,is_charging,cloud.rssi_dbm,edge:tab.s6.is_up,device.intensity_g_per_kwh
0.5,0.25,true,-60,,420
2,,false,-85.5,false,
"""


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path


def test_a_row_holds_until_the_next(trace):
    now_s = [100.0]
    sensor = ReplaySensor(trace, clock=lambda: now_s[0])
    assert sensor.is_available()
    assert sensor.read() == NOTHING_SENSED
    now_s[0] = 101.9
    assert sensor.read() == Observation(
        cpu_load=0.25,
        is_charging=True,
        links={"cloud": LinkState(rssi_dbm=-60.0)},
        intensity_g_per_kwh={"device": 420.0},
    )
    now_s[0] = 1e6
    links = {"cloud": LinkState(rssi_dbm=-85.5), "edge:tab.s6": LinkState(is_up=False)}
    assert sensor.read() == Observation(is_charging=False, links=links)


def fractions():
    return st.none() | st.floats(0.0, 1.0)


states = st.builds(
    LinkState,
    rssi_dbm=st.none() | st.floats(-120.0, 0.0),
    round_trip_s=st.none() | st.floats(0.0, 10.0),
    uplink_bps=st.none() | st.floats(0.0, 1e10),
    is_up=st.none() | st.booleans(),
)
observations = st.builds(
    Observation,
    cpu_load=fractions(),
    battery=fractions(),
    is_charging=st.none() | st.booleans(),
    temperature_c=st.none() | st.floats(-40.0, 120.0),
    links=st.dictionaries(st.sampled_from(["cloud", "edge", "edge:a.b"]), states),
    intensity_g_per_kwh=st.dictionaries(st.sampled_from(["device", "cloud"]), st.floats(0.0, 2000.0)),
)


@settings(max_examples=50)
@given(st.lists(observations, min_size=1, max_size=5))
def test_what_was_recorded_is_played(tmp_path_factory, observed):
    path = tmp_path_factory.mktemp("record") / "trace.csv"
    record(path, ((float(step), each) for step, each in enumerate(observed)))
    now_s = [0.0]
    sensor = ReplaySensor(path, clock=lambda: now_s[0])
    for step, each in enumerate(observed):
        now_s[0] = float(step)
        read = sensor.read()
        # A link of which nothing is known is not written, and reads the same.
        assert all(read.link(name) == state for name, state in each.links.items())
        for name in ("cpu_load", "battery", "is_charging", "temperature_c", "intensity_g_per_kwh"):
            assert getattr(read, name) == getattr(each, name)


def test_this_machine_can_be_recorded(tmp_path):
    path = tmp_path / "host.csv"
    record(path, watch(SensorHub(host_sensors()), period_s=0.1, count=3))
    assert len(path.read_text().splitlines()) == 4
    now_s = [0.0]
    sensor = ReplaySensor(path, clock=lambda: now_s[0])
    now_s[0] = 1e6
    assert sensor.read().memory_load > 0.0
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)

    def broken():
        yield 0.0, Observation(cpu_load=0.5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(path, broken())
    assert path.read_text() == TRACE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'time_s'"),
        ("time_s,cpu_load\n", "has no rows"),
        ("cpu_load\n0.5\n", "line 1: no column 'time_s'"),
        ("time_s,cpu\n0,1\n", "line 1: unknown column 'cpu'"),
        ("time_s,.rssi_dbm\n0,-50\n", "line 1: unknown column"),
        ("time_s,time_s\n0,1\n", "line 1: the column 'time_s' is there twice"),
        ("time_s,cpu_load\n0,high\n", "line 2: cpu_load is 'high'"),
        ("time_s,cpu_load\n0,nan\n", "line 2: cpu_load is 'nan'"),
        ("time_s,cpu_load\n\n0,0.5,1\n", "line 3: 3 values in '0,0.5,1'"),
        ("time_s,is_charging\n0,yes\n", "line 2: is_charging is 'yes'; allowed: 'true', 'false'"),
        ("time_s,cloud.rssi_dbm\n0,77\n", "line 2: rssi_dbm is 77"),
        ("time_s,device.intensity_g_per_kwh\n0,-1\n", "line 2: intensity_g_per_kwh of device is -1"),
    ],
)
def test_a_trace_that_cannot_be_used_at_all_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TraceError) as error:
        ReplaySensor(path)
    assert message in str(error.value)
    assert "bad.csv" in str(error.value)


@pytest.mark.parametrize(
    ("row", "loads", "message"),
    [
        ("1,1.5,true", [0.5, None, 0.7], "line 3: cpu_load is 1.5"),
        ("1,-0.1,true", [0.5, None, 0.7], "line 3: cpu_load is -0.1"),
        ("1,busy,true", [0.5, None, 0.7], "line 3: cpu_load is 'busy'"),
        ("1,inf,true", [0.5, None, 0.7], "line 3: cpu_load is 'inf'"),
        ("1,0.6,maybe", [0.5, 0.6, 0.7], "line 3: is_charging is 'maybe'"),
        ("1", [0.5, None, 0.7], "line 3: 1 values in '1'; allowed: 3"),
        ("1,0.6,true,9", [0.5, None, 0.7], "line 3: 4 values in '1,0.6,true,9'"),
        ("noon,0.6,true", [0.5, 0.5, 0.7], "line 3: time_s is 'noon'"),
        ("0,0.6,true", [0.5, 0.5, 0.7], "line 3: time_s is 0.0; allowed: more than 0.0"),
        ("900,0.6,true", [0.5, 0.5, 0.7], "line 3: time_s is 900.0; allowed: less than 2.0"),
    ],
)
def test_one_bad_row_hides_no_other_and_is_reported_once(tmp_path, caplog, row, loads, message):
    path = tmp_path / "trace.csv"
    path.write_text(f"time_s,cpu_load,is_charging\n0,0.5,false\n{row}\n2,0.7,false\n")
    now_s = [0.0]
    sensor = ReplaySensor(path, clock=lambda: now_s[0])
    played = []
    for now_s[0] in (0.0, 1.5, 2.0):
        played.append(sensor.read().cpu_load)
    assert played == loads
    assert len(caplog.records) == 1
    assert "trace.csv: left out 1 rows or cells" in caplog.text
    assert message in caplog.text


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(TraceError, match=r"none\.csv"):
        ReplaySensor(tmp_path / "none.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"time_s\xff\xfe\n")
    with pytest.raises(TraceError, match=r"binary\.csv"):
        ReplaySensor(binary)


@given(st.text(alphabet='time_scpu_load,.0123456789e-+\n" x', max_size=120))
@settings(max_examples=150)
def test_any_text_is_a_trace_or_a_trace_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "trace.csv"
    path.write_text(text)
    try:
        sensor = ReplaySensor(path, clock=lambda: math.inf)
    except TraceError:
        return
    assert isinstance(sensor.read(), Observation)
