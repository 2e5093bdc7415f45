"""From when until when a ledger's rows are, when not every clock can be believed.

A phone whose clock was never set writes rows of years ago. They count, for their joules were drawn; but a span that
began with them would be years long, and all that is made of it (what idles, a year's growth) with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from autoscale.fleet.ledger.span import Span

FAR_DAYS: Final = 30
"""So many days without a row must lie between strays and the others."""

FEW: Final = 20
"""The others must be so many times as many."""


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows of one day (whole days since 1970): how many, the first and the last."""

    day: int
    rows: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Extent:
    """A span that is closed by rows, and the rows that were not let close it, by day."""

    span: Span
    strays: Sequence[DayRows]


def extent_of(days: Iterable[DayRows], asked: Span) -> Extent:
    """What was asked for, its open sides closed by the rows of some days; they stay open where there are none.

    >>> rows = [DayRows(0, 1, 5, 5), DayRows(1000, 99, 10**17, 10**17)]
    >>> extent_of(rows, Span()).strays
    [DayRows(day=0, rows=1, first_us=5, last_us=5)]
    """
    listed = sorted(days, key=lambda each: each.day)
    early = _strays(listed) if asked.since_us is None else 0
    late = _strays(listed[::-1]) if asked.until_us is None else 0
    if early + late >= len(listed):
        early = late = 0
    kept = listed[early : len(listed) - late]
    if not kept:
        return Extent(asked, ())
    first, last = min(each.first_us for each in kept), max(each.last_us for each in kept)
    return Extent(asked.closed(first, last), [*listed[:early], *listed[len(listed) - late :]])


def _strays(days: Sequence[DayRows]) -> int:
    """How many of the first are far from those that follow, and few beside them."""
    whole = sum(each.rows for each in days)
    before = list(accumulate(each.rows for each in days))
    gaps = [abs(after.day - each.day) for each, after in pairwise(days)]
    far = [i + 1 for i, gap in enumerate(gaps) if gap > FAR_DAYS and before[i] * FEW <= whole - before[i]]
    return max(far, default=0)
