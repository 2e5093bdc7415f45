"""Whether the times in a device's log can be believed: its rows are numbered, so later ones cannot be earlier."""

from bisect import bisect_right
from typing import Final

import numpy as np

from autoscale.fleet.ledger.rows import Ints, Mask
from autoscale.units import US_PER_DAY

SET_BACK_US: Final = 60_000_000
"""Rows of one log may overtake each other by less: queries run side by side, and clocks are corrected a little."""

RESET_US: Final = 2 * US_PER_DAY
"""By more than two days no clock is corrected: it was lost, and begins again at some date."""


def reset_rows(sequence: Ints, time_us: Ints, begins_us: int) -> Mask:
    """Rows of a log whose clock had been lost, shape (rows,): over two days before rows that were numbered earlier.

    Where rows contradict each other, the most that rise together are believed, so that neither one that is far ahead
    nor one that is far behind takes the others with it.

    Args:
        sequence: numbers of the rows, in any order.
        time_us: their times.
        begins_us: when a row was that they all were numbered after; 0 where there is none.

    >>> reset_rows(np.arange(4), np.array([5, 6, 1, 7]) * RESET_US, 5 * RESET_US).tolist()
    [False, False, True, False]
    """
    wrong: Mask = time_us < begins_us - RESET_US
    order = np.argsort(sequence, kind="stable")
    times = time_us[order]
    if not len(times) or bool(np.all(np.maximum.accumulate(times) - times <= RESET_US)):
        return wrong
    believed = np.zeros(len(times), np.bool_)
    believed[_longest_rise(times.tolist())] = True
    before = np.maximum.accumulate(np.where(believed, times, 0))
    after = np.minimum.accumulate(np.where(believed, times, np.iinfo(np.int64).max)[::-1])[::-1]
    wrong[order] |= ~believed & ((times < before - RESET_US) | (times - RESET_US > after))
    return wrong


def _longest_rise(times: list[int]) -> list[int]:
    """Indices of the most values that do not fall."""
    ends: list[int] = []
    at: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(times):
        place = bisect_right(ends, value)
        previous.append(at[place - 1] if place else -1)
        ends[place : place + 1], at[place : place + 1] = [value], [index]
    rise, index = [], at[-1]
    while index >= 0:
        rise.append(index)
        index = previous[index]
    return rise[::-1]
