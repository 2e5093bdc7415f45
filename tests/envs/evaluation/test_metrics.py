"""Every figure of the comparison on runs so small that the answer is known."""

import numpy as np
import pytest

from autoscale_envs.evaluation.metrics import (
    TOLERANCE,
    WINDOW,
    Trial,
    as_good,
    convergence,
    gap,
    performance_ratio,
    scores_of,
)

QUERIES = 120
JUDGED = 60


def trial(energy_j: float, late: bool = False, reward: float = -1.0) -> Trial:
    """Two runs that do the same all the time."""
    shape = (2, QUERIES)
    same, flags = np.full(shape, energy_j), np.full(shape, late)
    return Trial(np.zeros(shape, np.intp), same, same, np.full(shape, reward), flags, flags, ~flags, ~flags)


def rewards(*, bad_until: int) -> np.ndarray:
    """One run that is far below the oracle until a query, and a little below it from then on."""
    reward = np.full((1, QUERIES), -0.12)
    reward[0, :bad_until] = -0.9
    return reward


ORACLE = np.full((1, QUERIES), -0.1)


def test_the_ratio_is_of_mean_energies_run_by_run() -> None:
    baseline = np.array([[2.0, 4.0], [3.0, 3.0]])
    assert performance_ratio(baseline, np.array([[1.0, 1.0], [0.5, 5.5]])).tolist() == [3.0, 1.0]


def test_the_gap_is_a_fraction_of_the_oracles_cost() -> None:
    assert gap(np.array([[1.5, 1.5], [1.0, 1.0]]), np.array([[1.0, 2.0], [1.0, 1.0]])).tolist() == [0.0, 0.0]
    assert gap(np.array([[1.1, 1.1]]), np.array([[1.0, 1.0]]))[0] == pytest.approx(0.1)


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


def test_a_run_that_is_good_from_the_start_needs_no_query() -> None:
    assert convergence(rewards(bad_until=0), ORACLE, JUDGED).tolist() == [0.0]


def test_a_run_settles_when_half_of_the_window_is_good() -> None:
    assert convergence(rewards(bad_until=30), ORACLE, JUDGED).tolist() == [30 - WINDOW / 2 + 1]


def test_one_query_in_ten_spent_on_exploring_does_not_unsettle() -> None:
    reward = rewards(bad_until=30)
    reward[0, 35::10] = -10.0
    assert convergence(reward, ORACLE, JUDGED)[0] <= 30


def test_a_relapse_counts() -> None:
    reward = rewards(bad_until=5)
    reward[0, 30:50] = -0.12 - 2 * TOLERANCE
    assert convergence(reward, ORACLE, JUDGED)[0] > 30


def test_a_run_still_learning_when_judged_has_not_converged() -> None:
    assert convergence(rewards(bad_until=100), ORACLE, JUDGED).tolist() == [0.0], (
        "most judged queries are bad: its level"
    )
    assert convergence(rewards(bad_until=85), ORACLE, JUDGED).tolist() == [np.inf]


def test_what_the_world_does_to_everybody_is_left_out() -> None:
    weather = np.where(np.arange(QUERIES) % 40 < 20, 0.0, -0.5)
    assert convergence(rewards(bad_until=0) + weather, ORACLE + weather, JUDGED).tolist() == [0.0]


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
