"""What a report is made of beside sums: other ways, savings, machines, life cycle, and the files to hand on."""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput
from autoscale.fleet.export.codecarbon import COLUMNS, as_codecarbon
from autoscale.fleet.export.impact_framework import as_impact_manifest
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report import Question, account
from autoscale.fleet.report.counterfactual import LEAST_WEIGHED, Counterfactual, counterfactuals
from autoscale.fleet.report.idle import Held, whole_fleet
from autoscale.fleet.report.inventory import InventoryMachine, read_device_ids, read_inventory
from autoscale.fleet.report.life_cycle import SCENARIOS, Growth, LifeCycle, projection, read_life_cycle
from autoscale.fleet.report.savings import savings
from autoscale.fleet.report.sums import Parts, Sums, WholeInterval
from autoscale.interval import Interval
from autoscale.units import SECONDS_PER_YEAR
from tests.autoscale.fleet.ledger_parts import random_rows, rows, written

YEAR_US = round(SECONDS_PER_YEAR * 1e6)
COSTS = {"device:cpu/int8": 30, "cloud:gpu/fp32": 8}
NOTHING = Sums(0, Parts(0, 0, 0), Parts(0, 0, 0), Parts(0, 0, 0), WholeInterval(0, 0, 0), 0, 0)


def cell(
    target: str, queries: int, each_ng: int, missed: int = 0, probability: float = 0.5, **key: Any
) -> dict[str, Any]:
    """A row of sums: queries that were chosen with one probability."""
    milli = round(1000 / probability)
    named = {"network": "net", "device_model": "phone", "region": "FRA", "hour": 7, **key}
    weighed = {"weight_milli": queries, "weighed_ng_milli": queries * each_ng, "weighed_missed_milli": missed}
    counted = {"inferences": queries, "carbon_ng": queries * each_ng, "missed": missed}
    return {**named, "target": target, **counted, **{name: milli * value for name, value in weighed.items()}}


def ways(*rows: dict[str, Any]) -> dict[str, Counterfactual]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {each.name: each for each in counterfactuals(columns)}


def sums(energy_uj: Parts, operational_ng: Parts, embodied_ng: Parts) -> Sums:
    total = sum(operational_ng) + sum(embodied_ng)
    return Sums(10, energy_uj, operational_ng, embodied_ng, WholeInterval(total, total, total), 0, 0)


def test_a_query_stands_for_as_many_as_its_probability_says() -> None:
    found = ways(
        cell("device:cpu/int8", 90, 30, probability=0.9),
        cell("cloud:gpu/fp32", 10, 1000, probability=0.1),
        cell("cloud:gpu/fp32", 90, 20, probability=0.9, hour=8),
        cell("device:cpu/int8", 10, 30, probability=0.1, hour=8),
    )
    assert found["actual"].carbon_ng == 90 * 30 + 10 * 1000 + 90 * 20 + 10 * 30
    assert found["all in the cloud"].carbon_ng == pytest.approx(100 * 1000 + 100 * 20, rel=1e-3)
    assert found["all on device"].carbon_ng == pytest.approx(200 * 30, rel=1e-3)
    low, high = found["all in the cloud"].low_ng, found["all in the cloud"].high_ng
    assert low is not None and high is not None and low < 102_000 < high


def test_every_estimator_tells_its_own() -> None:
    found = ways(cell("cloud:gpu/fp32", 60, 8), cell("device:cpu/int8", 40, 30))["all in the cloud"]
    assert {name: each.carbon_ng for name, each in found.estimates.items()} == {
        "ips": 120 * 8,  # 60 queries of even chance stand for 120, though there were 100
        "snips": 100 * 8,
        "doubly_robust": 100 * 8 + 120 * (8 - 8),
    }
    assert found.carbon_ng == found.estimates["snips"].carbon_ng
    assert ways(cell("cloud:gpu/fp32", 60, 8))["actual"].estimates == {}


