"""When the turn of a target that was avoided comes."""

import numpy as np
import pytest

from autoscale.agents.waits import LONGEST_PATIENCE, PATIENCE, has_waited, nothing_waited, tried

CELLS = np.array([0, 4, 2])
ALL = np.ones(3, bool)


def queries_until_due(waits: np.ndarray, promising: np.ndarray = ALL) -> int:
    """How many queries of the first target until the second has waited."""
    count = 0
    while not has_waited(waits, CELLS)[1]:
        tried(waits, CELLS, 0, False, lambda: promising)
        count += 1
    return count


def test_a_wait_doubles_with_each_failure_and_begins_anew_with_a_success() -> None:
    waits = nothing_waited(6)
    for failures in range(8):
        assert queries_until_due(waits) == min(PATIENCE * 2.0**failures, LONGEST_PATIENCE)
        assert not tried(waits, CELLS, 1, True, lambda: ALL)
    assert queries_until_due(waits) == LONGEST_PATIENCE
    assert tried(waits, CELLS, 1, False, lambda: ALL)  # its first success after a wait
    assert not tried(waits, CELLS, 1, False, lambda: ALL)
    assert queries_until_due(waits) == PATIENCE


def test_what_the_forecast_explains_costs_no_patience() -> None:
    waits = nothing_waited(6)
    for _ in range(4):
        queries_until_due(waits)
        tried(waits, CELLS, 1, True, lambda: ALL)
    tried(waits, CELLS, 0, False, lambda: np.array([True, False, True]))
    assert queries_until_due(waits) == PATIENCE - 1


@pytest.mark.parametrize("has_failed", [True, False])
def test_a_failure_without_a_wait_is_an_ordinary_one(has_failed: bool) -> None:
    waits = nothing_waited(6)
    assert not tried(waits, CELLS, 1, has_failed, lambda: ALL)
    assert queries_until_due(waits) == PATIENCE


def test_a_wait_is_of_one_condition() -> None:
    waits = nothing_waited(6)
    queries_until_due(waits)
    elsewhere = np.arange(3)
    assert not has_waited(waits, elsewhere)[1]
