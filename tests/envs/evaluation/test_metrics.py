"""Every figure of the comparison on runs so small that the answer is known."""

import numpy as np
import pytest

from autoscale_envs.evaluation.metrics import (
    Trial,
    as_good,
    by_visit,
    excess_of,
    gap,
    performance_ratio,
    recovery,
    scores_of,
    settled,
)

QUERIES = 120
JUDGED = 60


def trial(energy_j: float, late: bool = False, reward: float = -1.0) -> Trial:
    """Two runs that do the same all the time."""
    shape = (2, QUERIES)
    same, flags = np.full(shape, energy_j), np.full(shape, late)
    return Trial(
        np.zeros(shape, np.intp),
        np.zeros(shape, np.intp),
        same,
        same,
        np.full(shape, reward),
        flags,
        flags,
        ~flags,
        ~flags,
        same,
    )


def test_the_ratio_is_of_mean_energies_run_by_run() -> None:
    baseline = np.array([[2.0, 4.0], [3.0, 3.0]])
    assert performance_ratio(baseline, np.array([[1.0, 1.0], [0.5, 5.5]])).tolist() == [3.0, 1.0]


def test_the_gap_is_a_fraction_of_the_oracles_cost() -> None:
    one, two = np.zeros((2, 2), np.intp), np.array([[0, 1]])
    assert gap(np.array([[1.5, 1.5], [1.0, 1.0]]), np.array([[1.0, 2.0], [1.0, 1.0]]), one).tolist() == [0.0, 0.0]
    assert gap(np.array([[1.1, 1.1]]), np.array([[1.0, 1.0]]), one[:1])[0] == pytest.approx(0.1)
    assert gap(np.array([[1.2, 100.0]]), np.array([[1.0, 100.0]]), two)[0] == pytest.approx(0.1), "each counts alike"


def test_recovery_counts_queries_from_the_change_on_where_it_put_the_agent_off() -> None:
    excess, changed = np.zeros((6, 60)), np.zeros((6, 60), np.bool_)
    changed[:5, 30:] = True
    excess[0, 30:37] = 1.0  # back with the 8th query
    excess[1, 30:] = 0.06  # never
    excess[2, :30] = 1.0  # only before the change
    excess[3, 30:40] = 1.0
    excess[3, 33] = 0.0  # a lucky one between
    changed[4, 30:45] = False  # too late in the run to tell
    excess[4:, 30:] = 1.0
    np.testing.assert_array_equal(recovery(excess, changed), [7.0, np.inf, np.nan, 10.0, np.nan, np.nan])


def test_queries_of_a_network_are_counted_for_itself() -> None:
    network = np.array([[0, 1, 0, 0], [1, 1, 1, 0]])
    found = by_visit(np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]), network)
    nan = np.nan
    np.testing.assert_array_equal(found, [[[1, 3, 4], [2, nan, nan]], [[8, nan, nan], [5, 6, 7]]])


@pytest.mark.parametrize(
    ("objective", "meets", "best_meets", "good"),
    [
        (1.0, True, True, True),
        (1.009, True, True, True),
        (1.011, True, True, False),
        (0.5, False, True, False),
        (1.0, False, False, True),
    ],
)
def test_as_good_means_within_a_percent_and_meeting_the_goal(
    objective: float, meets: bool, best_meets: bool, good: bool
) -> None:
    answer = as_good(np.array([objective]), np.array([1.0]), np.array([meets]), np.array([best_meets]))
    assert answer.tolist() == [good]


def curve(*, bad_until: int, then: float = 0.01) -> np.ndarray:
    """The mean of some runs that lie far above the oracle until a query, and a little above it from then on."""
    excess = np.full(QUERIES, then)
    excess[:bad_until] = 1.0
    return excess


@pytest.mark.parametrize("bad_until", [0, 1, 30])
def test_settled_counts_the_queries_that_were_off(bad_until: int) -> None:
    assert settled(curve(bad_until=bad_until)) == bad_until


def test_who_stays_off_never_settles_however_steady() -> None:
    assert settled(curve(bad_until=0, then=0.08)) == np.inf
    assert settled(curve(bad_until=QUERIES)) == np.inf


def test_exploring_that_costs_less_than_the_tolerance_does_not_unsettle() -> None:
    excess = curve(bad_until=30)
    excess[35::10] = 0.2
    assert settled(excess) == 30


def test_a_relapse_counts() -> None:
    excess = curve(bad_until=5)
    excess[60:80] = 1.0
    assert settled(excess) > 60


def test_an_answer_that_misses_where_the_oracles_does_not_is_worth_nothing() -> None:
    value, best = np.array([0.5, 1.2, 0.5]), np.ones(3)
    meets, best_meets = np.array([False, True, False]), np.array([True, True, False])
    assert excess_of(value, best, meets, best_meets).tolist() == pytest.approx([1.0, 0.2, -0.5])


def test_figures_are_of_the_judged_queries_and_with_learning_of_all() -> None:
    oracle, reference, cloud = trial(1.0), trial(8.0), trial(4.0)
    agent = trial(2.0)
    agent.energy_j[:, :JUDGED] = agent.objective[:, :JUDGED] = 6.0
    agent.late[:, :JUDGED] = True
    scores = scores_of(agent, oracle, reference, cloud, JUDGED)
    assert scores.ppw_vs_cpu_fp32.tolist() == [4.0, 4.0]
    assert scores.ppw_vs_cpu_fp32_with_learning.tolist() == [2.0, 2.0]
    assert scores.ppw_vs_cloud.tolist() == [2.0, 2.0]
    assert scores.ppw_vs_cloud_with_learning.tolist() == [1.0, 1.0]
    assert scores.gap_to_oracle.tolist() == [1.0, 1.0]
    assert scores.gap_to_oracle_with_learning.tolist() == [3.0, 3.0]
    assert scores.late_fraction.tolist() == [0.0, 0.0]
    assert scores.late_fraction_with_learning.tolist() == [0.5, 0.5]
    assert scores.optimal_exact.tolist() == [1.0, 1.0]