def test_intervals_of_every_estimator_hold_the_truth() -> None:
    held = dict.fromkeys(("ips", "snips", "doubly_robust"), 0)
    for seed in range(100):
        dice, rows, truth_ng = np.random.default_rng(seed), [], 0.0
        for hour in range(24):  # the cloud is dear by day, and asked for by night
            dear, chance, asked = 1000 + 800 * (8 <= hour < 20), 0.2 if 8 <= hour < 20 else 0.7, 50
            went = int(dice.binomial(asked, chance))
            truth_ng += asked * dear
            each_ng = round(dear * float(dice.lognormal(0.0, 0.1)))
            rows += [cell("cloud:gpu/fp32", went, each_ng, probability=chance, hour=hour)] * (went > 0)
            rows.append(cell("device:cpu/int8", asked - went, 30, probability=1.0 - chance, hour=hour))
        for name, found in ways(*rows)["all in the cloud"].estimates.items():
            assert found.low_ng is not None and found.high_ng is not None
            held[name] += found.low_ng <= truth_ng <= found.high_ng
    assert all(88 <= each <= 100 for each in held.values()), held


def test_what_went_only_where_it_suits_does_not_speak_for_all() -> None:
    found = ways(
        cell("device:cpu/int8", 400, 30, probability=1.0), cell("cloud:gpu/fp32", 100, 5, probability=1.0, hour=8)
    )
    assert (found["all in the cloud"].covered, found["all in the cloud"].low_ng) == (0, None)
    assert "1 of 1 pairs of network and device model" in found["all in the cloud"].refused
    assert "'cloud'" in found["all in the cloud"].refused
    assert found["all on device"].covered == 500  # four of five stand for all but for a fifth
    assert found["all on device"].refused == ""


def test_a_log_that_does_not_say_its_probabilities_has_no_other_ways() -> None:
    silent = {"weight_milli": 0, "weighed_ng_milli": 0, "weighed_missed_milli": 0}
    found = ways(cell("device:cpu/int8", 60, 30) | silent, cell("cloud:gpu/fp32", 60, 8) | silent)
    assert [each.covered for each in found.values()] == [120, 0, 0, 0]
    assert {each.carbon_ng for each in found.values()} == {60 * 38}


def test_one_hour_of_one_region_alone_has_no_interval() -> None:
    found = ways(cell("device:cpu/int8", 60, 30), cell("cloud:gpu/fp32", 60, 8))["all in the cloud"]
    assert (found.carbon_ng, found.covered, found.low_ng) == (120 * 8, 120, None)


def test_the_oracle_takes_no_target_that_misses_more_often_than_it_went() -> None:
    found = ways(cell("device:cpu/int8", 100, 10, missed=60), cell("cloud:gpu/fp32", 100, 50, missed=10))
    assert found["oracle"].carbon_ng == 200 * 30
    slower = ways(cell("device:cpu/int8", 100, 10, missed=30), cell("cloud:gpu/fp32", 100, 50, missed=30))
    assert slower["oracle"].carbon_ng == 200 * 10


def test_too_few_queries_tell_nothing_and_leave_it_as_it_went() -> None:
    few = ways(
        cell("device:cpu/int8", LEAST_WEIGHED - 1, 1, probability=0.09),
        cell("cloud:gpu/fp32", 91, 50, probability=0.91),
    )
    assert few["all on device"].carbon_ng == few["actual"].carbon_ng
    assert few["all on device"].covered == 0


def test_all_in_the_cloud_go_where_the_network_went_most_from_any_device() -> None:
    rows = [
        cell("cloud:cpu/fp32", 50, 90),
        cell("cloud:gpu/fp32", 49, 8),
        cell("cloud:cpu/fp32", 9, 90, device_model="b"),
    ]
    rows.append(cell("cloud:gpu/fp32", 100, 8, device_model="b"))
    assert ways(*rows)["all in the cloud"].carbon_ng == (99 + 109) * 8


def test_where_an_hour_tells_too_little_the_oracle_looks_at_all_hours() -> None:
    hours = [cell(target, 20, each_ng, hour=hour) for hour in range(3) for target, each_ng in COSTS.items()]
    found = ways(*hours)
    assert (found["oracle"].carbon_ng, found["oracle"].covered) == (120 * 8, 120)


