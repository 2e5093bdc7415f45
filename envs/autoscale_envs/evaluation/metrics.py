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
"""Queries over which curves are smoothed, and of which the end of a run must consist before it counts as settled."""

TOLERANCE: Final = 0.05
"""How far above the oracle's a settled agent's cost may be, as a fraction of that."""

SOON: Final = 15
"""So many queries after a change are soon enough to be back."""

EARLY: Final = 10
"""Queries of a network after which an agent should know it."""

BACK: Final = 5
"""So many queries in a row, on average within the tolerance, make an agent be back: one alone may be luck."""

NEAR: Final = 0.01
"""How much worse than the oracle's, as a fraction, is still as good."""


class Trial(NamedTuple):
    """What became of some runs of one agent, query by query; arrays of shape (runs, queries).

    Attributes:
        network: index of the network that asked.
        chosen: index of the target.
        energy_j: of the device.
        objective: the quantity the goal minimises.
        reward: as the agent learnt it.
        late: the answer came after the limit.
        inaccurate: it was less accurate than asked.
        exact: the choice was the oracle's for that very state.
        near: it was as good as the oracle's, see ``as_good``.
        excess: how far it was from the oracle's, see ``excess_of``.
    """

    network: Indices
    chosen: Indices
    energy_j: Floats
    objective: Floats
    reward: Floats
    late: Flags
    inaccurate: Flags
    exact: Flags
    near: Flags
    excess: Floats

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
        optimal_within_5pct: share of choices whose ``excess_of`` is at most 5 %.
        networks_within_5pct: share of networks whose ``excess_of`` is at most 5 % in the mean of all queries after the
            tenth.
        gap_to_oracle: see ``gap``, the mean over networks.
        gap_to_oracle_first: the mean ``excess_of`` of the first query of each network.
        gap_to_oracle_10: of its queries 2 to 10.
        late_fraction: share of answers that came after the limit.
        accuracy_miss_fraction: share of answers less accurate than asked.
        ppw_vs_cpu_fp32_with_learning: of all queries, the warm-up's included; so are the following.
        ppw_vs_cloud_with_learning: likewise.
        gap_to_oracle_with_learning: likewise.
        late_fraction_with_learning: likewise.
    """

    ppw_vs_cpu_fp32: Floats
    ppw_vs_cloud: Floats
    optimal_exact: Floats
    optimal_within_1pct: Floats
    optimal_within_5pct: Floats
    networks_within_5pct: Floats
    gap_to_oracle: Floats
    gap_to_oracle_first: Floats
    gap_to_oracle_10: Floats
    late_fraction: Floats
    accuracy_miss_fraction: Floats
    ppw_vs_cpu_fp32_with_learning: Floats
    ppw_vs_cloud_with_learning: Floats
    gap_to_oracle_with_learning: Floats
    late_fraction_with_learning: Floats


def scores_of(trial: Trial, oracle: Trial, reference: Trial, cloud: Trial, warm_up: int) -> Scores:
    """The figures of some runs beside those of the oracle, the CPU in fp32 and the cloud over the same queries."""
    judged, (first, further, steady) = trial.since(warm_up), _by_visit(trial)
    return Scores(
        performance_ratio(reference.since(warm_up).energy_j, judged.energy_j),
        performance_ratio(cloud.since(warm_up).energy_j, judged.energy_j),
        judged.exact.mean(axis=1),
        judged.near.mean(axis=1),
        (judged.excess <= TOLERANCE).mean(axis=1),
        steady,
        gap(judged.objective, oracle.since(warm_up).objective, judged.network),
        first,
        further,
        judged.late.mean(axis=1),
        judged.inaccurate.mean(axis=1),
        performance_ratio(reference.energy_j, trial.energy_j),
        performance_ratio(cloud.energy_j, trial.energy_j),
        gap(trial.objective, oracle.objective, trial.network),
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


def gap(objective: Floats, oracle: Floats, network: Indices) -> Floats:
    """What the agent spent beyond the oracle, as a fraction of what that spent; one a run, shape (runs,).

    Of several networks the mean of each one's: a large one would drown the others. Below zero where the agent saves by
    missing its goal, which the oracle never does while anything meets it: read it beside the share of late answers.
    """
    own = [network == each for each in np.unique(network)]
    sums = [(objective.sum(axis=1, where=mine), oracle.sum(axis=1, where=mine)) for mine in own]
    asked = np.stack([mine.any(axis=1) for mine in own])
    ratios = np.stack([np.divide(mine, theirs, out=np.ones_like(mine), where=theirs > 0.0) for mine, theirs in sums])
    return np.asarray(ratios.mean(axis=0, where=asked) - 1.0)


def by_visit(excess: Floats, network: Indices) -> Floats:
    """The same figures by how often a network has asked before, NaN where it does not come so far.

    Args:
        excess: of each query, shape (runs, queries).
        network: which asked, likewise.

    Returns:
        Shape (runs, networks, visits).
    """
    networks = np.unique(network)
    longest = max(int((network == each).sum(axis=1).max()) for each in networks)
    found = np.full((len(network), len(networks), longest), np.nan)
    for run, asked in enumerate(network):
        for number, each in enumerate(networks):
            own = excess[run, asked == each]
            found[run, number, : len(own)] = own
    return found


def curves(trial: Trial) -> Floats:
    """The excess of each run's first query of a network, of its second, ..., the mean over networks, as far as half of
    all networks' runs go; shape (runs, visits), NaN where a run has no network that came so far.
    """
    found = by_visit(trial.excess, trial.network)
    known = ~np.isnan(found)
    enough = known.mean(axis=(0, 1)) >= 0.5
    sums, counts = np.nansum(found[:, :, enough], axis=1), known[:, :, enough].sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _by_visit(trial: Trial) -> tuple[Floats, Floats, Floats]:
    """One a run: the mean excess of first queries, that of queries 2 to 10, and of what share of the networks all that
    follow are near (0 where none comes so far).
    """
    found = by_visit(trial.excess, trial.network)
    first, further = (each.mean(axis=(1, 2), where=~np.isnan(each)) for each in (found[:, :, :1], found[:, :, 1:EARLY]))
    late = found[:, :, EARLY:]
    counts = (~np.isnan(late)).sum(axis=2)
    near = np.nansum(late, axis=2) <= TOLERANCE * counts
    return first, further, np.asarray((near & (counts > 0)).sum(axis=1) / np.maximum((counts > 0).sum(axis=1), 1))


def as_good(objective: Floats, best: Floats, meets: Flags, best_meets: Flags) -> Flags:
    """Choices whose expected objective is within 1 % of the oracle's, and that meet the goal wherever it does."""
    return (objective <= (1.0 + NEAR) * best) & (meets | ~best_meets)


