"""Which target, and with what chance: the least expected cost that is in time, and what else is worth a look.

A look at another target costs the gap between its expected cost and the best one's, once. It pays by how much that
target can be expected to undercut the best once one more figure of it is known (the knowledge gradient of Frazier,
Powell and Dayanik, SIAM J. Control and Optimization 47:2410, 2008), in every query to come: as many as came so far.
What costs less and is not believed to be in time would save the difference, as likely as one figure shows that it is.
Where the best is late, what may be in time is worth ``RESCUE`` of its costs besides. And it pays by what it may have
become since it was tried (``turns``).
Where it pays, a share of queries goes there; everywhere else inverse-gap weighting (SquareCB, Foster and Rakhlin, ICML
2020, arXiv 2002.04926) keeps a floor under every target that is in time, so that improvements nobody announces are
found. All chances are closed forms.
"""

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np

from autoscale.agents.correction.shared import CHANGE
from autoscale.agents.correction.turns import EVERY
from autoscale.arrays import Flags, Floats, Indices

LOOKING: Final = 0.6
"""Chance of a look at the targets worth one, together, in one of ``LOOKS_EVERY`` queries of a network."""
LOOKS_EVERY: Final = 3
WORTHWHILE: Final = 0.2
"""Where all looks together are worth less than this many queries, the share is smaller in proportion."""
EVEN: Final = 0.5
LONGEST_HORIZON: Final = 100.0
"""For how many queries at most a look is expected to pay."""
GREED: Final = 400.0
"""Inverse-gap weighting spends at most about 1 / GREED of the best cost."""
LATE_LOOKS: Final = 0.005
"""How many late answers a query may be expected to cost for looks at targets that are not believed to be in time; never
more than half of those that the goal allows."""
BLIND_LOOKS: Final = 0.2
"""Likewise where no forecast tells targets apart: nothing else can show which of them are in time."""
IN_ADVANCE: Final = 30.0
"""How many queries' share of late answers a network's first looks may cost: what they find serves all that follow."""
RESCUE: Final = 3.0
"""What an answer in time is worth where the best choice is late, in costs of that one."""
MOST: Final = 0.9
"""Of all chances, for others than the best."""
WIDEST: Final = 1.0
"""Variance of ln(cost) up to which doubt makes a target dearer than its middle, as an expectation does."""

LOGISTIC: Final = 1.702  # the logistic curve of this slope is the normal distribution within 0.01
LARGEST_GAP: Final = 3.0
_STANDARD: Final = NormalDist()

# As arrays, which numpy reads in half the time of a plain number.
_ZERO, _HALF, _ONE = np.array(0.0), np.array(0.5), np.array(1.0)
_sum = np.add.reduce  # what ``ndarray.sum`` calls in the end
_SLOPE, _STEEPEST, _LEAST_STEEP = np.array(-LOGISTIC), np.array(40.0), np.array(-40.0)


def expected(middle: Floats, variance: Floats) -> Floats:
    """Ln of the expectation of a lognormal cost, of doubt no wider than ``WIDEST``."""
    is_narrow = variance.item(variance.argmax()) <= WIDEST
    cost: Floats = _HALF * (variance if is_narrow else np.minimum(variance, WIDEST))
    cost += middle
    return cost


def chance_late(margin: Floats, spread: Floats) -> Floats:
    """Chance that ln(latency) is above the limit's, by how far its middle is above it and its standard deviation."""
    late: Floats = _SLOPE / spread
    late *= margin
    np.maximum(late, _LEAST_STEEP, out=late)
    np.minimum(late, _STEEPEST, out=late)
    np.exp(late, late)
    late += _ONE
    np.divide(_ONE, late, late)
    return late


def tolerated(on_time: float) -> float:
    """How far above the limit, in standard deviations, ln(latency) may lie: not at all for an even chance."""
    return -_STANDARD.inv_cdf(on_time)


def best_of(
    cost: Floats, accurate: Flags | None, margin: Floats, spread: Callable[[], Floats], on_time: float
) -> tuple[int, Flags]:
    """The best target, and which are as good as in time.

    Of those whose chance to be in time is ``on_time``, the least cost. Where there are none, the one most likely to be
    in time, if that is likelier than not; else the least cost: late is late.

    Args:
        cost: ln of what to expect, shape (n,).
        accurate: which are accurate enough, or None for all.
        margin: ln(latency) less ln(limit), shape (n,).
        spread: gives the standard deviation of that; called where it decides.
        on_time: what the goal asks.
    """
    in_time = margin <= (_ZERO if on_time == EVEN else tolerated(on_time) * spread())
    if accurate is not None:
        in_time &= accurate
    within = in_time.nonzero()[0]
    if within.size:
        return int(within[cost.take(within).argmin()]), in_time
    hopeful = margin if accurate is None else np.where(accurate, margin, np.inf)
    best = int((hopeful / spread()).argmin())
    if hopeful[best] <= 0.0:
        in_time[best] = True
        return best, in_time
    everything = np.ones_like(in_time) if accurate is None else accurate
    return int(np.where(everything, cost, np.inf).argmin()), everything


