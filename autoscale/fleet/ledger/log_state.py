"""Which rows of a device's log have arrived, so that each counts once however often it is sent.

>>> state, verdict = LogState().admit(np.array([0, 1, 4]))
>>> state.high_water, state.gaps, state.missing
(4, ((2, 3),), 2)
>>> state.admit(np.array([4, 3]))[1].is_fresh.tolist()
[False, True]
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from autoscale.fleet.ledger.rows import Ints, Mask

Gap = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of some rows.

    Attributes:
        is_fresh: which of them had not arrived before, shape (rows,).
        reordered: how many of the fresh ones came after a later one.
    """

    is_fresh: Mask
    reordered: int = 0

    @property
    def duplicate(self) -> int:
        """How many had arrived before."""
        return int(np.count_nonzero(~self.is_fresh))


@dataclass(frozen=True, slots=True)
class LogState:
    """All sequence numbers from 0 to ``high_water`` came or are not due, but for the gaps: (first, last), sorted.

    Attributes:
        first_us: the earliest time of its accepted rows; 0 where there is none, or it is not known.
        last_us: the time of the accepted row that was numbered last.
    """

    high_water: int = -1
    gaps: tuple[Gap, ...] = ()
    first_us: int = 0
    last_us: int = 0

    @property
    def missing(self) -> int:
        """Rows that the device numbered and that never came: dropped by it, or yet to come."""
        return sum(last - first + 1 for first, last in self.gaps)

    @property
    def arrived(self) -> int:
        """Rows that came, or were not due."""
        return self.high_water + 1 - self.missing

    def admit(self, sequences: Ints) -> tuple["LogState", Verdict]:
        """Take note of rows that arrived; none of the numbers may be negative."""
        if len(sequences) and sequences[0] > self.high_water and bool(np.all(np.diff(sequences) > 0)):
            return self._extended(sequences), Verdict(np.ones(len(sequences), np.bool_))
        is_fresh = self._is_unseen(sequences) & _is_first(sequences)
        fresh = sequences[is_fresh]
        before = np.maximum.accumulate(np.concatenate([[self.high_water], fresh]))[:-1]
        return self._filled(np.sort(fresh)), Verdict(is_fresh, int(np.count_nonzero(fresh < before)))

    def beginning(self, number: int) -> "LogState":
        """With nothing due between its last row and one that a device says it goes on with."""
        return self if number <= self.high_water + 1 else replace(self, high_water=number - 1)

    def followed_by(self, rows: int) -> "LogState":
        """With so many rows that are numbered on from the last one."""
        return LogState(self.high_water + rows, self.gaps, self.first_us, self.last_us)

    def lasting(self, first_us: int, last_us: int) -> "LogState":
        """With the times of rows that were accepted: the earliest, and that of the one numbered last."""
        return LogState(self.high_water, self.gaps, min(first_us, self.first_us or first_us), last_us)

    def _extended(self, ascending: Ints) -> "LogState":
        before = np.concatenate([[self.high_water], ascending[:-1]])
        jumps = ascending - before > 1
        fresh_gaps = zip((before[jumps] + 1).tolist(), (ascending[jumps] - 1).tolist(), strict=True)
        return replace(self, high_water=int(ascending[-1]), gaps=(*self.gaps, *fresh_gaps))

    def _is_unseen(self, sequences: Ints) -> Mask:
        firsts = np.array([gap[0] for gap in self.gaps], np.int64)
        lasts = np.array([gap[1] for gap in self.gaps], np.int64)
        at = np.searchsorted(firsts, sequences, side="right") - 1
        in_gap = (at >= 0) & (sequences <= (lasts[at] if len(lasts) else -1))
        unseen: Mask = (sequences > self.high_water) | in_gap
        return unseen

    def _filled(self, fresh: Ints) -> "LogState":
        late = fresh[fresh <= self.high_water]
        gaps: list[Gap] = []
        for first, last in self.gaps:
            inside = late[np.searchsorted(late, first) : np.searchsorted(late, last, side="right")].tolist()
            edges = [first - 1, *inside, last + 1]
            gaps += [(a + 1, b - 1) for a, b in pairwise(edges) if b - a > 1]
        filled = replace(self, gaps=tuple(gaps))
        ahead = fresh[fresh > self.high_water]
        return filled._extended(ahead) if len(ahead) else filled


def _is_first(sequences: Ints) -> Mask:
    """Which of them are the first of their number."""
    is_first = np.zeros(len(sequences), np.bool_)
    is_first[np.unique(sequences, return_index=True)[1]] = True
    return is_first
