"""A table of values that was learned on another device: what of it is tried again here, and in which order.

Energy keeps its order across devices (AutoScale, MICRO 2020, section 6), so the best ones there come first; limits do
not move along, so what was late there may be the best here. Of each processor in each precision one setting is tried:
the cheapest that was in time, or the fastest where none was. From there its neighbours are, down or up the clock or the
threads, as long as answers are in time and costs stay near the least: joules over a clock have one valley (Le Sueur and
Heiser, HotPower 2010).
"""

from typing import Any, Final

import numpy as np

from autoscale.agents.cells import Cells
from autoscale.agents.reward import MISS_PENALTY
from autoscale.arrays import Flags, Floats

FIRST: Final = 0.01
"""Values of what was never tried are this close to 0, which no reward comes."""
AGAIN: Final = -3.0 * FIRST
"""Between it and those are values of what is to be tried again, the best first."""
NEIGHBOUR: Final = -2.5 * FIRST
"""Among those, the value of what stands beside a setting that was in time."""
RIVAL: Final = 3.0
"""A processor that costs up to this many times as much as the best on one device may be the best on another."""
BESIDE: Final = 1.3
"""So may one of its settings that costs this many times as much as its best one."""
VALLEY: Final = 5.0
"""A setting that costs this many times as much as the best of all has none in its cell that comes near: the fastest
clock of a phone's CPU costs about three times its most frugal one."""
LATE: Final = -0.5 * MISS_PENALTY
"""A value below is of late answers."""


def tried_again(known: Floats, cells: Cells) -> tuple[Floats, Flags]:
    """The values with those of what is to be tried again put above all others, the best first; and which those are.

    Args:
        known: of some states, shape (states, targets), as are both that are returned.
        cells: of the targets.
    """
    is_late = known < LATE
    cost = np.where(is_late | (known >= AGAIN), np.inf, -known)
    lowest = cost.min(axis=1, keepdims=True)
    again = known == known.max(axis=1, keepdims=True)
    for cell in range(len(cells.precisions)):
        (own,) = np.nonzero(cells.precision == cell)
        least, position = cost[:, own].min(axis=1, keepdims=True), cells.position[own]
        most = np.where(least <= RIVAL * lowest, BESIDE * least, least)
        is_cheap = (cost[:, own] <= most) & ~is_late[:, own]
        is_fastest_late = is_late[:, own].all(axis=1, keepdims=True) & (position == position.max())
        again[:, own] |= is_cheap | is_fastest_late
    again &= known < AGAIN
    rank = (-known).argsort(axis=1).argsort(axis=1) / known.shape[1]
    return np.where(again, -FIRST * (1.0 + is_late + rank), known), again


def try_beside(values: Any, again: Flags, cells: Cells, index: int, reward: float) -> None:
    """Have the neighbours of a setting tried again that have a lower value, where what it was worth speaks for them.

    Args:
        values: of one state, shape (targets,), the setting's own not yet learned; those of the neighbours are changed.
        again: which of them are to be tried again, likewise.
        cells: of the targets.
        index: the setting that was tried.
        reward: what that was worth.
    """
    (own,) = np.nonzero(cells.precision == cells.precision[index])
    own = own[cells.position[own].argsort(kind="stable")]
    known = values.astype(np.float64)  # a reward may be none that half precision holds
    best = known.max(initial=LATE, where=~again)
    best_in_cell = known[own].max(initial=LATE, where=~again[own])
    again[index] = False
    if reward < max(LATE, VALLEY * best, BESIDE * best_in_cell):
        return
    at = int(np.flatnonzero(own == index)[0])
    beside = own[[each for each in (at - 1, at + 1) if 0 <= each < len(own)]]
    beside = beside[known[beside] < reward]
    values[beside], again[beside] = NEIGHBOUR, True
