"""Link traces: what the files say, looked up at any time, and what is wrong with a bad one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput, TraceError
from autoscale.profiles.link_trace import End
from autoscale.profiles.link_trace_files import LinkTrace, read_trace, read_traces, write_trace

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "network_traces"


def trace_of(**columns: list[float]) -> LinkTrace:
    return LinkTrace(**{name: np.array(values) for name, values in columns.items()})


def written(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


WALK = "time_s,mbps,rtt_ms,rssi_dbm\n10,20,8,-50\n11,0,,-90\n12.5,4,40,\n"


def test_csv_is_read_in_si_units_from_its_first_row_on(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, WALK))
    assert trace.time_s.tolist() == [0.0, 1.0, 2.5]
    assert trace.at(0.5) == (20e6, 0.008, -50.0)
    assert trace.at(1.0) == (0.0, None, -90.0)
    assert trace.at(2.5) == (4e6, 0.04, None)
    assert trace.duration_s == 2.5 + 1.25


@pytest.mark.parametrize(("end", "expected"), [("loop", 20e6), ("hold", 4e6), ("stop", 0.0)])
def test_after_its_end_a_trace_does_as_asked(tmp_path: Path, end: End, expected: float) -> None:
    trace = read_trace(written(tmp_path, WALK))
    times = np.array([[0.0, 1.2], [2.6, 3.75]])
    index = trace.index_at(times, end)
    assert np.where(index < 0, 0.0, trace.rate_bps[index]).tolist() == [[20e6, 0.0], [4e6, expected]]
    assert trace.at(3.75, end).rate_bps == expected


def test_unknown_end() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'loop'"):
        trace_of(time_s=[0.0], rate_bps=[1.0]).at(0.0, "lop")  # type: ignore[arg-type]  # the mistake under test


def test_lookup_of_many_times_agrees_with_one_at_a_time() -> None:
    trace = trace_of(time_s=[0.0, 0.3, 2.0], rate_bps=[1e6, 2e6, 3e6])
    times = np.random.default_rng(0).uniform(0, 20, 200)
    assert trace.rate_bps[trace.index_at(times)].tolist() == [trace.at(time).rate_bps for time in times]


@given(
    steps=st.lists(st.floats(0.01, 0.19), max_size=20),
    rates=st.lists(st.floats(0, 1e9), min_size=21, max_size=21),
    signals=st.lists(st.one_of(st.just(float("nan")), st.floats(-150, 0)), min_size=21, max_size=21),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[float], rates: list[float], signals: list[float]
) -> None:
    times = np.cumsum([0.0, *steps]).tolist()
    trace = trace_of(time_s=times, rate_bps=rates[: len(times)], rssi_dbm=signals[: len(times)])
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    write_trace(path, trace)
    back = read_trace(path)
    assert back.time_s.tolist() == trace.time_s.tolist()
    np.testing.assert_allclose(back.rate_bps, trace.rate_bps, rtol=1e-14, atol=1e-9)
    np.testing.assert_array_equal(back.rssi_dbm, trace.rssi_dbm)
    assert np.isnan(back.round_trip_s).all()


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=300).filter(lambda times: max(times) > 0))
def test_mahimahi_keeps_every_packet(tmp_path_factory: pytest.TempPathFactory, times: list[int]) -> None:
    path = tmp_path_factory.mktemp("trace") / "lte.down"
    path.write_text("\n".join(str(time) for time in sorted(times)))
    trace = read_trace(path)
    window_s = max(times) / 1e3 / len(trace.rate_bps)
    packets = trace.rate_bps * window_s / 12000
    assert packets.sum() == pytest.approx(len(times))
    np.testing.assert_allclose(packets, np.round(packets), atol=1e-6)


def test_mahimahi_constant_rate_and_outage(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path, "1\n", "fixed")).rate_bps.tolist() == [12e6]
    trace = read_trace(written(tmp_path, "".join(f"{ms}\n" for ms in [*range(1, 101), 300]), "hole.up"))
    np.testing.assert_allclose(trace.rate_bps, [12e6, 0.0, 120e3])
    np.testing.assert_allclose(trace.time_s, [0.0, 0.1, 0.2])


def test_one_of_several_traces(tmp_path: Path) -> None:
    path = written(tmp_path, "trace,time_s,mbps\nbus,0,1\nbus,1,2\ntrain,5,3\n")
    assert read_trace(path, "train").rate_bps.tolist() == [3e6]
    assert list(read_traces(path)) == ["bus", "train"]
    with pytest.raises(TraceError, match=r"no trace 'tran' \(did you mean 'train'\?\)"):
        read_trace(path, "tran")
    with pytest.raises(TraceError, match="holds 2 traces; name one of them: 'bus', 'train'"):
        read_trace(path)


SEVERAL = "trace,time_s,mbps\n" + "".join(f"good,{t},10\n" for t in range(5))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("bad,0,1\nbad,1,1\nbad,900,1\nbad,901,1\n", "line 9: a gap of 899 s before it; allowed: 20 s"),
        ("bad,0,fast\n", "line 7: mbps is 'fast'"),
        ("bad,0,1\nbad,0,1\n", "line 8: time_s 0 comes after 0"),
        ("bad,0\n", "line 7: 2 cells; allowed: 3"),
        ("bad,0,1,7\n", "line 7: 4 cells; allowed: 3"),
        ("bad,nan,1\n", "line 7: time_s is 'nan'"),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_wrong_with_a_trace_is_no_matter_of_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rows: str, problem: str, is_first: bool
) -> None:
    text = f"trace,time_s,mbps\n{rows}{SEVERAL.partition(chr(10))[2]}" if is_first else SEVERAL + rows
    path = written(tmp_path, text)
    assert read_trace(path, "good").rate_bps.tolist() == [10e6] * 5
    assert list(read_traces(path)) == ["good"]
    assert "trace.csv: left out 1 traces; the first:" in caplog.text
    with pytest.raises(TraceError, match=problem if not is_first else "line"):
        read_trace(path, "bad")


def test_a_row_cut_short_before_its_name_belongs_to_the_trace_above(tmp_path: Path) -> None:
    path = written(tmp_path, "time_s,mbps,trace\n0,1,a\n1,1\n0,1,b\n")
    assert read_trace(path, "b").rate_bps.tolist() == [1e6]
    with pytest.raises(TraceError, match="line 3: 2 cells; allowed: 3"):
        read_trace(path, "a")


def test_a_file_of_which_no_trace_can_be_used_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "trace,time_s,mbps\na,0,x\nb,0,y\n")
    with pytest.raises(TraceError, match="line 2: mbps is 'x'"):
        read_traces(path)


def test_a_message_offers_nothing_that_the_command_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, "time_s,mbps\n0,1\n1,1\n2,1\n60,1\n")
    with pytest.raises(TraceError, match=r"a gap of 58 s before it; allowed: 20 s, 20 times the median step$"):
        read_trace(path)
    with pytest.raises(TraceError, match=r"a gap of 58 s before it; allowed: 30 s$"):
        read_trace(path, largest_gap_s=30)


BAD_FILES = {
    "": "is empty",
    "time_s,mbps\n": "has a header but no rows",
    "0,1\n1,2\n": r"line 1: unknown column '0'",
    "time_s,mbp\n0,1\n": r"line 1: unknown column 'mbp' \(did you mean 'mbps'\?\)",
    "time_s,rtt_ms\n0,1\n": "line 1: 0 columns 'mbps'; allowed: one",
    "time_s,mbps,mbps\n0,1,1\n": "line 1: 2 columns 'mbps'",
    "time_s,mbps\n0,1\n\n1,fast\n": "line 4: mbps is 'fast'; allowed: a number from 0",
    "time_s,mbps\n0,1\n1,\n": "line 3: mbps is ''",
    "time_s,mbps\n0,1\n1,nan\n": "line 3: mbps is 'nan'",
    "time_s,mbps\n0,1\n1,inf\n": "line 3: mbps is 'inf'",
    "time_s,mbps\n0,-1\n": "line 2: mbps is '-1'",
    "time_s,mbps,rtt_ms\n0,1,-5\n": "line 2: rtt_ms is '-5'; allowed: .* or empty",
    "time_s,mbps,rssi_dbm\n0,1,nan\n": "line 2: rssi_dbm is 'nan'",
    "time_s,mbps\n0,1\n1\n": "line 3: 1 cells; allowed: 2",
    "time_s,mbps\n0,1\n2,1\n1,1\n": "line 4: time_s 1 comes after 2",
    "time_s,mbps\n0,1\n1,1\n1,1\n": "line 4: time_s 1 comes after 1",
    "time_s,mbps\n0,1\n1,1\n2,1\n60,1\n": "line 5: a gap of 58 s before it; allowed: 20 s",
}


@pytest.mark.parametrize(("text", "problem"), BAD_FILES.items())
def test_a_bad_csv_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError, match=problem) as raised:
        read_trace(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\n2\nx\n", "line 3: time in ms is 'x'; allowed: a whole number from 0"),
        ("1\n2.5\n", "line 2: time in ms is '2.5'"),
        ("-1\n2\n", "line 1: time in ms is '-1'"),
        ("1\n99999999999999999999\n", "line 2: time in ms"),
        ("1\n5\n3\n", "line 3: time 3 ms is before the line above"),
        ("0\n0\n", "line 2: the last time is 0 ms"),
    ],
)
def test_a_bad_mahimahi_file_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TraceError, match=problem):
        read_trace(written(tmp_path, text, "bad.mahi"))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80")
    for path in (tmp_path / "binary.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(TraceError, match="not a readable text file"):
            read_trace(path)


def test_a_gap_may_be_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, "time_s,mbps\n0,1\n1,1\n2,1\n60,1\n")
    assert read_trace(path, largest_gap_s=60).duration_s == 61


@pytest.mark.parametrize(
    "columns",
    [
        {"time_s": [], "rate_bps": []},
        {"time_s": [1.0], "rate_bps": [1.0]},
        {"time_s": [0.0, 0.0], "rate_bps": [1.0, 1.0]},
        {"time_s": [0.0, float("nan")], "rate_bps": [1.0, 1.0]},
        {"time_s": [0.0, 1.0], "rate_bps": [1.0, 1.0, 1.0]},
        {"time_s": [0.0], "rate_bps": [-1.0]},
        {"time_s": [0.0], "rate_bps": [float("nan")]},
        {"time_s": [0.0], "rate_bps": [1.0], "round_trip_s": [-1.0]},
    ],
)
def test_no_trace_is_built_of_nonsense(columns: dict[str, list[float]]) -> None:
    with pytest.raises(TraceError):
        trace_of(**columns)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_trace(tmp_path / "absent" / "trace.csv", trace_of(time_s=[0.0], rate_bps=[1.0]))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded traces are not here")
def test_recorded_traces_are_read_whole() -> None:
    for path in [*RECORDED.glob("mahimahi/*.up"), *RECORDED.glob("mahimahi/*.down")]:
        trace = read_trace(path)
        bits = trace.rate_bps.sum() * trace.duration_s / len(trace.rate_bps)
        assert bits / 12000 == pytest.approx(len(path.read_text().split()))
    counts = {path.stem: len(read_traces(path)) for path in RECORDED.glob("abr_traces/*.csv")}
    assert counts == {"oboe": 428, "fcc_broadband": 59, "hsdpa_3g_norway": 80}