def test_sums_beyond_64_bits_are_as_exact() -> None:
    def cells(factor: int) -> list[dict[str, Any]]:
        dear, cheap = (each_ng * factor + 1 for each_ng in COSTS.values())
        return [
            cell(target, 40 + hour, each_ng, hour=hour, missed=hour)
            for hour in range(3)
            for target, each_ng in zip(COSTS, (dear, cheap), strict=True)
        ]

    assert ways(*cells(1))["oracle"].carbon_ng == 2 * (40 + 41 + 42) * 9
    assert ways(*cells(10**18))["oracle"].carbon_ng == 2 * (40 + 41 + 42) * (8 * 10**18 + 1)
    assert ways(*cells(10**18))["actual"].carbon_ng == (40 + 41 + 42) * (38 * 10**18 + 2)


def test_rare_misses_are_not_rounded_away_cell_by_cell() -> None:
    cells = [cell("device:cpu/int8", 20, 30, hour=hour) for hour in range(24)]
    cells += [cell("cloud:gpu/fp32", 20, 8, missed=hour < 8, hour=hour) for hour in range(24)]
    assert ways(*cells)["all in the cloud"].missed == 16  # 8 of 480, of twice as many


CELLS = st.lists(
    st.builds(
        cell,
        st.sampled_from(["device:cpu/int8", "device:npu/int8", "edge:tab:npu/int8", "cloud:gpu/fp32"]),
        st.integers(1, 200),
        st.integers(0, 10**6),
        hour=st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


@given(CELLS)
def test_the_oracle_is_never_worse_than_what_happened(rows: list[dict[str, Any]]) -> None:
    found = ways(*rows)
    assert found["oracle"].carbon_ng <= found["actual"].carbon_ng == sum(row["carbon_ng"] for row in rows)
    assert ways(*reversed(rows)) == found


def test_a_year_longer_spreads_the_same_embodied_carbon_over_one_year_more() -> None:
    of_phones = sums(Parts(0, 0, 0), Parts(0, 0, 0), Parts(4000, 7, 7))
    life, move, _ = savings({"mi8pro": of_phones}, {"": of_phones}, [*ways(cell("device:cpu/int8", 1, 1)).values()])
    assert life.carbon_ng == 1000  # three years become four
    assert move.carbon_ng == 0


def test_far_machines_move_to_the_cleanest_region() -> None:
    dirty = sums(Parts(0, 0, 1000), Parts(0, 0, 500), Parts(0, 0, 0))
    clean = sums(Parts(0, 0, 1000), Parts(0, 0, 100), Parts(0, 0, 0))
    went = [*ways(cell("cloud:gpu/fp32", 1, 1)).values()]
    _, move, _ = savings({}, {"here": dirty, "there": clean}, went)
    assert (move.carbon_ng, move.name) == (400, "far machines all stand at there")
    _, move, _ = savings({}, {"gcp:europe-west1": dirty, "": NOTHING}, went)
    assert move.carbon_ng == round(500 * (1 - 20 / 180))
    _, move, _ = savings({}, {"the cellar": dirty}, went)
    assert move.carbon_ng == 0


def machine(name: str, role: str = "device") -> InventoryMachine:
    """1 W idle, 3 µg a joule, 1 mg of making a second."""
    return InventoryMachine(name, role, Span(), 1.0, None, Interval.exactly(3e-6), Interval(0.5e-3, 1e-3, 2e-3))


@given(st.integers(0, 200), st.integers(0, 300))
def test_of_embodied_carbon_the_same_fraction_is_carried_at_both_ends(busy_s: int, carried_mg: int) -> None:
    reported = [{"device_id": "a", "latency_us": busy_s * 10**6, "embodied_device_ng": carried_mg * 10**6}]
    found = whole_fleet([machine("a")], reported, Span(0, 100 * 10**6), NOTHING, Held(0, 0))
    left_mg = max(0, 100 - carried_mg)
    assert found.unallocated_ng == WholeInterval(left_mg * 500_000, left_mg * 10**6, left_mg * 2 * 10**6)
    assert found.overdrawn_ng == max(0, carried_mg - 100) * 10**6
    assert found.idle_energy_uj == max(0, 100 - busy_s) * 10**6


def test_far_machines_are_a_pool_and_may_be_there_for_a_part() -> None:
    half = InventoryMachine(
        "r2", "remote", Span(0, 50 * 10**6), 1.0, None, Interval.exactly(0.0), Interval.exactly(1e-3)
    )
    found = whole_fleet(
        [machine("r1", "remote"), half], [], Span(0, 100 * 10**6), NOTHING, Held(30 * 10**6, 60 * 10**6)
    )
    assert found.idle_energy_uj == 120 * 10**6
    assert found.unallocated_ng.mid == 90 * 10**6
    assert found.silent == ()


def test_an_inventory_says_the_same_as_csv_and_as_toml(tmp_path: Path) -> None:
    table, document = tmp_path / "fleet.csv", tmp_path / "fleet.toml"
    table.write_text("device_id,device_model,region,share\nphone-1,mi8pro,FR,0.5\nphone-2,mi8pro,,\n")
    document.write_text(
        '[[machines]]\ndevice_id = "phone-1"\ndevice_model = "mi8pro"\nregion = "FR"\nshare = 0.5\n'
        '[[machines]]\ndevice_id = "phone-2"\ndevice_model = "mi8pro"\n'
    )
    machines = read_inventory(table)
    assert machines == read_inventory(document)
    first, second = machines
    assert first.idle_power_w == second.idle_power_w / 2
    assert first.embodied_g_per_s.mid == pytest.approx(0.5 * 55e3 / (3 * SECONDS_PER_YEAR))
    assert first.g_per_j.mid * 3.6e6 == pytest.approx(31, abs=1)
    assert second.g_per_j.mid * 3.6e6 == pytest.approx(422.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device,share\na,1\n", "unknown column of an inventory 'device'"),
        ("device_id,idle_power_w,share\na,1,1.5\n", "share is 1.5; allowed: 0 to 1"),
        ("device_id,idle_power_w\na,nan\n", "idle_power_w is nan"),
        ("device_id,idle_power_w\na,1\na,2\n", "'a' is there already"),
        ("device_id,idle_power_w\n,1\n", "no device_id"),
        ("device_id\na\n", "neither idle_power_w nor device_model"),
        ("device_id,device_model\na,mi8prp\n", "mi8pro"),
        ("device_id,idle_power_w,role\na,1,phone\n", "unknown role 'phone'"),
        ("device_id,idle_power_w,region\na,1,Atlantis\n", "unknown place 'Atlantis'"),
        ("device_id,idle_power_w,since,until\na,1,2026-02-01,2026-01-01\n", "ends at"),
        ("device_id,idle_power_w,life_years\na,1,3\n", "line 2: it has life_years and nothing that they are of"),
        ("device_id,idle_power_w\n", "has no machines"),
        ("device_id,idle_power_w,idle_power_w\na,1,2\n", "the column 'idle_power_w' twice"),
        ("device_id,idle_power_w\na,0,4\n", "has 3 values; allowed: 2"),
        ("device_id,idle_power_w\na,1e11\n", "idle_power_w is 1.*; allowed: 0 to 1e\\+06"),
        ("device_id,idle_power_w,life_years\na,1,0\n", "life_years is 0.0; allowed: 0.001 to 100"),
        ("device_id,idle_power_w,intensity_g_per_kwh\na,1,60000\n", "allowed: 0 to 3000"),
    ],
)
def test_inventories_that_are_wrong_name_line_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fleet.csv"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_inventory(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_an_inventory_is_read_as_spreadsheets_write_it(tmp_path: Path, encoding: str) -> None:
    plain, foreign = tmp_path / "plain.csv", tmp_path / "foreign.csv"
    plain.write_text("device_id,device_model,idle_power_w,life_years\nKüche-1,mi8pro,0.4,3\nb,mi8pro,,\n", "utf-8")
    head = "Flotte 2026;;;;\r\nDevice_ID; device_model ;Idle_Power_W;life_years;\r\n"
    text = f"{head}Küche-1;mi8pro;0,4;3;\r\nb;mi8pro\r\n;;;;\r\n"
    foreign.write_bytes(text.encode(encoding))
    assert read_inventory(foreign) == read_inventory(plain)
    assert read_device_ids(foreign) == {"Küche-1", "b"}


@pytest.mark.parametrize("dates", [("01.11.2026", "13.11.2026 10:00"), ("11/01/2026", "11/13/2026 10:00")])
def test_an_inventorys_dates_and_thousands_are_read_as_a_spreadsheets_country_writes_them(
    tmp_path: Path, dates: tuple[str, str]
) -> None:
    plain, foreign = tmp_path / "plain.csv", tmp_path / "foreign.csv"
    columns = ("device_id", "idle_power_w", "making_kg", "life_years", "since", "until")
    plain.write_text(f"{','.join(columns)}\na,90.5,1278,4,2026-11-01,2026-11-13T10:00\n")
    foreign.write_text(f"{';'.join(columns)}\na;90,5;1.278;4;{';'.join(dates)}\n")
    assert read_inventory(foreign) == read_inventory(plain)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("90;1.278;", "line 2: making_kg is '1.278' may be thousands or decimals"),
        ("90,5;2.5;", "line 2: making_kg is '2.5' has a decimal point, and others a comma"),
        ("90;1278;03/04/2026", "'03/04/2026' may be in two months"),
    ],
)
def test_what_may_be_two_numbers_or_days_is_refused_but_where_names_are_all_that_is_asked(
    tmp_path: Path, row: str, message: str
) -> None:
    path = tmp_path / "fleet.csv"
    path.write_text(f"device_id;idle_power_w;making_kg;since\na;{row}\n")
    with pytest.raises(InvalidInput, match=message):
        read_inventory(path)
    assert read_device_ids(path) == {"a"}