def floor(best: int, cost: Floats, in_time: Flags) -> Floats:
    """Inverse-gap weighting: the chance of each target, but for the best one's, shape (n,).

    Args:
        best: the target that is expected to be.
        cost: ln of what to expect, shape (n,).
        in_time: which are as good as in time.
    """
    steepness, start = _greed(cost.size)
    ratio = cost - cost.item(best)
    np.exp(ratio, ratio)
    ratio *= steepness
    ratio += start
    chance = in_time.astype(np.float64)
    chance /= ratio
    chance[best] = 0.0
    return chance


@lru_cache(maxsize=64)
def _greed(targets: int) -> tuple[Floats, Floats]:
    return np.array(GREED * targets), np.array((1.0 - GREED) * targets)


def told_by_one(variance: Floats, noise: Floats) -> Floats:
    """Variance of how far one more figure, of this noise, moves the middle of what is believed."""
    told: Floats = variance + noise
    np.divide(variance, told, told)
    told *= variance
    return told


def looks(
    best: int,
    cost: Floats,
    learned: Floats,
    in_time: Flags,
    accurate: Flags | None,
    late: Floats,
    over: Floats,
    hope: Floats,
    is_late: bool,
    cell: Indices,
    horizon: float,
    most_late: float,
    stakes: Floats | None,
) -> Floats | None:
    """Chances of the targets worth a look, shape (n,); None where there are none.

    Args:
        best: the target that is expected to be.
        cost: ln of what to expect, shape (n,).
        learned: variance of how far one figure would move what is believed of that.
        in_time: which are as good as in time.
        accurate: which are accurate enough, or None for all; no look makes the others so.
        late: the chance that each is not in time.
        over: how far above what the goal allows each one's ln(latency) is believed to be.
        hope: the chance that a figure would show each one in time.
        is_late: whether the best is not believed to be.
        cell: which targets tell much of each other; a look is at one of them, so together they weigh as one.
        horizon: how many queries may profit.
        most_late: how many late answers a query all looks may be expected to cost.
        stakes: in how many queries each is expected to be no more what it was; None where that is nothing to go by.
    """
    above = cost - cost.item(best)  # below 0 where it is not in time
    dearer = np.expm1(np.minimum(above, LARGEST_GAP))
    np.maximum(above, _ZERO, out=above)
    worth = _undercut(above, learned)
    if is_late:
        worth += RESCUE * hope
    else:
        worth -= np.minimum(dearer, _ZERO)
        worth *= hope
    worth *= horizon
    worth -= np.maximum(dearer, _ZERO)
    if stakes is not None:
        worth += stakes * (0.5 * CHANGE * np.exp(np.maximum(above, over) / -CHANGE))  # of Laplace's distribution
    np.maximum(worth, _ZERO, out=worth)
    worth[best] = 0.0
    if accurate is not None:
        worth *= accurate
    together = np.bincount(cell, worth)
    together[together == 0.0] = 1.0
    worth *= worth / together.take(cell)
    total = float(_sum(worth))
    if total == 0.0:
        return None
    chance: Floats = worth * (LOOKING / max(total, WORTHWHILE))
    out = ~in_time
    expected_late = float(np.dot(chance * late, out))
    if expected_late > most_late:
        chance[out] *= most_late / expected_late
    return chance


def _undercut(above: Floats, learned: Floats) -> Floats:
    """The standard normal's expected excess over what is ``above``, within 2 %, without an error function."""
    width = np.sqrt(learned)
    away = above / width
    power: Floats = 0.4 * away
    power += 1.16
    power *= away
    np.subtract(-0.919, power, power)
    np.exp(power, power)
    power *= width
    return power


def horizon_of(queries: float) -> float:
    """How many queries of a network may profit from a look: as many as came so far."""
    return min(queries, LONGEST_HORIZON)


def late_looks(on_time: float, is_informed: bool, queries: float) -> float:
    """How many late answers the looks of a query may be expected to cost, which are those of ``LOOKS_EVERY`` queries.

    Args:
        on_time: what the goal asks.
        is_informed: whether a forecast tells targets apart.
        queries: of the network, answered so far.
    """
    if is_informed and queries % EVERY == EVERY - 1:
        return 0.0  # a turn may cost all
    share = min(LATE_LOOKS if is_informed else BLIND_LOOKS, EVEN * (1.0 - on_time))
    return min(share * LOOKS_EVERY * max(IN_ADVANCE / max(queries, 1.0), 1.0), 1.0 - on_time)


def completed(best: int, chance: Floats) -> Floats:
    """The same with the rest given to the best target, at least ``1 - MOST``."""
    others = float(_sum(chance))
    if others != others:
        chance = np.nan_to_num(chance)
        others = float(_sum(chance))
    if others > MOST:
        chance *= MOST / others
        others = MOST
    chance[best] = 1.0 - others
    return chance


def draw(edges: Floats, uniform: float) -> int:
    """The index that a uniform number stands for, by where the spans of 0 to 1 end that stand for each."""
    return min(int(edges.searchsorted(uniform, "right")), edges.size - 1)
