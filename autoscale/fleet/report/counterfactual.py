"""What the same queries would have emitted elsewhere, estimated from the other queries of the ledger.

Queries of one network on one device model, in one region and at one hour of the day are taken to be alike. Where a part
of them went elsewhere, the mean of that part stands for what all would have emitted; where too few did, that of the
same network and device model at any hour, then in any region, whose grids then speak too. The oracle takes, of the
targets with ``LEAST_SEEN`` queries or more that missed the goal no more often than all queries beside them, the one of
the lowest mean. It is an upper bound of what a better policy saves at no more misses: the lowest of several means is
low by luck too, and what made the agent choose otherwise (a weak link, a busy processor) may have been good reasons.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final, TypeAlias

LEAST_SEEN: Final = 30
"""Fewer queries tell too little of a mean."""

CELL: Final = ("network", "device_model", "region", "hour")
_COARSER: Final = (3, 2)
"""So many dimensions of ``CELL`` are kept where it tells too little: without the hour, then without the region."""

_MILLION: Final = 1_000_000

Key = tuple[Any, ...]


@dataclass(slots=True)
class ScenarioTally:
    """Queries, their nanograms together, and how many millionths of a query missed the goal: shares of few count."""

    queries: int = 0
    carbon_ng: int = 0
    missed_millionths: int = 0

    def add(self, other: "ScenarioTally") -> None:
        """Take in others."""
        self.queries += other.queries
        self.carbon_ng += other.carbon_ng
        self.missed_millionths += other.missed_millionths

    def scaled(self, queries: int) -> "ScenarioTally":
        """As many queries as asked for, each with the mean of these; rounded to whole numbers."""
        carbon_ng, missed = (_share(each, queries, self.queries) for each in (self.carbon_ng, self.missed_millionths))
        return ScenarioTally(queries, carbon_ng, missed)


Targets: TypeAlias = dict[str, ScenarioTally]


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One scenario: how it might have gone.

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
    """How it went and three scenarios, from rows of ``tables.by_scenario`` over ``CELL`` and target."""
    cells = _cells(rows)
    groups = _with_coarser(cells)
    went = {key: _merged(targets.values()) for key, targets in cells.items()}
    found = [_total("actual", [(each, True) for each in went.values()])]
    for name, place in (("all on device", "device:"), ("all in the cloud", "cloud:")):
        estimates = _estimates(groups, partial(_at, place))
        found.append(_total(name, [_replaced(own, _finest(estimates, key)) for key, own in went.items()]))
    best = _estimates(groups, _cheapest)
    return [*found, _total("oracle", [_improved(own, _finest(best, key)) for key, own in went.items()])]


def _cells(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Targets]:
    """In the order of their keys, so that no engine's order of rows shows."""
    cells: dict[Key, Targets] = defaultdict(lambda: defaultdict(ScenarioTally))
    key_of = itemgetter(*CELL)
    for row in rows:
        tally = ScenarioTally(int(row["inferences"]), int(row["carbon_ng"]), int(row["missed"]) * _MILLION)
        cells[key_of(row)][row["target"]].add(tally)
    return dict(sorted(cells.items()))


def _with_coarser(cells: Mapping[Key, Targets]) -> dict[Key, Targets]:
    """The cells and every coarser grouping of them, by keys that are as much shorter."""
    groups = finer = dict(cells)
    for kept in _COARSER:
        coarser: dict[Key, Targets] = defaultdict(lambda: defaultdict(ScenarioTally))
        for key, targets in finer.items():
            for target, tally in targets.items():
                coarser[key[:kept]][target].add(tally)
        groups, finer = groups | coarser, coarser
    return groups


def _estimates(
    groups: Mapping[Key, Targets], choose: Callable[[Targets], ScenarioTally | None]
) -> dict[Key, ScenarioTally]:
    """What each group tells of a scenario; those that tell nothing are left out."""
    found = ((key, choose(targets)) for key, targets in groups.items())
    return {key: tally for key, tally in found if tally is not None}


def _at(place: str, targets: Targets) -> ScenarioTally | None:
    """What enough queries answered at a place took."""
    answered = _merged(tally for target, tally in targets.items() if target.startswith(place))
    return answered if answered.queries >= LEAST_SEEN else None


def _cheapest(targets: Targets) -> ScenarioTally | None:
    """Of the targets with enough queries that miss no more often than all; where none is as good, all as they went."""
    seen = [tally for _, tally in sorted(targets.items()) if tally.queries >= LEAST_SEEN]
    whole = _merged(targets.values())
    as_good = [
        each for each in seen if each.missed_millionths * whole.queries <= whole.missed_millionths * each.queries
    ]
    return min(as_good, key=lambda each: each.carbon_ng / each.queries, default=whole if seen else None)


def _finest(estimates: Mapping[Key, ScenarioTally], key: Key) -> ScenarioTally | None:
    """Of the finest grouping that tells of a cell."""
    return next((estimates[key[:kept]] for kept in (len(CELL), *_COARSER) if key[:kept] in estimates), None)


def _replaced(own: ScenarioTally, other: ScenarioTally | None) -> tuple[ScenarioTally, bool]:
    return (own, False) if other is None else (other.scaled(own.queries), True)


def _improved(own: ScenarioTally, best: ScenarioTally | None) -> tuple[ScenarioTally, bool]:
    """What happened stands where it was better than any one target."""
    placed, is_estimated = _replaced(own, best)
    return (placed if placed.carbon_ng < own.carbon_ng else own), is_estimated


def _merged(tallies: Iterable[ScenarioTally]) -> ScenarioTally:
    merged = ScenarioTally()
    for each in tallies:
        merged.add(each)
    return merged


def _total(name: str, cells: Iterable[tuple[ScenarioTally, bool]]) -> Counterfactual:
    listed = list(cells)
    total = _merged(tally for tally, _ in listed)
    covered = sum(tally.queries for tally, is_estimated in listed if is_estimated)
    return Counterfactual(name, total.carbon_ng, _share(total.missed_millionths, 1, _MILLION), covered)


def _share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, to the nearest whole number, exactly."""
    return (2 * amount * part + whole) // (2 * whole)
