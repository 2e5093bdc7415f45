"""Rows are judged: what a query can take, figures that fit each other, clocks that rows of one log contradict."""

import numpy as np
import pytest

from autoscale.fleet.ledger.clock import RESET_US, reset_rows
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.rows import Rows
from autoscale.fleet.ledger.validation import REASONS, Rules, validate
from tests.autoscale.fleet.ledger.test_schema import NOW_US, rows

DAY_S = 86_400.0

HONEST = {
    "schema": 2,
    "energy_device_uj": 250_000,
    "intensity_device_mg_per_kwh": 381_000,
    "operational_device_ng": 26_458,
    "energy_network_uj": 0,
    "operational_network_ng": 0,
    "energy_remote_uj": 3_000_000,
    "intensity_remote_mg_per_kwh": 56_500,
    "operational_remote_ng": 51_792,
    "pue_remote_ppm": 1_100_000,
    "operational_low_ng": 60_000,
    "operational_high_ng": 90_000,
}


def reasons(given: Rows, rules: Rules | None = None) -> list[str]:
    return ["" if each < 0 else REASONS[each] for each in validate(given, rules or Rules(), NOW_US)]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"pue_remote_ppm": -1}, ""),
        ({"operational_network_ng": 2**62}, "out_of_range"),
        ({"latency_us": 2**62}, "out_of_range"),
        ({"intensity_device_mg_per_kwh": 2**62}, "out_of_range"),
        ({"energy_device_uj": 10**12}, "inconsistent"),
        ({"operational_device_ng": 0, "operational_low_ng": 0}, "inconsistent"),
        ({"operational_device_ng": 2 * 26_458, "operational_high_ng": 10**6}, "inconsistent"),
        ({"operational_remote_ng": 10 * 51_792, "operational_high_ng": 10**6}, "inconsistent"),
        ({"operational_network_ng": 5000}, "inconsistent"),
        ({"operational_low_ng": 10**9, "operational_high_ng": 1}, "inconsistent"),
        ({"embodied_low_ng": 100}, "inconsistent"),
        ({"pue_remote_ppm": 900_000}, "inconsistent"),
        ({"latency_us": 50_002, "goal_latency_us": 50_000, "is_late": 0}, "inconsistent"),
        ({"latency_us": 49_998, "goal_latency_us": 50_000, "is_late": 1}, "inconsistent"),
        ({"latency_us": 50_000, "goal_latency_us": 50_000, "is_late": 1}, ""),
        ({"goal_latency_us": -1, "is_late": 1}, "inconsistent"),
        ({"pue_remote_ppm": 4_000_000}, "out_of_range"),
    ],
)
def test_figures_that_physics_forbids(changed: dict[str, int], reason: str) -> None:
    assert reasons(rows(2, **{**HONEST, **changed})) == [reason] * 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"attempts": 0}, "inconsistent"),
        ({"selected": "my gpu"}, "inconsistent"),
        ({"chosen": "device:cpu/int8@fast"}, "inconsistent"),
        ({"selected": "device:cpu/int8", "processor": "gpu"}, "inconsistent"),
        ({"selected": "edge:tab-s6:npu/int8", "place": "edge", "processor": "npu", "precision": "int8"}, ""),
        ({"selected": "edge:tab-s6:dsp/int8", "place": "edge", "processor": "npu", "precision": "int8"}, ""),
        ({"place": "edge"}, "inconsistent"),
        ({"intensity_device_mg_per_kwh": -1, "operational_device_ng": 0, "operational_low_ng": 0}, "inconsistent"),
        ({"region_device": "", "intensity_device_mg_per_kwh": -1, "operational_device_ng": 0,
          "operational_low_ng": 0}, ""),
    ],
)  # fmt: skip
def test_an_answer_comes_from_the_target_that_is_named_and_joules_of_a_grid_are_not_free(
    changed: dict[str, int | str], reason: str
) -> None:
    assert reasons(rows(2, **{**HONEST, **changed})) == [reason] * 2


def test_a_phone_that_was_offline_for_months_is_believed_and_a_dead_clock_is_not() -> None:
    ages_s = np.array([1.0, 200 * DAY_S, 900 * DAY_S, 2000 * DAY_S])
    given = rows(4, **{**HONEST, "time_us": (NOW_US - ages_s * 1e6).astype(np.int64)})
    assert reasons(given, Rules(behind_s=1096 * DAY_S)) == ["", "", "", "past_dated"]


@pytest.mark.parametrize(
    ("times", "begins", "wrong"),
    [
        ([10, 11, 12], 0, []),
        ([10, 11, 1, 12], 0, [2]),
        ([10, 50, 11, 12, 13], 0, [1]),
        ([1, 10, 11], 0, []),
        ([2, 3, 4], 9, [0, 1, 2]),
        ([10, 9.5, 11], 0, []),
        ([20, 3, 4, 5, 6], 0, [0]),
        ([], 5, []),
    ],
)
def test_of_rows_that_contradict_each_other_the_most_that_rise_are_believed(
    times: list[float], begins: float, wrong: list[int]
) -> None:
    time_us = (np.array(times) * RESET_US).astype(np.int64)
    order = np.random.default_rng(1).permutation(len(times))
    found = reset_rows(order, time_us[order], round(begins * RESET_US))
    assert sorted(order[found].tolist()) == wrong


def test_a_log_knows_when_its_rows_are() -> None:
    state = LogState().admit(np.array([0, 1]))[0].lasting(100, 120)
    later = state.admit(np.array([2]))[0].lasting(110, 110)
    assert (later.first_us, later.last_us, later.high_water) == (100, 110, 2)
