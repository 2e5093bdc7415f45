"""Columns, rows, what has arrived, what is rejected."""

import math
from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput
from autoscale.fleet import Rows, Texts
from autoscale.fleet.ledger.column import ABSENT, NOT_A_NUMBER, Column
from autoscale.fleet.ledger.figures import rows_of_figures
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.record_view import RecordView
from autoscale.fleet.ledger.row_encoder import encode_record
from autoscale.fleet.ledger.rows import joined, none, with_all_columns
from autoscale.fleet.ledger.schema import BATCH_COLUMNS, BY_NAME, COLUMNS, NUMBERS, SCHEMA, TEXTS
from autoscale.fleet.ledger.validation import FIRST_TIME_US, REASONS, Rules, validate
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import CarbonEnds, Method, Outcome, Split
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target

NOW_US = 1_795_000_000_000_000
CLOUD, DEVICE = Target("cloud", "gpu", "fp32"), Target("device", "cpu", "int8", frequency_hz=1_766_000_000)
OUTCOME = Outcome(
    0.0125,
    Split(0.25, 0.125, 3.0),
    Split(1e-6, 2e-6, 3e-6),
    Split(4e-9, 0.0, 6e-9),
    0.71,
    {"latency_s": Method.MEASURED, "energy_j.device": Method.MODELLED},
)


def record(
    chosen: Target = CLOUD, selected: Target = CLOUD, outcome: Outcome = OUTCOME, goal: Goal | None = None
) -> Record:
    attempts = tuple(Attempt(each, 0.01) for each in dict.fromkeys((chosen, selected)))
    decision = Decision("AUTO", chosen, attempts, 0.013, None, outcome, 0.9, -1.0)
    seen = Observation(intensity_g_per_kwh={"device": 381.0, "cloud": 56.5})
    regions, kinds = {"device": "FRA", "cloud": "IRL"}, {"device": "average", "cloud": "marginal"}
    return Record(NOW_US / 1e6, "mi8pro", "mobilenet-v1", goal or Goal(), seen, decision, regions, kinds)


def flat(record: Record, app_version: str = "") -> dict[str, int | str]:
    numbers, texts = encode_record(record)
    row = zip((*NUMBERS, *TEXTS), (7, *numbers, "session", app_version, *texts), strict=True)
    return dict(row)


def rows(count: int = 3, **changed: object) -> Rows:
    """Good rows, with the values given of some columns: a number, an array, or a text."""
    values = {
        **flat(record()),
        "schema": 1,
        "device_id": "device",
        "log_id": "log",
        "sequence": np.arange(count),
    } | changed
    numbers = {each.name: np.full(count, values[each.name], np.int64) for each in COLUMNS if not each.is_text}
    return Rows(numbers, {each.name: Texts.same(str(values[each.name]), count) for each in COLUMNS if each.is_text})


def reasons(given: Rows, rules: Rules | None = None) -> list[str]:
    return ["" if each < 0 else REASONS[each] for each in validate(given, rules or Rules(), NOW_US)]


def test_every_column_is_documented_once_and_stands_in_one_place() -> None:
    assert all(each.meaning for each in COLUMNS)
    assert len(BY_NAME) == len(COLUMNS)
    assert sorted((*NUMBERS, *TEXTS, *BATCH_COLUMNS)) == sorted(BY_NAME)
    units = {"_uj": "µJ", "_ng": "ng CO2e", "_us": "µs", "_mg_per_kwh": "mg CO2e/kWh", "_ppm": "1e-6", "_ppb": "1e-9"}
    declared = {each.name: each.unit for each in COLUMNS if each.unit}
    assert declared == {name: unit for name in declared for suffix, unit in units.items() if name.endswith(suffix)}


def test_a_column_that_comes_later_says_what_older_rows_have() -> None:
    with pytest.raises(InvalidInput, match="column 'tries' is there since schema 2 and has no default for older rows"):
        Column("tries", "int32", "", "targets that were tried", "attempts", since=2)
    assert Column("tries", "int32", "", "targets that were tried", "attempts", since=2, default=1).absent == 1
    assert all(each.since <= SCHEMA for each in COLUMNS)


