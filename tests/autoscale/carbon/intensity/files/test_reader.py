"""Files of intensities as people have them: downloads, answers of APIs, spreadsheets; each read right or refused."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.carbon.intensity.basis import ACCOUNT_BASIS, STACK, Basis
from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.files.reader import IntensityFile, read_intensity_file
from autoscale.carbon.intensity.hourly import HourlyIntensity
from autoscale.errors import InvalidInput, TraceError
from autoscale.query.outcome import Method

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 30, tzinfo=UTC)
"""The day before clocks go forward in Europe."""


def hours(count: int = 72, step: timedelta = HOUR, start: datetime = START) -> list[datetime]:
    return [start + step * number for number in range(count)]


def read(path: Path, text: str, encoding: str = "utf-8", name: str = "a.csv", **options: str) -> IntensityFile:
    (path / name).write_bytes(text.encode(encoding))
    return read_intensity_file(path / name, "FR", FileOptions(**options))  # type: ignore[arg-type]


def figure(file: IntensityFile, at: datetime) -> tuple[float, Method]:
    (series,) = file.series.values()
    sample = series.covering(at.timestamp())
    assert sample is not None
    return sample.g_per_kwh, sample.method


NESO = '"Datetime (UTC)","Actual Carbon Intensity (gCO2/kWh)","Forecast Carbon Intensity (gCO2/kWh)","Index"\n'


def test_nesos_download_has_the_actual_figure_and_the_forecast_where_that_is_missing(tmp_path: Path) -> None:
    half = hours(96, HOUR / 2)
    rows = (f"{each:%Y-%m-%dT%H:%M:%S},{'' if at == 10 else 150 + at},{170 + at},low\n" for at, each in enumerate(half))
    file = read(tmp_path, NESO + "".join(rows))
    assert (file.kind, file.basis) == ("average", STACK)
    assert figure(file, half[9]) == (159.0, Method.MEASURED)
    assert figure(file, half[10]) == (180.0, Method.MODELLED)


def test_nesos_answer_is_read_as_it_comes(tmp_path: Path) -> None:
    entries = [
        {"from": f"{each:%Y-%m-%dT%H:%MZ}", "to": f"{each + HOUR / 2:%Y-%m-%dT%H:%MZ}"}
        | {"intensity": {"forecast": 170 + at, "actual": None if at > 3 else 150 + at, "index": "low"}}
        for at, each in enumerate(hours(6, HOUR / 2))
    ]
    file = read(tmp_path, json.dumps({"data": entries}), name="a.json")
    assert figure(file, START) == (150.0, Method.MEASURED)
    assert figure(file, START + 2.4 * HOUR) == (174.0, Method.MODELLED)
    assert file.series["FR"].span_s[1] == (START + 3 * HOUR).timestamp()


def test_watttimes_pounds_are_marginal_grams(tmp_path: Path) -> None:
    rows = "".join(f"{each.isoformat()},{900 + at},3.2,300\n" for at, each in enumerate(hours(500, HOUR / 12)))
    second = read(tmp_path, "timestamp,MOER,MOER version,frequency\n" + rows)
    assert second.kind == "marginal"
    assert figure(second, START + timedelta(hours=5, minutes=20))[0] == pytest.approx(964 * 0.45359237)
    data = [{"point_time": each.isoformat(), "value": 964.0} for each in hours(3, HOUR / 12)]
    meta = {"region": "CAISO_NORTH", "signal_type": "co2_aoer", "units": "lbs_co2_per_mwh"}
    third = read(tmp_path, json.dumps({"data": data, "meta": meta}), name="a.json")
    assert (third.kind, third.basis) == ("average", STACK)
    assert figure(third, START)[0] == pytest.approx(437.263, abs=1e-3)


def test_a_region_that_only_its_maker_knows_is_whose_the_caller_says(tmp_path: Path) -> None:
    rows = "".join(f"{each.isoformat()},{900 + at},CAISO_NORTH\n" for at, each in enumerate(hours(9)))
    (tmp_path / "a.csv").write_text("point_time,value,region\n" + rows)
    answer = HourlyIntensity(tmp_path / "a.csv", "US-CAL-CISO").at("US-CAL-CISO", (START + 5 * HOUR).timestamp())
    assert (answer.g_per_kwh, answer.kind) == (pytest.approx(905 * 0.45359237), "marginal")


def test_an_answer_of_another_zone_is_not_taken_for_the_one_asked_for(tmp_path: Path) -> None:
    told = [{"datetime": f"{each:%Y-%m-%dT%H:%MZ}", "carbonIntensity": 55} for each in hours(3)]
    (tmp_path / "a.json").write_text(json.dumps({"zone": "FR", "history": told}))
    for place, method in (("FR", Method.MEASURED), ("DE", Method.DEFAULT)):
        assert HourlyIntensity(tmp_path / "a.json", place).at(place, START.timestamp()).method is method
    rated = [
        {"location": name, "time": each["datetime"], "rating": at}
        for at, name in ((9, "eastus"), (7, "westus"))
        for each in told
    ]
    file = read(tmp_path, json.dumps(rated), name="b.json")
    assert {name: each.samples[0].g_per_kwh for name, each in file.series.items()} == {"eastus": 9.0, "westus": 7.0}


def test_answers_with_rows_within_rows_or_one_alone_are_read(tmp_path: Path) -> None:
    inner = [{"from": f"{each:%Y-%m-%dT%H:%MZ}", "intensity": {"forecast": 100}} for each in hours(3)]
    for document in ({"data": [{"regionid": 3, "data": inner}]}, {"data": {"regionid": 3, "data": inner}}):
        assert figure(read(tmp_path, json.dumps(document), name="a.json"), START) == (100.0, Method.MODELLED)
    latest = {"zone": "DE", "carbonIntensity": 302, "datetime": "2024-03-30T00:00:00.000Z", "isEstimated": True}
    assert figure(read(tmp_path, json.dumps(latest), name="a.json"), START) == (302.0, Method.MODELLED)


def test_energy_charts_lists_side_by_side_are_read(tmp_path: Path) -> None:
    seconds = [int(each.timestamp()) for each in hours(4, HOUR / 4)]
    answer = {"unix_seconds": seconds, "co2eq": [300, 310.5, None, None], "co2eq_forecast": [1, 2, 320, 330]}
    file = read(tmp_path, json.dumps({**answer, "substitute": False, "deprecated": False}), name="a.json")
    assert figure(file, START + HOUR / 4) == (310.5, Method.MEASURED)
    assert figure(file, START + HOUR / 2) == (320.0, Method.MODELLED)


def test_electricity_maps_answers_tell_their_basis(tmp_path: Path) -> None:
    rows = [
        {
            "carbonIntensity": 100 + at,
            "datetime": f"{each:%Y-%m-%dT%H:%M:%S.000Z}",
            "isEstimated": at == 1,
            "zone": "DE",
        }
        for at, each in enumerate(hours(3))
    ]
    history = {"zone": "DE", "emissionFactorType": "direct", "history": rows}
    direct = read(tmp_path, json.dumps(history), name="a.json")
    assert direct.basis == STACK
    assert figure(direct, START + HOUR) == (101.0, Method.MODELLED)
    assert read(tmp_path, json.dumps({"data": rows}), name="a.json").basis == ACCOUNT_BASIS
    assert list(direct.series) == ["DE"]


def test_market_intervals_hold_from_one_end_to_the_other(tmp_path: Path) -> None:
    rows = "".join(
        f'"{each:%d.%m.%Y %H:%M} - {each:%d.%m.%Y %H:59}","{200 + at}"\n' for at, each in enumerate(hours(48))
    )
    file = read(tmp_path, '"MTU (UTC)","CO2 intensity [gCO2eq/kWh]"\n' + rows)
    assert figure(file, START + timedelta(hours=5, minutes=59, seconds=59)) == (205.0, Method.MEASURED)


def test_market_time_goes_through_both_changes_of_the_clock(tmp_path: Path) -> None:
    """Steps change on the way: hours until October 2025, quarters from then."""
    for start, step in (
        (datetime(2025, 3, 29, 23, tzinfo=UTC), HOUR),
        (datetime(2025, 10, 25, 22, tzinfo=UTC), HOUR / 4),
    ):
        count = int(30 * HOUR / step)
        local = [each.astimezone(ZoneInfo("Europe/Brussels")) for each in hours(count, step, start)]
        rows = "".join(
            f"{each:%d/%m/%Y %H:%M:%S} - {each + step:%d/%m/%Y %H:%M:%S},{100 + at}\n" for at, each in enumerate(local)
        )
        file = read(tmp_path, "MTU (CET/CEST),Carbon intensity (gCO2eq/kWh)\n" + rows)
        for at, each in enumerate(hours(count, step, start)):
            assert figure(file, each)[0] == 100 + at


def test_codecarbons_runs_are_records_of_their_span(tmp_path: Path) -> None:
    header = "timestamp,project_name,run_id,duration,emissions,emissions_rate,energy_consumed,country_iso_code\n"
    rows = "2024-03-30T02:00:00,p,a,3600,0.25,1,0.5,FRA\n2024-03-30T09:00:00,p,b,7200,0.1,1,0,FRA\n"
    file = read(tmp_path, header + rows + "2024-03-31T00:00:00,p,c,7200,0.12,1,2,FRA\n")
    assert figure(file, START + 1.5 * HOUR) == (500.0, Method.MODELLED)
    assert figure(file, START + 22.5 * HOUR) == (60.0, Method.MODELLED)
    (series,) = file.series.values()
    assert series.covering((START + 4 * HOUR).timestamp()) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_dialect_of_csv_is_read(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    point = "." if delimiter == "," else ","
    lines = ["# Über das Netz", f"time{delimiter}g_per_kwh{delimiter}note"]
    lines += [f"{each:%Y-%m-%dT%H:%M}Z{delimiter}{200 + at}{point}5{delimiter}für" for at, each in enumerate(hours(5))]
    file = read(tmp_path, end.join(lines) + end, encoding)
    assert figure(file, START + 2 * HOUR) == (202.5, Method.MEASURED)


@pytest.mark.parametrize("word", ["", " ", "NaN", "N/A", "n/e", "null", "None", "-", "--"])
def test_a_word_for_nothing_is_a_missing_hour(tmp_path: Path, caplog: pytest.LogCaptureFixture, word: str) -> None:
    rows = (f"{each.isoformat()},{word if at in (3, 4) else 200 + at}\n" for at, each in enumerate(hours(9)))
    (tmp_path / "a.csv").write_text("time,g_per_kwh\n" + "".join(rows))
    source = HourlyIntensity(tmp_path / "a.csv", "FR")
    answer = source.at("FR", (START + 3.5 * HOUR).timestamp())
    assert answer.method is Method.MODELLED
    assert 202.0 < answer.g_per_kwh < 205.0
    assert not caplog.records


def test_rows_in_any_order_are_sorted_and_exact_repeats_are_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{each.isoformat()},{200 + at}\n" for at, each in enumerate(hours(24))]
    for order in (lines[::-1], lines[12:] + lines[:12], lines + lines[3:5]):
        file = read(tmp_path, "time,g_per_kwh\n" + "".join(order))
        assert [figure(file, each)[0] for each in hours(24)] == [200 + at for at in range(24)]
    assert not caplog.records


BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
DAYS = {
    "spring, Berlin": (datetime(2024, 3, 30, 23, tzinfo=UTC), 23, BERLIN),
    "autumn, Berlin": (datetime(2024, 10, 26, 22, tzinfo=UTC), 25, BERLIN),
    "spring, New York": (datetime(2024, 3, 10, 5, tzinfo=UTC), 23, NEW_YORK),
    "autumn, New York": (datetime(2024, 11, 3, 4, tzinfo=UTC), 25, NEW_YORK),
    "spring, São Paulo": (datetime(2018, 11, 3, 15, tzinfo=UTC), 23, ZoneInfo("America/Sao_Paulo")),
    "autumn, São Paulo": (datetime(2018, 2, 17, 2, tzinfo=UTC), 25, ZoneInfo("America/Sao_Paulo")),
    "autumn, Tehran": (datetime(2021, 9, 20, 20, 30, tzinfo=UTC), 26, ZoneInfo("Asia/Tehran")),
}


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("step", [HOUR, HOUR / 2, HOUR / 4])
@pytest.mark.parametrize("is_falling", [False, True])
def test_a_local_day_is_refused_without_its_zone_and_right_with_it(
    tmp_path: Path, day: str, step: timedelta, is_falling: bool
) -> None:
    start, length, zone = DAYS[day]
    every = hours(int(length * HOUR / step), step, start)
    lines = [f"{each.astimezone(zone):%Y-%m-%d %H:%M},{100 + at}\n" for at, each in enumerate(every)]
    text = "time,g_per_kwh\n" + "".join(lines[::-1] if is_falling else lines)
    with pytest.raises(TraceError, match="allowed: times in UTC or with their offset, or --timezone"):
        read(tmp_path, text)
    file = read(tmp_path, text, timezone=str(zone))
    assert [figure(file, each)[0] for each in every] == [100 + at for at in range(len(every))]


@pytest.mark.parametrize("left_out", range(8))
@pytest.mark.parametrize("is_falling", [False, True])
def test_a_quarter_that_lacks_where_clocks_go_back_shifts_no_other(
    tmp_path: Path, left_out: int, is_falling: bool
) -> None:
    every = hours(24, HOUR / 4, datetime(2024, 10, 26, 22, tzinfo=UTC))  # the hour from 2:00 is there twice
    kept = every[: 8 + left_out] + every[9 + left_out :]
    lines = [f"{each.astimezone(BERLIN):%Y-%m-%d %H:%M},{100 + every.index(each)}\n" for each in kept]
    text = "time,g_per_kwh\n" + "".join(lines[::-1] if is_falling else lines)
    file = read(tmp_path, text, timezone="Europe/Berlin")
    assert [figure(file, each)[0] for each in kept] == [100 + every.index(each) for each in kept]


def test_an_hour_that_comes_twice_speaks_for_a_local_clock_though_its_figures_are_alike(tmp_path: Path) -> None:
    every = hours(12, HOUR, datetime(2024, 10, 26, 20, tzinfo=UTC))
    local = [f"{each.astimezone(BERLIN):%Y-%m-%d %H:%M},100\n" for each in every]
    with pytest.raises(TraceError, match="the time repeats 2024-10-27 02:00:00, as where clocks go back"):
        read(tmp_path, "time,g_per_kwh\n" + "".join(local))
    overlapping = "".join(f"{each:%Y-%m-%d %H:%M},100\n" for each in every + every[3:8])
    assert len(read(tmp_path, "time,g_per_kwh\n" + overlapping).series["FR"].samples) == 12


@pytest.mark.parametrize("form", ["%Y-%m-%d {}", "%Y-%m-%dT{}:00Z", "%d.%m.%Y {}", "%m/%d/%Y {}:00"])
def test_an_hour_of_24_is_the_next_days_first(tmp_path: Path, form: str) -> None:
    day = datetime(2024, 1, 30, tzinfo=UTC)
    lines = [f"{day.strftime(form.format(f'{hour:02}:00'))},{100 + hour}\n" for hour in range(1, 25)]
    file = read(tmp_path, "time,g_per_kwh\n" + "".join(lines))
    assert [figure(file, day + hour * HOUR)[0] for hour in range(1, 25)] == [100 + hour for hour in range(1, 25)]


@pytest.mark.parametrize(
    ("cells", "figures"),
    [
        (("1.050,5", "1.050", "98,5"), [1050.5, 1050.0, 98.5]),
        (("100.5", "1.050", "98.25"), [100.5, 1.05, 98.25]),
        (("123.456", "98.125"), [123.456, 98.125]),  # as thousands no grid's
        (("1\u202f050,5", "98,5"), [1050.5, 98.5]),
        (("1'050.5", "98.5"), [1050.5, 98.5]),
        (("1,05E+02", "9,8E+01"), [105.0, 98.0]),
    ],
)
def test_what_a_point_stands_for_all_numbers_of_the_file_tell(
    tmp_path: Path, cells: tuple[str, ...], figures: list[float]
) -> None:
    lines = [f"2024-01-0{day};{cell}\n" for day, cell in enumerate(cells, 1)]
    (series,) = read(tmp_path, "time;g_per_kwh\n" + "".join(lines)).series.values()
    assert [each.g_per_kwh for each in series.samples] == figures


def test_a_time_that_no_clock_showed_costs_its_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "time,g_per_kwh\n" + "".join(f"2024-03-31T0{hour}:00,{100 + hour}\n" for hour in range(6))
    file = read(tmp_path, text, timezone="Europe/Berlin")
    assert "2024-03-31 02:00:00 does not exist in Europe/Berlin" in caplog.text
    assert figure(file, datetime(2024, 3, 31, 1, tzinfo=UTC))[0] == 103.0


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("time,g_per_kwh\n2024-01-01,900000\n", {}, "is 900000 g/kWh; allowed: up to 3000"),
        ("time,g_per_kwh\n2024-01-01,0.25\n2024-01-02,0.3\n", {}, "no figure is above 0.3 g/kWh"),
        ("time,g_per_kwh,kind\n2024-01-01,5,marginal\n2024-01-02,5,average\n", {}, "average and marginal"),
        ("time,g_per_kwh,kind\n2024-01-01,5,guess\n", {}, "kind is 'guess'"),
        ("time,g_per_kwh,kind\n2024-01-01,5,marginal\n", {"kind": "average"}, "kind is average; allowed: marginal"),
        ("day,co2\n2024-01-01,5\n", {}, "the columns are 'day', 'co2'; allowed: time and g_per_kwh"),
        ("day,co2\n2024-01-01,5\n", {"time_column": "dya"}, "the columns are 'day', 'co2'"),
        ("time,g_per_kwh\n2024-01-01,5\n", {"unit": "furlongs"}, "unit is 'furlongs'; allowed: a mass over an energy"),
        ("time,g_per_kwh\n2024-01-01,5\n", {"timezone": "Mars/Base"}, "time zone is 'Mars/Base'; allowed: an IANA"),
        ("time (local),g_per_kwh\n2024-01-01,5\n", {}, "is of local times; allowed: --timezone"),
        ("time;g_per_kwh\n2024-01-01;1.050\n", {}, "'1.050' may be thousands or decimals"),
        ("time,g_per_kwh\n2024-01-01,1_000\n", {}, "'1_000'; allowed: a number"),
        ("date,hour,g_per_kwh\n2024-01-01,0,5\n2024-01-01,1,6\n", {}, "1 rows repeat times above with other figures"),
        ("time,g_per_kwh\n03/04/2024 05:00,5\n", {}, "may be in two months; allowed: ISO 8601"),
        ('{"data": [', {}, "not readable JSON"),
        ("", {}, "it is empty"),
        ("time\0,g_per_kwh", {}, "it holds zero bytes"),
        ("{}", {}, "the columns are"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, text: str, options: dict[str, str], message: str) -> None:
    with pytest.raises((TraceError, InvalidInput), match=message):
        read(tmp_path, text, **options)


def test_columns_units_and_clocks_can_be_told(tmp_path: Path) -> None:
    text = "when;grid;other\n2024-07-01 02:00;0,5;1\n2024-07-01 03:00;0,6;2\n"
    told = {"time_column": "when", "figure_column": "grid", "unit": "kg/kWh", "timezone": "Europe/Berlin"}
    file = read(tmp_path, text, **told, kind="marginal", emissions="direct", accounting="production")
    assert (file.kind, file.basis) == ("marginal", Basis("direct", "production"))
    assert figure(file, datetime(2024, 7, 1, 1, tzinfo=UTC))[0] == 600.0


@pytest.mark.parametrize(
    ("name", "cell", "g_per_kwh"),
    [
        ("CO2 intensity [kg/MWh]", "250", 250.0),
        ("Carbon intensity (tCO2eq/MWh)", "0.25", 250.0),
        ("emission rate lbs/MWh", "1000", 453.59237),
        ("co2_g_per_kwh consumption", "250", 250.0),
        ("CO₂-Emissionsfaktor des Strommix (g/kWh)", "250", 250.0),
    ],
)
def test_a_columns_name_tells_its_unit(tmp_path: Path, name: str, cell: str, g_per_kwh: float) -> None:
    file = read(tmp_path, f"Date;x;{name}\n2024-01-01 00:00;1;{cell}\n2024-01-01 01:00;1;{cell}\n")
    assert figure(file, datetime(2024, 1, 1, tzinfo=UTC))[0] == pytest.approx(g_per_kwh)


def test_american_dates_are_told_by_the_whole_column(tmp_path: Path) -> None:
    rows = "".join(f"{each:%m/%d/%Y %I:%M %p},{200 + at}\n" for at, each in enumerate(hours(48)))
    assert figure(read(tmp_path, "time,g_per_kwh\n" + rows), START + 13 * HOUR)[0] == 213.0


def test_american_spans_are_not_taken_for_european_ones(tmp_path: Path) -> None:
    rows = "".join(
        f"{each:%m/%d/%Y %H:%M} - {each + HOUR:%m/%d/%Y %H:%M},{200 + at}\n" for at, each in enumerate(hours(600))
    )
    for at in (0, 200, 599):
        assert figure(read(tmp_path, "time,g_per_kwh\n" + rows), START + at * HOUR)[0] == 200.0 + at


@pytest.mark.parametrize("form", ["%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d %H:%M", "%Y%m%dT%H%MZ"])
def test_times_in_digits_alone_are_read(tmp_path: Path, form: str) -> None:
    rows = "".join(f"{each:{form}},{200 + at}\n" for at, each in enumerate(hours(48)))
    assert figure(read(tmp_path, "time,g_per_kwh\n" + rows), START + 13 * HOUR)[0] == 213.0


def test_seconds_since_1970_stay_seconds(tmp_path: Path) -> None:
    rows = "".join(f"{each.timestamp():.0f},{200 + at}\n" for at, each in enumerate(hours(48)))
    assert figure(read(tmp_path, "time,g_per_kwh\n" + rows), START + 13 * HOUR)[0] == 213.0


STEPS = st.sampled_from([timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30), HOUR, timedelta(days=1)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1.0, 2999.0) | st.none(), min_size=2, max_size=40).filter(lambda each: any(each)),
    STEPS,
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([",", ";", "\t"]),
    st.randoms(),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Sydney", "UTC", "Asia/Kolkata"]),
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    figures: list[float | None],
    step: timedelta,
    start: datetime,
    delimiter: str,
    random: object,
    zone: str,
) -> None:
    """Any figures, steps, order of rows, dialect; times with their offset, and local ones by their zone."""
    times = hours(len(figures), step, start.replace(tzinfo=UTC, second=0, microsecond=0))
    local = [each.astimezone(ZoneInfo(zone)) for each in times]
    path = tmp_path_factory.getbasetemp() / "any.csv"
    shuffled = list(range(len(times)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    for written, order, named in (
        ([each.isoformat() for each in local], shuffled, ""),
        ([f"{each:%Y-%m-%d %H:%M}" for each in local], range(len(times)), zone),
    ):
        path.write_text(_csv(written, figures, order, delimiter))
        file = read_intensity_file(path, "FR", FileOptions(timezone=named))
        for each, known in zip(times, figures, strict=True):
            sample = file.series["FR"].covering(each.timestamp())
            assert known is None or (sample is not None and sample.g_per_kwh == pytest.approx(known))


def _csv(times: list[str], figures: list[float | None], order: Iterable[int], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["time", "g_per_kwh"])
    for at in order:
        cell = "" if figures[at] is None else repr(figures[at])
        writer.writerow([times[at], cell if delimiter == "," else cell.replace(".", ",")])
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(alphabet='{}[]":,;\t time,g_per_kwh\n0123456789-T:.Zdatafrom', max_size=200).map(str.encode)
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    for head in (b"", b"time;g_per_kwh\n", b"MTU (CET/CEST),CO2 g/kWh\n", b'{"data": '):
        path.write_bytes(head + content)
        try:
            file = read_intensity_file(path, "FR")
        except (TraceError, InvalidInput):
            continue
        for series in file.series.values():
            assert all(0.0 <= each.g_per_kwh <= 3000.0 for each in series.samples)
