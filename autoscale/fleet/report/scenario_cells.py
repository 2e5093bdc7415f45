"""The sums that scenarios are made of: per network, device model, region and hour, of each target; and coarser ones.

They stand in columns of whole numbers, so that one look is for all of a fleet's cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.ledger.rollup import WEIGHED

MOST_OFF: Final = 2
"""Weights add up to the queries in the mean; by a factor of more than this they do not."""

CELL: Final = ("network", "device_model", "region", "hour")
TALLIED: Final = ("inferences", "carbon_ng", "missed", *WEIGHED)
"""Columns of ``tables.by_scenario`` that a tally is of, in its order."""

MILLI: Final = 1000
"""Weights are counted in thousandths."""

Whole: TypeAlias = NDArray[Any]
"""Whole numbers: of 64 bits where these hold every sum, else Python's own."""

Index: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


class Tally(NamedTuple):
    """Queries, their nanograms and misses together, and the same weighed, in thousandths; of one shape."""

    queries: Whole
    carbon_ng: Whole
    missed: Whole
    weight: Whole
    weighed_ng: Whole
    weighed_missed: Whole

    def of(self, which: Mask | Index | slice | int) -> "Tally":
        """Some of them."""
        return Tally(*(each[which] for each in self))

    def tells(self, queries: Whole, least: int) -> Mask:
        """Whether it speaks for so many queries, of which it is a part."""
        whole = queries * MILLI
        tells: Mask = (self.queries >= least) & (whole <= MOST_OFF * self.weight) & (self.weight <= MOST_OFF * whole)
        return tells


@dataclass(frozen=True, slots=True)
class Level:
    """Queries in groups that are alike in some dimensions, by target within each.

    Attributes:
        group_of: the group of each row, rising, shape (rows,).
        target_of: its target, rising within a group.
        tally: of each row.
        whole: of each group, shape (groups,).
    """

    group_of: Index
    target_of: Index
    tally: Tally
    whole: Tally

    def at(self, targets: Index) -> Tally:
        """What of each group went to a target, shape (groups,); nothing where none did."""
        rows = np.flatnonzero(self.target_of == targets[self.group_of])
        found = Tally(*(np.zeros(len(targets), each.dtype) for each in self.tally))
        for each, values in zip(found, self.tally, strict=True):
            each[self.group_of[rows]] = values[rows]
        return found


@dataclass(frozen=True, slots=True)
class Cells:
    """All queries.

    Attributes:
        targets: their names, in order.
        levels: how many dimensions of ``CELL`` are kept to the groups, in the order of their keys.
        parents: the same to the group that each cell is in, rising, shape (cells,).
    """

    targets: Sequence[str]
    levels: Mapping[int, Level]
    parents: Mapping[int, Index]

    def coarser(self, kept: int, fewer: int) -> Index:
        """Of each group of a level the one of a coarser level that it is in."""
        found = np.zeros(len(self.levels[kept].whole.queries), np.int64)
        found[self.parents[kept]] = self.parents[fewer]
        return found


def cells_of(columns: Mapping[str, Sequence[Any]]) -> Cells:
    """Of columns of ``tables.by_scenario`` over ``CELL`` and target, in any order."""
    tally = Tally(*(_whole(columns[name]) for name in TALLIED))
    targets, target_of = _coded(columns["target"])
    group_of, groups = np.zeros(len(target_of), np.int64), {}
    for kept, name in enumerate(CELL, start=1):
        words, codes = _coded(columns[name])
        group_of = np.unique(group_of * len(words) + codes, return_inverse=True)[1]
        groups[kept] = group_of
    levels = {
        kept: _level(group_of * len(targets) + target_of, len(targets), tally) for kept, group_of in groups.items()
    }
    parents = {kept: np.zeros(len(levels[len(CELL)].whole.queries), np.int64) for kept in groups}
    for kept, group_of in groups.items():
        parents[kept][groups[len(CELL)]] = group_of
    return Cells(targets, levels, parents)


def _level(keys: Index, targets: int, tally: Tally) -> Level:
    order = np.argsort(keys, kind="stable")
    keys, starts = np.unique(keys[order], return_index=True)
    group_of, target_of = np.divmod(keys, max(targets, 1))
    rows = _summed(tally.of(order), starts)
    return Level(group_of, target_of, rows, _summed(rows, np.unique(group_of, return_index=True)[1]))


def _summed(tally: Tally, starts: Index) -> Tally:
    """Of runs of rows, by where each begins."""
    return Tally(*starmap(np.add.reduceat, ((each, starts) for each in tally)))


def _coded(words: Sequence[Any]) -> tuple[Sequence[Any], Index]:
    """Different words in their order, and which of them each is."""
    known = sorted(set(words))
    at = {word: code for code, word in enumerate(known)}
    return known, np.fromiter(map(at.__getitem__, words), np.int64, len(words))


def _whole(values: Sequence[Any]) -> Whole:
    exact = [*map(int, values)]  # decimals where the engine's sums are wide
    reach = max(map(abs, exact), default=0) * len(exact) * MOST_OFF * MILLI
    return np.array(exact, np.int64 if reach < 1 << 63 else object)
