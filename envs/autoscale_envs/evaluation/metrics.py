"""What every figure of the comparison means.

A *run* is one agent that answers the queries of one network, on one device, in one scenario, with one seed; it begins
knowing nothing of that device but its profile. All agents meet the same queries under the same conditions (common
random numbers); only heat, battery and the radio's tail follow from what each does. The first ``warm_up`` queries of a
run are for learning; the rest are *judged*. Figures named ``..._with_learning`` are of all its queries.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices

Flags = npt.NDArray[np.bool_]

WINDOW: Final = 20
"""Queries in the moving median of the reward: an agent that explores one query in ten never moves it."""

TOLERANCE: Final = 0.05
"""How far below its final level a settled reward may be, in units of the CPU's cost in fp32: the reward's unit."""

NEAR: Final = 0.01
"""How much worse than the oracle's, as a fraction, is still as good."""


class Trial(NamedTuple):
    """What became of some runs of one agent, query by query; arrays of shape (runs, queries).

    Attributes:
        chosen: index of the target.
        energy_j: of the device.
        objective: the quantity the goal minimises.
        reward: as the agent learnt it.
        late: the answer came after the limit.
        inaccurate: it was less accurate than asked.
        exact: the choice was the oracle's for that very state.
        near: it was as good as the oracle's, see ``as_good``.
    """

    chosen: Indices
    energy_j: Floats
    objective: Floats
    reward: Floats
    late: Flags
    inaccurate: Flags
    exact: Flags
    near: Flags

    def since(self, query: int) -> "Trial":
        """The same from one query on."""
        return Trial._make(each[:, query:] for each in self)


class Scores(NamedTuple):
    """The figures of some runs, each of shape (runs,).

    Attributes:
        ppw_vs_cpu_fp32: see ``performance_ratio``, against the device's CPU in fp32 at its highest setting.
        ppw_vs_cloud: likewise, against the cloud.
        optimal_exact: share of choices that were the oracle's for that very state.
        optimal_within_1pct: share of choices as good as the oracle's, see ``as_good``.
        gap_to_oracle: see ``gap``.
        late_fraction: share of answers that came after the limit.
        accuracy_miss_fraction: share of answers less accurate than asked.
        convergence_queries: see ``convergence``; NaN where the agent never learns.
        ppw_vs_cpu_fp32_with_learning: of all queries, the warm-up's included; so are the following.
        ppw_vs_cloud_with_learning: likewise.
        gap_to_oracle_with_learning: likewise.
        late_fraction_with_learning: likewise.
    """

    ppw_vs_cpu_fp32: Floats
    ppw_vs_cloud: Floats
    optimal_exact: Floats
    optimal_within_1pct: Floats
    gap_to_oracle: Floats
    late_fraction: Floats
    accuracy_miss_fraction: Floats
    convergence_queries: Floats
    ppw_vs_cpu_fp32_with_learning: Floats
    ppw_vs_cloud_with_learning: Floats
    gap_to_oracle_with_learning: Floats
    late_fraction_with_learning: Floats


def scores_of(trial: Trial, oracle: Trial, reference: Trial, cloud: Trial, warm_up: int) -> Scores:
    """The figures of some runs beside those of the oracle, the CPU in fp32 and the cloud over the same queries."""
    judged = trial.since(warm_up)
    return Scores(
        performance_ratio(reference.since(warm_up).energy_j, judged.energy_j),
        performance_ratio(cloud.since(warm_up).energy_j, judged.energy_j),
        judged.exact.mean(axis=1),
        judged.near.mean(axis=1),
        gap(judged.objective, oracle.since(warm_up).objective),
        judged.late.mean(axis=1),
        judged.inaccurate.mean(axis=1),
        convergence(trial.reward, oracle.reward, warm_up),
        performance_ratio(reference.energy_j, trial.energy_j),
        performance_ratio(cloud.energy_j, trial.energy_j),
        gap(trial.objective, oracle.objective),
        trial.late.mean(axis=1),
    )


def performance_ratio(baseline_j: Floats, agent_j: Floats) -> Floats:
    """Performance per watt against a baseline's: its mean energy a query over the agent's, the same queries.

    Args:
        baseline_j: device energy of each query, shape (runs, queries).
        agent_j: likewise.

    Returns:
        One ratio a run, shape (runs,).
    """
    return np.asarray(baseline_j.mean(axis=1) / agent_j.mean(axis=1))


def gap(objective: Floats, oracle: Floats) -> Floats:
    """What the agent spent beyond the oracle, as a fraction of what that spent; one a run, shape (runs,).

    Below zero where the agent saves by missing its goal, which the oracle never does while anything meets it: read it
    beside the share of late answers.
    """
    return np.asarray(objective.sum(axis=1) / oracle.sum(axis=1) - 1.0)


def as_good(objective: Floats, best: Floats, meets: Flags, best_meets: Flags) -> Flags:
    """Choices whose expected objective is within 1 % of the oracle's, and that meet the goal wherever it does."""
    return (objective <= (1.0 + NEAR) * best) & (meets | ~best_meets)


def convergence(reward: Floats, oracle: Floats, judged: int) -> Floats:
    """How many queries each run needed until its reward had settled.

    The reward is taken relative to the oracle's for the same query, so that what the world does to everybody is left
    out, and smoothed by a moving median over ``WINDOW`` queries. It has settled from the first window on after which no
    window falls more than ``TOLERANCE`` below the median of the judged queries.

    Args:
        reward: shape (runs, queries).
        oracle: likewise.
        judged: the first query that is judged.

    Returns:
        Queries before the first settled window, shape (runs,); infinite where that begins after ``judged``.
    """
    relative = reward - oracle
    window = min(WINDOW, relative.shape[1])
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(relative, window, axis=1), axis=2)
    level = np.median(relative[:, judged:], axis=1)
    below = smooth < level[:, None] - TOLERANCE
    settled = np.where(below.any(axis=1), smooth.shape[1] - np.argmax(below[:, ::-1], axis=1), 0)
    return np.where(settled <= judged, settled.astype(np.float64), np.inf)
