"""Phases from logs, growth with each assumption varied, how long machines serve; files that are refused."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon.intensity.places import Places
from autoscale.errors import InvalidInput
from autoscale.fleet.report.growth import ASSUMPTIONS, SCENARIOS, Assumption, Growth, projection, tornado
from autoscale.fleet.report.life_cycle import read_life_cycle
from autoscale.fleet.report.refresh import Refresh, refreshed, scenarios
from autoscale.fleet.report.sums import Parts, Sums, WholeInterval
from autoscale.units import US_PER_DAY

QUERIES = Sums(
    1000,
    Parts(10**6, 10**6, 10**6),
    Parts(10**9, 10**8, 10**9),
    Parts(10**9, 10**7, 10**8),
    WholeInterval(1, 2, 3),
    1,
    0,
)
YEAR_US = 365 * US_PER_DAY
HEADER = "timestamp,project_name,duration,emissions,energy_consumed,country_iso_code,cloud_provider,cloud_region\n"
ROWS = (
    "2022-05-01T10:00:00,train,3600,0.05,1.0,FRA,,\n"
    "2025-05-01T10:00:00,train,3600,0.05,1.0,,gcp,europe-west9\n"
    "2025-05-02T10:00:00,search,7200,0.25,0.5,,,\n"
)


def phase_of(tmp_path: Path, text: str) -> tuple[float, float, str]:
    path = tmp_path / "life.toml"
    path.write_text(f"[phases.training]\n{text}\n")
    (phase,) = read_life_cycle(path).phases
    assert phase.stage == "training"
    return phase.operational_g, phase.embodied_g, phase.source


def test_codecarbons_runs_are_taken_at_this_accounts_intensities(tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(HEADER + ROWS)
    france = Places.shipped().find("FR")
    both = france.in_year(2022)[0].mid + france.in_year(2025)[0].mid
    operational_g, embodied_g, source = phase_of(tmp_path, 'codecarbon = "emissions.csv"\nproject = "train"')
    assert (operational_g, embodied_g) == (pytest.approx(both), 0.0)
    assert "2 runs of emissions.csv" in source
    assert "the log itself came to 0.1 kg" in source
    every, _, source = phase_of(tmp_path, 'codecarbon = "emissions.csv"')
    assert every == pytest.approx(both + 250.0)  # nobody knows where the third was: as it was logged
    assert "1 runs of no known place as logged" in source


def test_a_runs_machines_are_held_for_as_long_as_it_took(tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(HEADER + ROWS)
    _, one_g, _ = phase_of(tmp_path, 'codecarbon = "emissions.csv"\nmachine = "h100"')
    _, eight_g, _ = phase_of(tmp_path, 'codecarbon = "emissions.csv"\nmachine = "h100"\nmachines = 8')
    assert one_g == pytest.approx(164e3 * 4 / (4 * 365.25 * 24), rel=1e-2)
    assert eight_g == pytest.approx(8 * one_g)
    _, part_g, _ = phase_of(tmp_path, 'codecarbon = "emissions.csv"\nmachine = "aws:p5.48xlarge"')
    assert part_g > eight_g


def test_an_mlperf_log_has_its_time_and_the_watts_given(tmp_path: Path) -> None:
    lines = ({"key": key, "time_ms": 1_700_000_000_000 + ms} for key, ms in (("run_start", 0), ("run_stop", 3_600_000)))
    (tmp_path / "result_0.txt").write_text("noise\n" + "".join(f":::MLLOG {json.dumps(each)}\n" for each in lines))
    grams, _, source = phase_of(tmp_path, 'mlperf = "result_0.txt"\npower_w = 3000\nintensity_g_per_kwh = 100')
    assert grams == pytest.approx(300.0)
    assert source == "result_0.txt at 3000 W"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('codecarbon = "absent.csv"', "not a readable CSV"),
        ('codecarbon = "emissions.csv"\nproject = "other"', "holds no run of project 'other'"),
        ('codecarbon = "emissions.csv"\nenergy_kwh = 1', "allowed: either"),
        ('codecarbon = "emissions.csv"\nmachine = "h101"', "h101"),
        ('mlperf = "emissions.csv"', "says nothing of power"),
        ('mlperf = "emissions.csv"\npower_w = 5', "has no run"),
        (
            "carbon_kg = 1\n[[growth]]\nname = 'x'\ndemand_per_year = { value = 2, low = 3 }\nenergy_per_year = 1",
            "rising",
        ),
        ("carbon_kg = 1\n[[growth]]\nname = 'x'\ndemand_per_year = 0\nenergy_per_year = 1", "allowed: above 0"),
        (
            "carbon_kg = 1\n[[growth]]\nname = 'x'\ndemand_per_year = 1000\nenergy_per_year = 1\nyears = 30\n"
            "demand_acceleration = 1000",
            "grows by 1395 digits; allowed: up to 100",
        ),
        ("carbon_kg = 1\n[[refresh]]\nname = 'x'\nlife_years = 0", "life_years is 0; allowed"),
        ("carbon_kg = 1\n[[refresh]]\nname = 'x'\nlife_years = 3\nreused_fraction = 2", "reused_fraction is 2"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "emissions.csv").write_text(HEADER + ROWS)
    with pytest.raises(InvalidInput, match=message):
        phase_of(tmp_path, text)


def test_a_log_that_lacks_a_number_is_refused_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(HEADER + "2022-05-01T10:00:00,train,3600,much,1.0,FRA,,\n")
    with pytest.raises(InvalidInput, match="line 2: emissions is 'much'"):
        phase_of(tmp_path, 'codecarbon = "emissions.csv"')


def test_demand_that_accelerates_outgrows_what_is_saved() -> None:
    plain = projection(QUERIES, YEAR_US, Growth("plain", 1.2, 0.8, years=8))
    faster = projection(QUERIES, YEAR_US, Growth("faster", 1.2, 0.8, years=8, demand_acceleration=1.1))
    assert plain[-1].operational_g < plain[0].operational_g < faster[-1].operational_g
    ratios = [after.inferences / before.inferences for before, after in pairwise(faster)]
    assert ratios == pytest.approx([1.2 * 1.1**year for year in range(8)])


def test_a_full_rebound_eats_all_that_is_saved() -> None:
    years = projection(QUERIES, YEAR_US, Growth("rebound", 1.0, 0.5, rebound=1.0))
    assert [each.operational_g for each in years] == pytest.approx([years[0].operational_g] * 6)


@given(st.floats(0.5, 2.0), st.floats(0.5, 1.2), st.floats(0.0, 1.0))
def test_a_tornado_holds_the_middle_and_is_widest_first(demand: float, energy: float, rebound: float) -> None:
    growth = Growth(
        "x",
        Assumption(demand, 0.5 * demand, 2.0 * demand),
        Assumption(energy, 0.9 * energy, energy),
        rebound=Assumption(rebound, 0.0, 1.0),
    )
    last_g = projection(QUERIES, YEAR_US, growth)[-1].total_g
    swings = tornado(QUERIES, YEAR_US, growth)
    assert {each.name for each in swings} <= set(ASSUMPTIONS)
    assert len(swings) == 3
    widths = [abs(each.high_g - each.low_g) for each in swings]
    assert widths == sorted(widths, reverse=True)
    for each in swings:
        low_g, high_g = sorted((each.low_g, each.high_g))
        assert low_g * (1 - 1e-9) <= last_g <= high_g * (1 + 1e-9)


def test_the_scenarios_that_ship_name_every_assumption_and_vary_it() -> None:
    for scenario in SCENARIOS:
        assert "arXiv" in scenario.why
        assert {each.name for each in tornado(QUERIES, YEAR_US, scenario)} == set(ASSUMPTIONS)


@given(st.floats(1.0, 8.0), st.floats(1.0, 8.0), st.floats(0.0, 5.0), st.floats(0.0, 1.0))
def test_a_second_life_moves_making_and_loses_none(now: float, life: float, second: float, reused: float) -> None:
    policy = Refresh("x", life, second, reused)
    year = refreshed(100.0, 50.0, now, policy)
    assert year.making_g + year.reused_g == pytest.approx(100.0 * now / life)
    assert year.making_g <= 100.0 * now / life * (1 + 1e-9)
    assert (year.use_g >= 50.0 * (1 - 1e-9)) == (life >= now)


def test_as_now_is_as_now() -> None:
    same, *_ = (refreshed(100.0, 50.0, 3.0, each) for each in scenarios(3.0))
    assert (same.making_g, same.reused_g, same.use_g) == (100.0, 0.0, 50.0)
