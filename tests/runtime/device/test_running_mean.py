"""What one figure can do to an estimate, and how soon a change is followed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.running_mean import FAR, RunningMean

figures = st.floats(1e-6, 1e6)


def following(*figures):
    mean = RunningMean(1.0, 0.1)
    for figure in figures:
        mean.add(figure)
    return mean


def test_the_second_figure_replaces_the_cold_first_and_later_ones_move_it_a_little():
    assert following(900.0).value == 900.0
    assert following(900.0, 2.0).value == 2.0
    assert following(900.0, 2.0, 3.0).value == pytest.approx(2.1)


@given(figures, st.floats(0.0, 1e12))
def test_one_outlier_moves_it_no_further_than_a_near_figure(steady, outlier):
    mean = following(steady, steady, steady, outlier)
    assert steady * (0.9 + 0.1 / FAR) * (1 - 1e-9) <= mean.value <= steady * (0.9 + 0.1 * FAR) * (1 + 1e-9)


@given(figures, st.sampled_from([0.0, 1e-3, 1e3]))
def test_the_second_in_a_row_is_a_change(steady, times):
    assert following(steady, steady, steady * times, steady * times).value == pytest.approx(steady * times)


@given(figures)
def test_outliers_to_both_sides_are_no_change(steady):
    mean = following(steady, steady, *(steady * times for times in (1e6, 1.0, 1e-6, 1e6, 1e-6)))
    assert steady / FAR < mean.value < steady * FAR


@given(st.lists(st.floats(0.0, 1e9), max_size=20))
def test_it_stays_within_what_it_saw(seen):
    mean = following(*seen)
    assert min([*seen, 1.0]) <= mean.value <= max([*seen, 1.0])


def test_a_query_that_was_suspended_does_not_poison_the_contention():
    contention = Contention()
    for _ in range(20):
        contention.observe(0.5, 1.3)
    contention.observe(0.5, 10_000.0)
    assert contention.ratio(0.5) < 1.3 * 1.7
    contention.observe(0.5, 1.3)
    assert contention.ratio(0.5) < 1.3 * 1.6