def excess_of(value: Floats, best: Floats, meets: Flags, best_meets: Flags) -> Floats:
    """How much a choice's expected objective lies above the oracle's, as a fraction of that.

    An answer that is expected to miss a goal which the oracle's meets is worth nothing: at least 1.
    """
    above = value / best - 1.0
    return np.where(meets | ~best_meets, above, np.maximum(above, 1.0))


def settled(excess: Floats) -> float:
    """After how many queries an agent is within ``TOLERANCE`` of the oracle, and stays there.

    Args:
        excess: see ``excess_of``, the mean over runs of each query, shape (queries,).

    Returns:
        The first query that is within it, as is the mean of all that follow it, wherever one begins to count them
        (but for the last ``WINDOW``); infinite where there is none. So what lies further off than that on average has
        not settled, however steady it is.
    """
    count = len(excess)
    rest = np.cumsum(excess[::-1])[::-1] / np.arange(count, 0, -1)
    judged = max(count - WINDOW, 1)
    is_off = rest[:judged] > TOLERANCE
    first = int(judged - np.argmax(is_off[::-1])) if is_off.any() else 0
    within = np.flatnonzero(excess[first:judged] <= TOLERANCE)
    return float(first + within[0]) if within.size else np.inf


def recovery(excess: Floats, changed: Flags) -> Floats:
    """How many queries after an unannounced change an agent that it put off is near the oracle again.

    Args:
        excess: see ``excess_of``, of every query, shape (runs, queries).
        changed: whether the change lay behind the query, likewise.

    Returns:
        Shape (runs,): so many queries came before the first that is within ``TOLERANCE``, as is the mean of the
        ``BACK`` from it on; infinite where none is before the run's end. NaN where nothing changed, where fewer than
        ``SOON + BACK`` queries came after it, and where it put nothing off: the first ``BACK`` after it are near.
    """
    return np.array([_recovery(own[after]) for own, after in zip(excess, changed, strict=True)])


def _recovery(after: Floats) -> float:
    if len(after) < SOON + BACK:
        return np.nan
    means = np.convolve(after, np.full(BACK, 1.0 / BACK), mode="valid")
    if means[0] <= TOLERANCE:
        return np.nan
    back = np.flatnonzero((after[: len(means)] <= TOLERANCE) & (means <= TOLERANCE))
    return float(back[0]) if back.size else np.inf
