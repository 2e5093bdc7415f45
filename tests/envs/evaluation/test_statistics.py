"""Interquartile means and stratified-bootstrap intervals, against scipy's and against what must be so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoscale_envs.evaluation.statistics import geometric_mean, interquartile_mean, interval

stats = pytest.importorskip("scipy.stats")

SCORES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6))


@given(SCORES)
def test_the_interquartile_mean_is_scipys_trimmed_mean(scores: np.ndarray) -> None:
    assert float(interquartile_mean(scores)) == pytest.approx(float(stats.trim_mean(scores, 0.25)), rel=1e-9, abs=1e-6)


def test_a_few_extreme_runs_do_not_move_it() -> None:
    assert float(interquartile_mean(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e9]))) == 1.0


def test_one_task_gives_scipys_percentile_interval() -> None:
    scores = np.random.default_rng(0).gamma(2.0, 3.0, 60)
    theirs = stats.bootstrap(
        (scores,),
        lambda each, axis: stats.trim_mean(each, 0.25, axis=axis),
        n_resamples=4000,
        method="percentile",
        rng=1,
    ).confidence_interval
    ours = interval(scores[None], resamples=4000)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.1 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.1 * width)
    assert ours.mean == pytest.approx(stats.trim_mean(scores, 0.25))


def test_tasks_are_resampled_by_themselves() -> None:
    """Tasks that differ wildly, each sure of its own score, leave nothing unsure."""
    scores = np.repeat([[1.0], [100.0], [10000.0], [5.0]], 6, axis=1)
    sure = interval(scores)
    assert sure.low == sure.mean == sure.high


def test_more_runs_make_it_surer() -> None:
    rng = np.random.default_rng(3)
    few, many = (interval(rng.normal(size=(4, runs))) for runs in (5, 200))
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_the_same_scores_give_the_same_interval_however_they_are_batched() -> None:
    scores = np.random.default_rng(1).normal(size=(3, 8))
    assert interval(scores, seed=5, at_once=100) == interval(scores, seed=5)


def test_geometric_mean() -> None:
    assert geometric_mean(np.array([[0.5, 2.0], [4.0, 0.25]])) == pytest.approx(1.0)
