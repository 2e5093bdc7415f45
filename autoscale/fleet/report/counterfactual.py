"""What the same queries would have emitted elsewhere, as told by the other queries of the ledger.

Queries of one network on one device model, in one region and at one hour of the day are taken to be alike. Where a part
of them went another way, the mean of that part stands for what all would have emitted. The oracle takes, of the targets
with ``LEAST_SEEN`` queries or more that missed the goal no more often than the group as a whole, the one of the lowest
mean. It is an upper bound of what a better policy saves: the lowest of several means is low by luck too, and what made
the agent choose otherwise (a weak link, a busy processor) may have been good reasons.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

LEAST_SEEN: Final = 30
"""Fewer queries tell too little of a mean."""

CELL: Final = ("network", "device_model", "region", "hour")
_COARSER: Final = (4, 3, 2)
"""So many dimensions of ``CELL`` are kept, the finest first: without the hour, then without the region."""

Key = tuple[Any, ...]


@dataclass(slots=True)
class Tally:
    """Queries, their nanograms together, and how many missed the goal."""

    queries: int = 0
    carbon_ng: int = 0
    missed: int = 0

    def add(self, other: "Tally") -> None:
        """Take in others."""
        self.queries += other.queries
        self.carbon_ng += other.carbon_ng
        self.missed += other.missed

    def scaled(self, queries: int) -> "Tally":
        """As many queries as asked for, each with the mean of these; rounded to whole numbers."""
        return Tally(queries, _share(self.carbon_ng, queries, self.queries), _share(self.missed, queries, self.queries))


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One way in which it might have gone.

    Attributes:
        name: ``actual``, ``all on device``, ``all in the cloud``, ``oracle``.
        carbon_ng: nanograms of all queries.
        missed: queries that miss the goal.
        covered: queries for which the ledger tells; the others are left as they went.
    """

    name: str
    carbon_ng: int
    missed: int
    covered: int


def counterfactuals(rows: Iterable[Mapping[str, Any]]) -> list[Counterfactual]:
    """How it went and three ways it might have gone, from rows of ``tables.by_way`` over ``CELL`` and target."""
    cells = _cells(rows)
    pools = {place: _pools(cells, place) for place in ("device", "cloud")}
    went = [_merged(targets.values()) for targets in cells.values()]
    found = [_total("actual", [(each, True) for each in went])]
    for name, place in (("all on device", "device"), ("all in the cloud", "cloud")):
        placed = [_replaced(own, _pooled(pools[place], key)) for key, own in zip(cells, went, strict=True)]
        found.append(_total(name, placed))
    best = [_best(own, targets) for own, targets in zip(went, cells.values(), strict=True)]
    return [*found, _total("oracle", best)]


def _cells(rows: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Tally]]:
    """In the order of their keys, so that no engine's order of rows shows."""
    cells: dict[Key, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    key_of = itemgetter(*CELL)
    for row in rows:
        tally = Tally(int(row["inferences"]), int(row["carbon_ng"]), int(row["missed"]))
        cells[key_of(row)][row["target"]].add(tally)
    return dict(sorted(cells.items()))


def _pools(cells: Mapping[Key, Mapping[str, Tally]], place: str) -> dict[Key, Tally]:
    """What queries answered at a place took, by cell and by every coarser grouping."""
    pools: dict[Key, Tally] = defaultdict(Tally)
    start = f"{place}:"
    for key, targets in cells.items():
        answered = _merged(tally for target, tally in targets.items() if target.startswith(start))
        for kept in _COARSER if answered.queries else ():
            pools[key[:kept]].add(answered)
    return pools


def _pooled(pools: Mapping[Key, Tally], key: Key) -> Tally | None:
    """The finest grouping with enough queries."""
    candidates = (pools.get(key[:kept]) for kept in _COARSER)
    return next((each for each in candidates if each is not None and each.queries >= LEAST_SEEN), None)


def _replaced(own: Tally, other: Tally | None) -> tuple[Tally, bool]:
    return (own, False) if other is None else (other.scaled(own.queries), True)


def _best(own: Tally, targets: Mapping[str, Tally]) -> tuple[Tally, bool]:
    """The oracle's choice for a cell; what happened, where that was better than any one target."""
    seen = [tally for _, tally in sorted(targets.items()) if tally.queries >= LEAST_SEEN]
    as_good = [each for each in seen if each.missed * own.queries <= own.missed * each.queries]
    placed = [each.scaled(own.queries) for each in as_good]
    best = min(placed, key=lambda tally: tally.carbon_ng, default=own)
    return (best if best.carbon_ng < own.carbon_ng else own), bool(seen)


def _merged(tallies: Iterable[Tally]) -> Tally:
    merged = Tally()
    for each in tallies:
        merged.add(each)
    return merged


def _total(name: str, cells: Iterable[tuple[Tally, bool]]) -> Counterfactual:
    listed = list(cells)
    total = _merged(tally for tally, _ in listed)
    return Counterfactual(name, total.carbon_ng, total.missed, sum(tally.queries for tally, known in listed if known))


def _share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, to the nearest whole number, exactly."""
    return (2 * amount * part + whole) // (2 * whole)
