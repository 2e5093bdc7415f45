"""The simulated fleet's ledger: laid out as a collected one, the same by its seed, and adding up."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon.intensity.places import Places
from autoscale.errors import InvalidInput
from autoscale.fleet import Rows, read_ledger
from autoscale.fleet.ledger.column import ABSENT
from autoscale.fleet.ledger.rows import joined
from autoscale.fleet.ledger.validation import Rules, validate
from autoscale.profiles import device_names, load_device
from autoscale.query.target import Target
from autoscale_envs.fleet.assumptions import FILE
from autoscale_envs.fleet.plan import POLICIES, FleetPlan, parse_mix
from autoscale_envs.fleet.policy import EXPLORED
from autoscale_envs.fleet.population import apportioned, make_cohorts
from autoscale_envs.fleet.regions import REGIONS
from autoscale_envs.fleet.sessions import QUERIES
from autoscale_envs.fleet.simulate import DayRows, simulate

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from autoscale.fleet.ledger.arrow import arrow_schema  # noqa: E402  needs what was just found

PLAN = FleetPlan(devices=300, days=2, seed=7, mix={"mi8pro": 1.0, "s10e": 1.0})
DAY_US = 86_400_000_000
FIRST_US = 1_735_689_600_000_000
"""2025-01-01 UTC."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet") / "ledger"
    assert simulate(PLAN, folder) == read_ledger(folder).counts["accepted"]
    return folder


@pytest.fixture(scope="module")
def columns(ledger: Path) -> dict[str, Any]:
    return columns_of(ledger)


def columns_of(folder: Path) -> dict[str, Any]:
    """Columns as numpy arrays (absent numbers -1), in the order of devices and their logs."""
    table = pa.concat_tables(pq.ParquetFile(each).read() for each in read_ledger(folder).files)
    table = table.sort_by([("device_id", "ascending"), ("sequence", "ascending")])
    return {name: filled(table[name]) for name in table.column_names}


def filled(column: Any) -> Any:
    if pa.types.is_integer(column.type):
        return column.fill_null(ABSENT).to_numpy()
    return np.array(column.to_pylist())


def day_of(plan: FleetPlan) -> Iterator[Rows]:
    """The rows of the first day, a cohort after the other."""
    return (DayRows(plan, each, 0, each.devices).day(0) for each in make_cohorts(plan))


def test_files_have_the_schema_of_collected_ones(ledger: Path) -> None:
    view = read_ledger(ledger)
    assert [each.parent.name for each in view.files] == ["day=2025-01-01", "day=2025-01-02"]
    assert all(pq.read_schema(each).equals(arrow_schema()) for each in view.files)
    assert not view.damaged


def test_a_collector_would_take_every_row() -> None:
    rows = joined(list(day_of(PLAN)))
    places = Places.shipped()
    rules = Rules(None, frozenset(device_names()), lambda word: bool(places.find(word)))
    assert (validate(rows, rules, FIRST_US + DAY_US) == -1).all()


def test_same_seed_same_records_however_many_are_written_at_once(tmp_path: Path, columns: dict[str, Any]) -> None:
    simulate(PLAN, tmp_path / "small", rows_at_once=1)
    assert len(read_ledger(tmp_path / "small").files) > 2
    again = columns_of(tmp_path / "small")
    assert all(np.array_equal(again[name], columns[name]) for name in columns)


def test_another_seed_makes_other_records() -> None:
    one, other = (joined(list(day_of(FleetPlan(50, 1, seed)))) for seed in (1, 2))
    assert len(one) != len(other)
    assert not set(one.texts["device_id"].words) & set(other.texts["device_id"].words)