def test_rows_without_a_column_that_all_must_have_are_refused() -> None:
    lacking = Rows({"sequence": np.arange(2)}, {})
    with pytest.raises(InvalidInput, match=r"rows lack the columns \['schema', 'device_id'"):
        with_all_columns(lacking)
    numbers = {name: values for name, values in rows(2).numbers.items() if name != "accuracy_ppm"}
    assert with_all_columns(Rows(numbers, rows(2).texts)).numbers["accuracy_ppm"].tolist() == [ABSENT, ABSENT]


@pytest.mark.parametrize("made", ["usual", "endless", "short"])
def test_arrays_of_figures_become_what_a_record_becomes(made: str) -> None:
    """The simulator's way and the device's."""
    thirds = replace(
        OUTCOME, carbon_embodied_g=Split(1.4e-9, 1.4e-9, 1.4e-9), ends=CarbonEnds(0.0, 1.0, 4.2e-9, 4.2e-9)
    )
    given = {
        "usual": record(),
        "endless": record(goal=Goal(latency_s=math.inf)),
        "short": record(outcome=replace(thirds, accuracy=None)),
    }[made]
    view, names = RecordView(given), [name for name in NUMBERS if BY_NAME[name].of]
    figures = {name: attrgetter(BY_NAME[name].of)(view) for name in names}
    arrays = {name: np.array([math.nan if each is None else each] * 3) for name, each in figures.items()}
    whole = rows(3)
    found = rows_of_figures(whole.numbers | arrays, whole.texts).numbers
    expected = flat(given)
    assert {name: found[name].tolist() for name in names} == {name: [expected[name]] * 3 for name in names}


def test_a_record_becomes_whole_numbers() -> None:
    ends = CarbonEnds(3e-6, 12e-6, 5e-9, 30e-9)
    row = flat(record(outcome=replace(OUTCOME, ends=ends)), "1.2")
    assert row["app_version"] == "1.2"
    assert [row[f"energy_{part}_uj"] for part in ("device", "network", "remote")] == [250_000, 125_000, 3_000_000]
    assert [row[f"operational_{part}_ng"] for part in ("device", "network", "remote")] == [1000, 2000, 3000]
    assert [row[f"embodied_{part}_ng"] for part in ("device", "network", "remote")] == [4, 0, 6]
    assert (row["operational_low_ng"], row["operational_high_ng"]) == (3000, 12000)
    assert (row["embodied_low_ng"], row["embodied_high_ng"]) == (5, 30)
    assert (row["latency_us"], row["goal_latency_us"], row["is_late"]) == (12_500, 50_000, False)
    assert (row["accuracy_ppm"], row["goal_accuracy_ppm"], row["probability_ppb"]) == (710_000, ABSENT, 900_000_000)
    assert (row["predicted_latency_us"], row["predicted_energy_uj"]) == (13_000, ABSENT)
    assert (row["region_device"], row["region_network"], row["region_remote"]) == ("FRA", "", "IRL")
    assert (row["intensity_device_mg_per_kwh"], row["intensity_remote_mg_per_kwh"]) == (381_000, 56_500)
    assert (row["intensity_remote_kind"], row["intensity_network_kind"]) == ("marginal", "")
    assert (row["chosen"], row["place"], row["precision"]) == ("cloud:gpu/fp32", "cloud", "fp32")
    assert row["methods"] == "energy_j.device=modelled;latency_s=measured"


def test_a_query_that_stayed_has_no_far_machine_and_one_that_fell_back_has() -> None:
    stayed, fell_back = flat(record(DEVICE, DEVICE)), flat(record(CLOUD, DEVICE))
    assert (stayed["region_remote"], stayed["intensity_remote_mg_per_kwh"], stayed["did_fallback"]) == (
        "",
        ABSENT,
        False,
    )
    assert (fell_back["region_remote"], fell_back["attempts"], fell_back["did_fallback"]) == ("IRL", 2, True)
    assert fell_back["selected"] == "device:cpu/int8@1766MHz"


def test_without_a_range_the_ends_are_the_sum_of_the_parts_and_rounding_never_leaves_the_range() -> None:
    row = flat(record())
    assert (row["operational_low_ng"], row["operational_high_ng"]) == (6000, 6000)
    thirds = replace(
        OUTCOME, carbon_embodied_g=Split(1.4e-9, 1.4e-9, 1.4e-9), ends=CarbonEnds(0.0, 1.0, 4.2e-9, 4.2e-9)
    )
    row = flat(record(outcome=thirds))
    assert (row["embodied_low_ng"], row["embodied_high_ng"]) == (3, 4)