@pytest.mark.parametrize("text", ["machines = 3\n", "machines = ['a']\n"])
def test_an_inventory_in_toml_is_of_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"allowed: tables \[\[machines\]\]"):
        read_inventory(path)


def test_a_life_cycle_is_read_with_its_phases_and_growth(tmp_path: Path) -> None:
    path = tmp_path / "life.toml"
    path.write_text(
        "[phases.training]\nenergy_kwh = 100\nintensity_g_per_kwh = 400\npue = 1.1\nembodied_kg = 2\n"
        "[phases.experimentation]\ncarbon_kg = 3\n"
        '[[growth]]\nname = "plan"\ndemand_per_year = 2\nenergy_per_year = 0.5\nyears = 2\n'
    )
    found = read_life_cycle(path)
    assert [(each.name, round(each.operational_g), each.embodied_g) for each in found.phases] == [
        ("training", 44_000, 2000.0),
        ("experimentation", 3000, 0.0),
    ]
    assert found.growth == (Growth("plan", 2.0, 0.5, years=2),)


def test_demand_that_outgrows_efficiency_grows_all_the_same() -> None:
    now = sums(Parts(0, 0, 0), Parts(10**9, 0, 0), Parts(10**9, 0, 0))
    steady = projection(now, YEAR_US, Growth("steady", 2.0, 0.5, years=2))
    assert [(year.operational_g, year.embodied_g) for year in steady] == [(1.0, 1.0), (1.0, 2.0), (1.0, 4.0)]
    assert projection(now, YEAR_US // 2, Growth("half", 2.0, 0.5))[0].operational_g == 2.0
    assert projection(now, 1, Growth("a microsecond", 2.0, 0.5))[0].operational_g == 365.0
    outgrown = projection(now, YEAR_US, SCENARIOS[1])
    assert all(later.operational_g > year.operational_g for year, later in pairwise(outgrown))
    assert LifeCycle().growth == SCENARIOS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[phases.training]\nenergy_kwh = 1\ncarbon_kg = 1\n", "either carbon_kg or energy_kwh"),
        ("[phases.training]\ncarbon_kg = -1\n", r"phases\.training\.carbon_kg is -1; allowed: a number, 0 or more"),
        ("[phases.training]\ncarbon = 1\n", "did you mean 'carbon_kg'"),
        ("[phase.training]\ncarbon_kg = 1\n", r"unknown key 'phase' .*did you mean 'phases'"),
        ('[[growth]]\nname = "x"\ndemand_per_year = 0\nenergy_per_year = 1\n', "demand_per_year is 0"),
        ('[[growth]]\nname = "x"\n', "missing"),
        ('[[growth]]\nname = "x"\ndemand_per_year = 1\nenergy_per_year = 1\nyears = 2.5\n', "years is 2.5"),
        ('[[growth]]\nname = "x"\ndemand_per_year = "2"\nenergy_per_year = 1\n', "demand_per_year is '2'"),
        ('[[growth]]\nname = "x"\ndemand_per_year = 1\nenergy_per_year = 1\nyears = true\n', "years is True"),
        ("[[growth]]\nname = 3\ndemand_per_year = 1\nenergy_per_year = 1\n", "name is 3; allowed: a text"),
        (
            "[phases.training]\nenergy_kwh = 1\npue = 0.5\n",
            r"phases\.training\.pue is 0.5; allowed: a number, 1 or more",
        ),
        ("[phases.inference]\ncarbon_kg = 1\n", r"\[phases\.inference\]; allowed: any other name"),
        ("growth = 3\n", "growth is 3; allowed: tables"),
        ("phases = { training = 3 }\n", "allowed: a table"),
        ("phases = 3\n", "phases is 3; allowed: a table"),
        ("[[[\n", "is not TOML"),
    ],
)
def test_life_cycles_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "life.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_life_cycle(path)