def test_logs_are_numbered_without_gaps_and_sessions_keep_together(columns: dict[str, Any]) -> None:
    _, starts, counts = np.unique(columns["device_id"], return_index=True, return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        assert np.array_equal(columns["sequence"][start : start + count], np.arange(count))
        assert len(set(columns["log_id"][start : start + count])) == 1
    _, sizes = np.unique(columns["session_id"], return_counts=True)
    assert set(sizes) == {QUERIES}


def test_rows_lie_in_their_days(ledger: Path) -> None:
    for day, path in enumerate(read_ledger(ledger).files):
        time_us = pq.ParquetFile(path).read(["time_us"])["time_us"].to_numpy() - FIRST_US
        assert time_us.min() >= day * DAY_US
        assert time_us.max() < (day + 1) * DAY_US


def test_totals_are_what_the_plan_expects(columns: dict[str, Any]) -> None:
    # The sum of 300 lognormal activities strays by some 6 %; Poisson's part is smaller.
    assert len(columns["sequence"]) == pytest.approx(PLAN.expected_records, rel=0.25)
    latency_s, energy_j = columns["latency_us"] / 1e6, columns["energy_device_uj"] / 1e6
    assert 0.005 < np.median(latency_s) < 0.05
    assert 0.005 < np.median(energy_j) < 0.2
    assert columns["predicted_latency_us"].mean() == pytest.approx(columns["latency_us"].mean(), rel=0.5)
    assert set(columns["app_version"]) == {"simulated"}
    assert not any("measured" in each for each in set(columns["methods"]))
    # Lateness was judged before latencies were rounded to microseconds.
    clear = columns["latency_us"] != columns["goal_latency_us"]
    assert np.array_equal(columns["is_late"][clear], (columns["latency_us"] > columns["goal_latency_us"])[clear])
    assert clear.mean() > 0.999


def test_duckdb_sums_what_pyarrow_reads(ledger: Path, columns: dict[str, Any]) -> None:
    duckdb = pytest.importorskip("duckdb")
    names = [name for name in columns if name.endswith(("_uj", "_ng")) and "predicted" not in name]
    listed = [str(each) for each in read_ledger(ledger).files]
    sums = ", ".join(f"sum({name})::BIGINT" for name in names)
    found = duckdb.sql(f"SELECT place, {sums} FROM read_parquet({listed}) GROUP BY place").fetchall()
    parts = np.sum([row[1:] for row in found], axis=0)
    assert [int(each) for each in parts] == [int(columns[name].sum()) for name in names]


def test_a_ledger_says_what_it_assumes_and_whether_it_is_whole(ledger: Path, tmp_path: Path) -> None:
    printed = json.loads((ledger / FILE).read_text())
    assert (printed["simulated"], printed["is_complete"]) == (True, True)
    assert printed["plan"]["mix"] == PLAN.mix
    assert [each["code"] for each in printed["assumptions"]["regions"]["figures"]] == [each.code for each in REGIONS]
    assert all(each["what"] for each in printed["assumptions"].values())
    simulate(PLAN, tmp_path / "cut", lambda done: False, rows_at_once=1000)
    assert json.loads((tmp_path / "cut" / FILE).read_text())["is_complete"] is False


def test_no_row_of_a_log_is_missing(ledger: Path, columns: dict[str, Any]) -> None:
    assert read_ledger(ledger).counts["missing"] == 0
    last = {device: number for device, number in zip(columns["device_id"], columns["sequence"], strict=True)}
    assert sum(last.values()) + len(last) == len(columns["sequence"])


def test_people_sleep_at_night() -> None:
    rows = joined(list(day_of(FleetPlan(2000, 1))))
    ahead_h = {each.code: each.ahead_h for each in REGIONS}
    texts = rows.texts["region_device"]
    local_h = rows.numbers["time_us"] % DAY_US / 3.6e9 + np.array([ahead_h[each] for each in texts.words])[texts.codes]
    by_hour = np.bincount((local_h % 24.0).astype(np.intp), minlength=24)
    assert by_hour[1:5].max() * 5 < by_hour[18:21].min()


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_go_where_they_say(policy: str) -> None:
    rows = joined(list(day_of(FleetPlan(40, 1, mix={"mi8pro": 1.0}, policy=policy))))
    texts = rows.texts["selected"].trimmed()
    targets = [Target.parse(each) for each in texts.words]
    places = {each.place for each in targets}
    assert places == {"cloud": {"cloud"}, "learned": {"device", "cloud"}}.get(policy, {"device"})
    probability = rows.numbers["probability_ppb"]
    if policy == "learned":
        assert np.mean(probability < 10**8) == pytest.approx(EXPLORED, abs=0.03)
    else:
        assert set(probability) == {10**9}
    if policy == "device-cpu-fp32":
        assert {(each.processor, each.precision) for each in targets} == {("cpu", "fp32")}


def test_learning_pays() -> None:
    def mean_uj(policy: str) -> float:
        rows = joined(list(day_of(FleetPlan(200, 1, mix={"mi8pro": 1.0}, policy=policy))))
        return float(rows.numbers["energy_device_uj"].mean())

    assert mean_uj("learned") < 0.5 * mean_uj("device-cpu-fp32")


@pytest.mark.parametrize("device", [each for each in device_names() if load_device(each).kind != "server"])
def test_every_device_that_asks_can_be_in_a_fleet(device: str) -> None:
    rows = joined(list(day_of(FleetPlan(5, 1, mix={device: 1.0}))))
    assert rows.texts["device_model"].words == (device,)
    assert rows.numbers["energy_device_uj"].min() > 0


def test_it_stops_when_told_and_what_is_there_counts(tmp_path: Path) -> None:
    records = simulate(PLAN, tmp_path / "ledger", lambda done: done < 5000, rows_at_once=1000)
    assert 5000 <= records < 9000
    assert sum(pq.read_metadata(each).num_rows for each in read_ledger(tmp_path / "ledger").files) == records


def test_it_writes_into_no_folder_that_holds_something(tmp_path: Path, ledger: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    for each in (tmp_path, tmp_path / "mine.txt", ledger):
        with pytest.raises(InvalidInput, match="holds something already"):
            simulate(PLAN, each)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"devices": 0}, "devices is 0; allowed: 1"),
        ({"days": 0}, "days is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"queries_per_day": float("nan")}, "queries_per_day is nan"),
        ({"policy": "oracel"}, "unknown policy 'oracel'"),
        ({"mix": {"mi8": 1.0}}, "did you mean 'mi8pro'"),
        ({"mix": {"xeon-p100": 1.0}}, "a server"),
        ({"mix": {"mi8pro": 0.0}}, "the share of 'mi8pro' is 0.0"),
        ({"mix": {}}, "no devices"),
        ({"start": date(1999, 1, 1)}, "start is 1999-01-01"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        FleetPlan(**{"devices": 10, "days": 1, **changed})


@pytest.mark.parametrize("text", ["", "mi8pro", "mi8pro=much", "mi8pro=1,mi8pro=2"])
def test_a_mix_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_mix(text)


@given(st.integers(1, 10**6), st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9))
def test_shares_are_kept_to_the_device(total: int, weights: list[float]) -> None:
    counts = apportioned(total, weights)
    assert sum(counts) == total
    assert all(abs(count - total * each / sum(weights)) < 1 for count, each in zip(counts, weights, strict=True))
