"""What is typical for an hour: it keeps the year's average, dips where the sun shines, and says what it is."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon import TypicalHours, YearlyAverages
from autoscale.carbon.intensity.base import INTENSITY_SOURCES
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.shapes import DAYS, read_shapes
from autoscale.checks.intensity_source import check_intensity_source
from autoscale.errors import ProfileError, UnknownName
from autoscale.profiles.shipped import devices_folder
from autoscale.query.outcome import Method
from benchmarks import grid_hours

HOUR_S = 3600.0
START_S = datetime(2023, 1, 1, tzinfo=UTC).timestamp()
"""Of a year of 365 days."""
NOON_H = 20
"""UTC, of California in winter."""
DATA = Path(__file__).parents[5] / "shared" / "data" / "grid_carbon"
SHAPES = read_shapes()
TYPICAL = TypicalHours()
PLACES = Places.shipped().all()
ROW = f"months = {[1] * 12}, hours = {[1] * 24}, low = 0.5, high = 2, years = [2022], source = 'a'"


@pytest.mark.parametrize("zone", SHAPES)
def test_a_shape_keeps_the_average_of_the_year(zone: str) -> None:
    assert np.average(SHAPES[zone].factors.mean(axis=1), weights=DAYS) == pytest.approx(1.0, abs=1e-12)
    assert SHAPES[zone].factors.min() > 0.2
    assert SHAPES[zone].spread.low <= 0.95 < 1.05 <= SHAPES[zone].spread.high


@pytest.mark.parametrize("place", ["DE", "US-CAL-CISO", "gcp:europe-west9"])
def test_the_hours_of_a_year_sum_to_the_yearly_average(place: str) -> None:
    hours = [TYPICAL.at(place, START_S + number * HOUR_S) for number in range(365 * 24)]
    assert len({each.time_s for each in hours}) == 365 * 24
    yearly = YearlyAverages().at(place, START_S)
    assert np.mean([each.g_per_kwh for each in hours]) == pytest.approx(yearly.g_per_kwh)


@pytest.mark.parametrize("month", range(12))
def test_california_is_cleanest_about_noon(month: int) -> None:
    factors = SHAPES["US-CAL-CISO"].factors[month]
    assert 18 <= factors.argmin() <= 22
    assert factors[NOON_H] < 0.7 * factors[(NOON_H + 12) % 24]


@pytest.mark.parametrize("place", ["gcp:us-west2", "aws:us-west-1", "us-cal-ciso"])
def test_regions_have_the_shape_of_their_zone(place: str) -> None:
    day_s = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
    noon, night = (TYPICAL.at(place, day_s + hour * HOUR_S).g_per_kwh for hour in (NOON_H, 8))
    zone = SHAPES["US-CAL-CISO"].factors[5]
    assert noon / night == pytest.approx(zone[NOON_H] / zone[8])


@pytest.mark.parametrize("place", ["USA", "IN", "World", "ID", "gcp:asia-southeast2"])
def test_where_no_shape_is_known_the_yearly_average_stands_in(place: str) -> None:
    assert TYPICAL.at(place, START_S) == YearlyAverages().at(place, START_S)
    assert TYPICAL.forecast(place, START_S, HOUR_S) == ()


def test_some_places_fall_back_and_some_do_not() -> None:
    with_shape = {each.code for each in PLACES if TYPICAL.at(each.code, START_S).method is Method.MODELLED}
    assert {"DEU", "FRA", "ESP", "BRA", "US-TEX-ERCO", "europe-west1"} <= with_shape
    assert not {"USA", "IND", "IDN", "HKG", "WORLD"} & with_shape
    assert len(with_shape) > 90


@pytest.mark.parametrize("place", ["DE", "US-CAL-CISO", "US"])
def test_it_is_a_source_like_any_other(place: str) -> None:
    source: type[TypicalHours] = INTENSITY_SOURCES.get("typical")
    check_intensity_source(source(), place, START_S)
    with pytest.raises(UnknownName, match="unknown place"):
        source().forecast("nowhere", START_S, HOUR_S)


def test_it_says_what_it_is_made_of() -> None:
    answer = TYPICAL.at("FR", START_S)
    assert (answer.method, answer.kind) == (Method.MODELLED, "average")
    assert all(word in answer.source for word in ("2023", "co2.js", "in the shape of 2020, 2022", "Maps"))
    assert TYPICAL.at("DE", START_S).source != answer.source


@given(st.sampled_from(PLACES), st.floats(-3e9, 6e9))
def test_an_hour_is_one_figure_within_its_range(place: Any, time_s: float) -> None:
    answer = TYPICAL.at(place.code, time_s)
    assert answer.low_g_per_kwh <= answer.g_per_kwh <= answer.high_g_per_kwh
    if answer.method is Method.MODELLED:
        assert answer == TYPICAL.at(place.code, answer.time_s)
        assert answer.time_s <= time_s < answer.time_s + HOUR_S


@given(st.integers(-(10**9), 4 * 10**9), st.integers(0, 48 * 3600))
def test_a_forecast_has_every_hour_of_its_span(time_s: int, horizon_s: int) -> None:
    hours = TYPICAL.forecast("PL", time_s, horizon_s)
    assert all(each == TYPICAL.at("PL", each.time_s) for each in hours)
    if hours:
        assert hours[0].time_s <= time_s
        assert hours[-1].time_s < time_s + horizon_s <= hours[-1].time_s + HOUR_S
    else:
        assert horizon_s == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X = 5", r"X is 5; allowed: a table"),
        (f"X = {{ {ROW}, note = 'x' }}", r"unknown key 'note' in \[shapes\.X\]"),
        (f"X = {{ {ROW} }}".replace("low = 0.5, ", ""), r"'shapes\.X\.low' is missing"),
        (f"X = {{ {ROW} }}".replace("'a'", "'b'"), "source is 'b'; allowed"),
        (f"X = {{ {ROW} }}".replace("low = 0.5", "low = 1.5"), "range is 1.5 to 1.0 to 2.0; allowed: rising"),
        (f"X = {{ {ROW} }}".replace("[2022]", "2022"), "a list of years"),
        (f"X = {{ {ROW} }}".replace("months = [1, 1", "months = [1"), "allowed: 12 numbers above 0"),
        (f"X = {{ {ROW} }}".replace("months = [1, 1", "months = [2, 0"), "allowed: 12 numbers above 0"),
        (f"X = {{ {ROW} }}".replace("hours = [1", "hours = [nan"), "allowed: 24 numbers above 0"),
        (f"X = {{ {ROW} }}".replace("hours = [1", "hours = ['one'"), "allowed: 24 numbers"),
        (f"X = {{ {ROW} }}".replace("hours = [1", "hours = [1.5"), "hours are 1.021 on average"),
        ("[more]", "unknown key 'more'"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_text(f'schema = 1\nkind = "average"\n[sources]\na = "A"\n[shapes]\n{text}\n')
    with pytest.raises(ProfileError, match=message):
        TypicalHours(shapes=path)


@pytest.mark.parametrize("text", ["schema = 2", 'schema = 1\nkind = "average"', "not toml"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"hours\.toml"):
        read_shapes(path)


@pytest.fixture(scope="module")
def years() -> dict[str, dict[int, grid_hours.Year]]:
    """Zone to year to its recorded hours."""
    if not DATA.exists():
        pytest.skip("the recorded data is not here")
    return grid_hours.whole_years(DATA)


def test_shapes_are_those_of_the_recorded_years(years: dict[str, dict[int, grid_hours.Year]]) -> None:
    entries = tomllib.loads((devices_folder() / "grids" / "hours.toml").read_text())["shapes"]
    for zone in ("AU-NSW", "BR", "DE", "FR", "GB", "IN-WE", "PL", "US-CAL-CISO", "US-MIDA-PJM"):
        assert entries[zone] == grid_hours.shape(years[zone])
    assert set(years) - set(entries) == {"HK", "ID", "IN-MH"}


def test_what_another_year_is_missed_by_is_what_the_file_says(years: dict[str, dict[int, grid_hours.Year]]) -> None:
    text = (devices_folder() / "grids" / "hours.toml").read_text()
    for zone in ("AU-NSW", "BR", "GB", "US-CAL-CISO"):
        ((typical, flat),) = re.findall(rf"^#   {zone} +([\d.]+) % +([\d.]+) %", text, re.MULTILINE)
        assert [float(typical), float(flat)] == pytest.approx(100 * grid_hours.errors(years[zone])[0], abs=0.1)