def test_exports_hold_the_same_carbon_as_the_report(tmp_path: Path) -> None:
    for needed in ("duckdb", "pyarrow"):
        pytest.importorskip(needed)
    yaml = pytest.importorskip("yaml")
    span = Span.parse("2026-11-01T06:00", "2026-11-03")
    report = account(written(tmp_path / "ledger", random_rows(2000, 1)), Question(span))
    table = list(csv.DictReader(io.StringIO(as_codecarbon(report))))
    assert tuple(table[0]) == COLUMNS
    assert sum(float(row["emissions"]) for row in table) == pytest.approx(sum(report.total.operational_ng) / 1e12)
    assert sum(float(row["energy_consumed"]) for row in table) == pytest.approx(sum(report.total.energy_uj) / 3.6e12)
    assert {row["country_iso_code"] for row in table} == {"FRA", "DEU", ""}
    assert {row["timestamp"]: float(row["duration"]) for row in table} == {
        "2026-11-01T23:59:59": 64_800.0,
        "2026-11-02T23:59:59": 86_400.0,
    }
    assert {(row["region"], row["country_iso_code"]) for row in table} == {("FRA", "FRA"), ("DEU", "DEU"), ("", "")}
    manifest = yaml.safe_load(as_impact_manifest(report))
    unit = manifest["initialize"]["plugins"]["sci"]["config"]["functional-unit"]
    inputs = [each for child in manifest["tree"]["children"].values() for each in child["inputs"]]
    assert sum(each[unit] for each in inputs) == report.total.inferences
    assert sum(each["carbon"] for each in inputs) == pytest.approx(report.total.total_ng.mid / 1e9)
    assert all(each["carbon"] == pytest.approx(each["carbon-operational"] + each["carbon-embodied"]) for each in inputs)


def test_a_zone_lies_in_its_country_for_codecarbon(tmp_path: Path) -> None:
    for needed in ("duckdb", "pyarrow"):
        pytest.importorskip(needed)
    regions = ["US-CAL-CISO", "Guinea-Bissau", "aws:eu-west-1", "nowhere"]
    report = account(written(tmp_path / "ledger", rows(4, region_device=regions)))
    table = csv.DictReader(io.StringIO(as_codecarbon(report)))
    assert {row["region"]: row["country_iso_code"] for row in table} == {
        "US-CAL-CISO": "USA",
        "Guinea-Bissau": "GNB",
        "aws:eu-west-1": "IRL",
        "nowhere": "",
    }
