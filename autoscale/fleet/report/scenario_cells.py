"""The sums that scenarios are made of: per network, device model, region and hour, of each target; and coarser ones."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeAlias

from autoscale.fleet.ledger.rollup import WEIGHED

MOST_OFF: Final = 2
"""Weights add up to the queries in the mean; by a factor of more than this they do not."""

CELL: Final = ("network", "device_model", "region", "hour")
TALLIED: Final = ("inferences", "carbon_ng", "missed", *WEIGHED)
"""Columns of ``tables.by_scenario`` that a tally is of, in its order."""

MILLI: Final = 1000
"""Weights are counted in thousandths."""

Key = tuple[Any, ...]


@dataclass(slots=True)
class ScenarioTally:
    """Queries, their nanograms and misses together, and the same weighed, in thousandths."""

    queries: int = 0
    carbon_ng: int = 0
    missed: int = 0
    weight: int = 0
    weighed_ng: int = 0
    weighed_missed: int = 0

    def add(self, other: "ScenarioTally") -> None:
        """Take in others."""
        self.queries += other.queries
        self.carbon_ng += other.carbon_ng
        self.missed += other.missed
        self.weight += other.weight
        self.weighed_ng += other.weighed_ng
        self.weighed_missed += other.weighed_missed

    def tells(self, queries: int, least: int) -> bool:
        """Whether it speaks for so many queries, of which it is a part."""
        whole = queries * MILLI
        return self.queries >= least and whole <= MOST_OFF * self.weight and self.weight <= MOST_OFF * whole


Targets: TypeAlias = dict[str, ScenarioTally]
Cells: TypeAlias = Mapping[Key, Targets]


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are alike in some dimensions: by target, and all of them."""

    targets: Targets
    whole: ScenarioTally


Levels: TypeAlias = Mapping[int, Mapping[Key, Group]]
"""How many dimensions of ``CELL`` are kept, from the finest, to the groups."""


def levels_of(rows: Iterable[Mapping[str, Any]]) -> Levels:
    """Of rows of ``tables.by_scenario`` over ``CELL`` and target; each level of the one below it, which is shorter."""
    levels, finer = {}, _cells(rows)
    for kept in range(len(CELL), 0, -1):
        if kept < len(CELL):
            finer = _coarse(finer, kept)
        levels[kept] = {key: Group(targets, _merged(targets.values())) for key, targets in finer.items()}
    return levels


def _cells(rows: Iterable[Mapping[str, Any]]) -> Cells:
    """In the order of their keys, so that no engine's order of rows shows."""
    cells: dict[Key, Targets] = defaultdict(dict)
    key_of = itemgetter(*CELL)
    figures_of = itemgetter(*TALLIED)
    for row in rows:
        targets, tally = cells[key_of(row)], ScenarioTally(*map(int, figures_of(row)))
        if (known := targets.setdefault(row["target"], tally)) is not tally:
            known.add(tally)
    return dict(sorted(cells.items()))


def _coarse(cells: Cells, kept: int) -> Cells:
    coarser: dict[Key, Targets] = defaultdict(lambda: defaultdict(ScenarioTally))
    for key, targets in cells.items():
        group = coarser[key[:kept]]
        for target, tally in targets.items():
            group[target].add(tally)
    return coarser


def _merged(tallies: Iterable[ScenarioTally]) -> ScenarioTally:
    merged = ScenarioTally()
    for each in tallies:
        merged.add(each)
    return merged