def test_no_limit_is_absent_and_no_number_is_reported_as_none() -> None:
    endless = flat(record(goal=Goal(latency_s=math.inf)))
    assert (endless["goal_latency_us"], endless["is_late"]) == (ABSENT, False)
    broken = record()
    broken = replace(broken, time_s=math.nan, decision=replace(broken.decision, probability=math.inf))
    assert (flat(broken)["time_us"], flat(broken)["probability_ppb"]) == (NOT_A_NUMBER, NOT_A_NUMBER)


def test_a_good_row_is_accepted_as_a_record_makes_it() -> None:
    assert reasons(rows()) == ["", "", ""]
    assert reasons(none()) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"energy_device_uj": NOT_A_NUMBER}, "not_a_number"),
        ({"energy_remote_uj": -5}, "negative"),
        ({"latency_us": ABSENT}, "negative"),
        ({"probability_ppb": 10**9 + 1}, "out_of_range"),
        ({"is_late": 2}, "out_of_range"),
        ({"attempts": 2**31}, "out_of_range"),
        ({"time_us": NOW_US + 3_601_000_000}, "future_dated"),
        ({"time_us": FIRST_TIME_US - 1}, "past_dated"),
        ({"device_id": "stranger"}, "unknown_device"),
        ({"device_model": "toaster"}, "unknown_profile"),
        ({"region_device": "Atlantis"}, "unknown_region"),
        ({"place": "moon"}, "unknown_word"),
        ({"model": ""}, "unknown_word"),
        ({"model": "a\nb"}, "unknown_word"),
        ({"model": "x" * 1025}, "unknown_word"),
    ],
)
def test_what_cannot_be_true_is_rejected_with_its_reason(changed: dict[str, object], reason: str) -> None:
    rules = Rules(frozenset(["device"]), frozenset(["mi8pro"]), frozenset(["FRA", "IRL"]).__contains__)
    assert reasons(joined([rows(), rows(1, **changed), rows()]), rules) == ["", "", "", reason, "", "", ""]


def test_what_is_allowed_is_not_rejected() -> None:
    assert reasons(rows(1, time_us=NOW_US + 3_599_000_000, goal_latency_us=ABSENT, probability_ppb=10**9)) == [""]
    assert reasons(rows(1, region_device="FRA"), Rules(is_region=frozenset(["FRA", "IRL"]).__contains__)) == [""]


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
def test_each_number_is_fresh_once_in_any_order(batches: list[list[int]]) -> None:
    state, seen = LogState(), set[int]()
    for batch in batches:
        state, verdict = state.admit(np.array(batch, np.int64))
        expected = [each not in seen and each not in batch[:i] for i, each in enumerate(batch)]
        assert verdict.is_fresh.tolist() == expected
        seen.update(batch)
        assert state.high_water == max(seen, default=-1)
        missing = [number for first, last in state.gaps for number in range(first, last + 1)]
        assert missing == [each for each in range(state.high_water + 1) if each not in seen]
        assert state.missing == len(missing)


def test_late_rows_are_counted_as_reordered() -> None:
    state, first = LogState().admit(np.array([0, 5, 3]))
    assert (first.reordered, first.duplicate) == (1, 0)
    assert state.admit(np.array([1, 5]))[1].reordered == 1


@given(st.lists(st.lists(st.sampled_from(["a", "b", "", "ä"]), min_size=1, unique=True), min_size=1))
def test_texts_survive_joining_and_trimming(columns: list[list[str]]) -> None:
    parts = [Texts(np.arange(len(words), dtype=np.int32), tuple(words)) for words in columns]
    together = joined(
        [Rows({"sequence": np.zeros(len(each.codes), np.int64)}, {"model": each}) for each in parts]
    ).texts["model"]
    for texts in (together, together.trimmed()):
        assert [texts.words[code] for code in texts.codes] == [word for words in columns for word in words]
    assert sorted(together.trimmed().words) == sorted({word for words in columns for word in words})
