"""Intensities: yearly averages out of the box, hourly ones from files, and what both do with what is wrong."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.carbon.intensity.base import INTENSITY_SOURCES, Intensity, IntensitySource
from autoscale.carbon.intensity.hourly import HourlyIntensity
from autoscale.carbon.intensity.hourly_csv import read_intensity_csv
from autoscale.carbon.intensity.places import Place, Places
from autoscale.carbon.intensity.series import IntensitySample, Series, holds_of, time_from_iso
from autoscale.carbon.intensity.yearly import YearlyAverages
from autoscale.checks.intensity_source import check_intensity_source
from autoscale.errors import InvalidInput, ProfileError, TraceError, UnknownName
from autoscale.interval import Interval
from autoscale.query.outcome import Method

HOUR_S = 3600.0
START_S = datetime(2022, 1, 1, tzinfo=UTC).timestamp()
PLACES = Places.shipped()
ISO_3166_1 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
)
ELECTRICITY_MAPS = """\
Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),Carbon Intensity gCO₂eq/kWh (LCA),\
Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,Data Estimation Method
2022-01-01 00:00:00,Spain,Spain,ES,101.8,144.05,70.5,47.3,entsoe.eu,false,
2022-01-01 01:00:00,Spain,Spain,ES,97.2,138.9,72.1,47.6,entsoe.eu,true,TIME_SLICER_AVERAGE
"""


@pytest.mark.parametrize("place", PLACES.all(), ids=lambda place: place.code)
def test_every_place_has_a_plausible_average_with_year_and_source(place: Place) -> None:
    assert 0.0 <= place.g_per_kwh.low <= place.g_per_kwh.mid <= place.g_per_kwh.high < 2000.0
    assert 2009 <= place.year <= 2026
    assert len(place.source) > 40


def test_what_ships_covers_the_world() -> None:
    codes = Counter(len(place.code) for place in PLACES.all() if place.code.isalpha() and place.code.isupper())
    assert codes[3] >= 220
    united_nations = "AFG AND AUS BRA CHN COD DEU FSM GBR IND JPN KIR LIE MCO MHL NGA PLW SMR SSD TLS TUV USA VUT ZAF"
    assert all(PLACES.find(code).code == code for code in united_nations.split())


def test_every_code_of_iso_3166_1_is_a_place() -> None:
    codes = ISO_3166_1.split()
    assert len(codes) == 249
    assert len({PLACES.find(code).code for code in codes}) == 249


def test_no_country_has_electricity_without_carbon() -> None:
    assert min(place.g_per_kwh.mid for place in PLACES.all() if len(place.code) == 3) >= 10.0


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("UK", "GBR"),
        ("Côte d'Ivoire", "CIV"),
        ("türkiye", "TUR"),
        ("Korea", "KOR"),
        ("DE", "DEU"),
        ("deu", "DEU"),
        ("germany", "DEU"),
        ("aws:us-east-1", "US-MIDA-PJM"),
        ("us-east1", "us-east1"),
        ("eastus", "US-MIDA-PJM"),
        ("azure:westeurope", "NLD"),
        ("GCP:europe-west1", "europe-west1"),
        ("world", "WORLD"),
    ],
)
def test_places_are_found_by_code_name_and_region(spelling: str, code: str) -> None:
    assert PLACES.find(spelling).code == code


def test_an_unknown_place_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'eu-west-1'"):
        YearlyAverages().at("eu-wst-1", 0.0)


def test_yearly_averages_are_defaults_and_say_so() -> None:
    check_intensity_source(YearlyAverages(), "FRA", START_S)
    answer = YearlyAverages().at("FR", START_S)
    assert (answer.kind, answer.method, answer.g_per_kwh) == ("average", Method.DEFAULT, 91.0)
    assert "2023" in answer.source
    assert answer.low_g_per_kwh <= answer.g_per_kwh < answer.high_g_per_kwh


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2", "schema is 2; allowed: 1"),
        ("not toml", "is not TOML"),
        ('X = { name = "X", g_per_kwh = 5, low = 6, high = 7, year = 2020, source = "a" }', "rising"),
        ('X = { name = "X", g_per_kwh = 5, low = 5, high = 7, year = 2020, source = "b" }', "source is 'b'; allowed"),
        ('X = { name = "X", g_per_kwh = "5", low = 5, high = "much", year = 2020, source = "a" }', "allowed: a number"),
        ('X = { name = "X", g_per_kwh = 5, low = 5, high = [], year = 2020, source = "a" }', "allowed: a number"),
        ("X = 400 # {", "X is 400; allowed"),
        ('X = { name = "X", also = "Y", g_per_kwh = 5, low = 5, high = 7, year = 2020, source = "a" }', "also is 'Y'"),
        ('X = { name = "X", g_per_kwh = 5, low = 5, high = 7, source = "a" }', r"'places\.X\.year' is missing"),
        ('X = { name = "X", like = "Y", source = "a" }', "unknown place 'Y'"),
    ],
)
def test_a_wrong_file_of_places_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "places.toml"
    head = 'schema = 1\nkind = "average"\n[sources]\na = "A"\n[places]\n'
    path.write_text(head + text if "{" in text else text)
    with pytest.raises(ProfileError, match=message):
        Places([path])


def test_electricity_maps_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ES_2022_hourly.csv"
    path.write_text(ELECTRICITY_MAPS, encoding="utf-8-sig")
    source = HourlyIntensity(path)
    check_intensity_source(source, "ES", START_S)
    first, second = (source.at("es", START_S + offset) for offset in (HOUR_S - 1, HOUR_S))
    assert (first.g_per_kwh, first.method, first.time_s) == (144.05, Method.MEASURED, START_S)
    assert (second.g_per_kwh, second.method, second.time_s) == (138.9, Method.MODELLED, START_S + HOUR_S)
    assert first.high_g_per_kwh - first.low_g_per_kwh < second.high_g_per_kwh - second.low_g_per_kwh


def test_newer_columns_and_the_direct_figure_are_read(tmp_path: Path) -> None:
    newer = "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (direct),Carbon intensity gCO₂eq/kWh (Life cycle)\n"
    row = "2024-01-01T00:00:00Z,DE,250,310\n"
    path = tmp_path / "a.csv"
    path.write_text(newer + row, encoding="utf-8")
    assert HourlyIntensity(path).at("DE", datetime(2024, 1, 1, tzinfo=UTC).timestamp()).g_per_kwh == 310.0
    path.write_text("Datetime (UTC),Zone id,Carbon intensity gCO2eq/kWh (direct)\n2024-01-01,DE,250\n")
    assert read_intensity_csv(path)["DE"].samples[0].g_per_kwh == 250.0


def hours(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["time,g_per_kwh", *rows, ""]))
    return path


def test_missing_hours_are_interpolated_or_replaced_as_stated(tmp_path: Path) -> None:
    rows = ["2022-01-01T00:00,100", "2022-01-01T01:00,200", "2022-01-01T02:00,", "2022-01-01T04:00,500"]
    path = hours(tmp_path / "a.csv", *rows, "2022-01-01T05:00,100", "2022-01-02T00:00,100")
    source = HourlyIntensity(path, place="FR")
    between = source.at("FR", START_S + 3 * HOUR_S)
    assert between.g_per_kwh == pytest.approx(400.0)
    assert between.method is Method.MODELLED
    assert "interpolated" in between.source
    for outside_s in (START_S - 1, START_S + 12 * HOUR_S, START_S + 25 * HOUR_S):
        assert source.at("FR", outside_s) == YearlyAverages().at("FR", outside_s)
    assert source.at("DE", START_S).method is Method.DEFAULT


def test_local_times_with_their_offset_pass_the_end_of_summer_time(tmp_path: Path) -> None:
    rows = [f"2026-10-25T{clock},{g}" for clock, g in (("01:00+02:00", 1), ("02:00+02:00", 2), ("02:00+01:00", 3))]
    source = HourlyIntensity(hours(tmp_path / "a.csv", *rows, "2026-10-25T03:00+01:00,4"), place="DE")
    midnight_s = datetime(2026, 10, 25, tzinfo=UTC).timestamp()
    seen = [source.at("DE", midnight_s + hour * HOUR_S) for hour in range(-1, 3)]
    assert [(each.g_per_kwh, each.method) for each in seen] == [(g, Method.MEASURED) for g in (1, 2, 3, 4)]


def test_local_times_without_an_offset_are_refused_where_they_repeat(tmp_path: Path) -> None:
    path = hours(tmp_path / "a.csv", "2026-10-25T02:00,5", "2026-10-25T02:00,6")
    with pytest.raises(TraceError, match="local time without one repeats an hour in autumn"):
        HourlyIntensity(path, place="DE")


@pytest.mark.parametrize("place", ["IE", "Ireland", "IRL", "aws:eu-west-1", "northeurope"])
def test_a_file_answers_for_what_lies_in_its_zones(tmp_path: Path, place: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,g_per_kwh,zone\n2022-01-01,123,IE\n")
    source = HourlyIntensity(path)
    assert source.at(place, START_S).g_per_kwh == 123.0
    assert source.spans_s == {"IE": (START_S, START_S + HOUR_S)}


def test_the_later_rows_of_a_file_are_its_forecast(tmp_path: Path) -> None:
    path = hours(tmp_path / "a.csv", *(f"2022-01-01T0{hour}:00,{100 + hour}" for hour in range(5)))
    source = HourlyIntensity(path, place="FR")
    check_intensity_source(source, "FR", START_S)
    expected = source.forecast("FR", START_S + HOUR_S, 2 * HOUR_S)
    assert [(each.g_per_kwh, each.method) for each in expected] == [(101, Method.MODELLED), (102, Method.MODELLED)]
    assert source.forecast("DE", START_S, HOUR_S) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2022-01-01T00:00,5", "line 3: the time repeats 2022-01-01T00:00:00"),
        ("2022-01-01T00:00,", "line 3: the time repeats"),
        ("2022-01-01T00:00,10", ""),
        ("2021-12-31T23:00,5", ""),
    ],
)
def test_a_time_that_repeats_costs_its_row_and_one_that_goes_back_is_sorted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: str, message: str
) -> None:
    path = hours(tmp_path / "a.csv", "2022-01-01T00:00,10", row, "2022-01-01T01:00,10")
    source = HourlyIntensity(path, place="FR")
    assert source.at("FR", START_S).g_per_kwh == 10.0
    assert source.lacks("FR", START_S - HOUR_S) is False
    assert message in caplog.text
    assert bool(caplog.text) == bool(message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2022-01-01T01:00,-1", "line 3: g_per_kwh is -1; allowed: 0 or more"),
        ("2022-01-01T01:00,inf", "line 3: g_per_kwh is inf"),
        ("2022-01-01T01:00,much", "line 3: 'much'; allowed: a number"),
        ("2022-01-01T01:00,900000", "line 3: '900000' is 900000 g/kWh; allowed: up to 3000"),
        ("yesterday,5", "line 3: 'yesterday'; allowed: an ISO 8601 time"),
        ("9999-12-31T23:00-23:59,5", "line 3: '9999-12-31T23:00-23:59'; allowed: an ISO 8601 time"),
        ("2022-01-01T01:00", "line 3: 1 cells"),
        ("yesterday,", "line 3: 'yesterday'; allowed: an ISO 8601 time"),
    ],
)
def test_one_bad_row_is_a_missing_hour_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: str, message: str
) -> None:
    path = hours(tmp_path / "a.csv", "2022-01-01T00:00,10", row, *(f"2022-01-01T0{h}:00,{h}0" for h in range(2, 6)))
    source = HourlyIntensity(path, place="FR")
    start_s = time_from_iso("2022-01-01T00:00")
    figures = [source.at("FR", start_s + h * HOUR_S) for h in range(4)]
    assert [each.g_per_kwh for each in figures] == pytest.approx([10.0, 15.0, 20.0, 30.0])
    assert [each.method for each in figures] == [Method.MEASURED, Method.MODELLED, Method.MEASURED, Method.MEASURED]
    assert len(caplog.records) == 1
    assert "a.csv: left out 1 rows; the first:" in caplog.text
    assert message in caplog.text


def test_a_file_of_bad_rows_is_refused_by_the_first(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="line 2: 'much'"):
        HourlyIntensity(hours(tmp_path / "a.csv", "2022-01-01T00:00,much", "2022-01-01T01:00,-1"), place="FR")


@pytest.mark.parametrize(
    ("distances", "holds"),
    [
        ([], [3600]),
        ([60], [60, 60]),
        ([60] * 3 + [15] * 3, [60, 60, 60, 15, 15, 15, 15]),
        ([15] * 3 + [60] * 3, [15, 15, 15, 60, 60, 60, 60]),
        ([60, 60, 15, 15], [60, 60, 15, 15, 15]),
        ([30, 30, 5, 5, 5, 60, 60, 60], [30, 30, 5, 5, 5, 60, 60, 60, 60]),
        ([60, 120, 60, 60], [60, 60, 60, 60, 60]),  # a missing hour
        ([60, 60, 120, 120, 60], [60] * 6),  # two, on either side of a row
        ([60, 60, 600], [60] * 4),
        ([600, 60, 60], [60] * 4),
        ([60, 60, 45, 15, 15], [60, 60, 45, 15, 15, 15]),
        ([60, 60, 90, 15, 15], [60, 60, 60, 15, 15, 15]),  # a gap where the step changes
        ([31, 28, 31, 30, 31], [31, 28, 31, 30, 31, 31]),  # months
        ([365, 366, 365], [365, 366, 365, 365]),
        ([24, 24, 25, 24, 24], [24, 24, 25, 24, 24, 24]),  # clocks go back
        ([31, 59, 30], [31, 31, 30, 30]),
    ],
)
def test_a_row_holds_until_the_next_unless_rows_are_missing(distances: list[float], holds: list[float]) -> None:
    times_s = [float(sum(distances[:k])) for k in range(len(distances) + 1)]
    assert holds_of(times_s) == holds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable CSV or JSON file: it is empty"),
        (b"when,much\n1,2\n", "line 1: the columns are 'when', 'much'"),
        (b"time,g_per_kwh\n2022-01-01,5\n", "no column 'zone'"),
        (b"time,g_per_kwh,zone\n", "no carbon intensity"),
        (b"\xff\xfe\x00", "not a readable CSV"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=message):
        read_intensity_csv(path)
    with pytest.raises(TraceError, match="not a readable CSV"):
        read_intensity_csv(tmp_path / "absent.csv", "FR")


@settings(max_examples=60)
@given(st.text(max_size=200) | st.text(alphabet='time,g_per_kwhzone\n"0123456789-T:.', max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("time,g_per_kwh\n" + text, encoding="utf-8")
    try:
        series = read_intensity_csv(path, "FR")["FR"]
    except TraceError:
        return
    times = [each.time_s for each in series.samples]
    assert times == sorted(set(times))


@given(st.lists(st.floats(0.0, 1500.0), min_size=2, max_size=30), st.floats(0.0, 30.0))
def test_a_series_stays_within_its_samples(figures: list[float], hour: float) -> None:
    series = Series([IntensitySample(i * HOUR_S, g) for i, g in enumerate(figures)])
    covering = series.covering(hour * HOUR_S)
    assert (covering is None) == (hour >= len(figures))
    thinned = Series([each for i, each in enumerate(series.samples) if i % 3 != 1 or i == len(figures) - 1], HOUR_S)
    between = thinned.interpolated(hour * HOUR_S, HOUR_S)
    assert between is None or min(figures) - 1e-9 <= between.g_per_kwh <= max(figures) + 1e-9


def test_an_intensity_that_makes_no_sense_is_refused() -> None:
    for low, mid, high in ((1.0, 0.5, 2.0), (-1.0, 0.0, 1.0), (0.0, float("nan"), 1.0), (0.0, 1.0, float("inf"))):
        with pytest.raises(InvalidInput, match="rising, 0 or more, finite"):
            Intensity(mid, low, high, "average", "x", 0.0, Method.MEASURED)
    with pytest.raises(InvalidInput, match="did you mean 'marginal'"):
        Intensity(1.0, 1.0, 1.0, "marginl", "x", 0.0, Method.MEASURED)  # type: ignore[arg-type]  # that is the test


class Upside(IntensitySource):
    """Says kilograms where grams are asked for."""

    kind = "average"

    def at(self, place: str, time_s: float) -> Intensity:
        return Intensity.of(Interval.exactly(400e3), "average", "x", time_s, Method.MEASURED)


class Prophet(IntensitySource):
    """Knows today what holds tomorrow."""

    kind = "marginal"

    def at(self, place: str, time_s: float) -> Intensity:
        return Intensity.of(Interval.exactly(400.0), "marginal", "x", time_s + 1.0, Method.MEASURED)


@pytest.mark.parametrize(("source", "message"), [(Upside(), "0 to 3000"), (Prophet(), "only from later on")])
def test_the_check_finds_a_source_that_is_wrong(source: IntensitySource, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_intensity_source(source, "FR", START_S)


def test_sources_are_found_by_name() -> None:
    assert INTENSITY_SOURCES.get("yearly") is YearlyAverages
    assert INTENSITY_SOURCES.get("csv") is HourlyIntensity
    with pytest.raises(UnknownName, match="did you mean 'yearly'"):
        INTENSITY_SOURCES.get("yerly")
