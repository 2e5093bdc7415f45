"""What the same queries would have emitted elsewhere, estimated from the ledger's own choices by their probabilities.

A query that was sent somewhere with probability ``p`` stands for ``1 / p`` queries: so what went to a place only where
it suits it does not speak for what did not (self-normalised inverse propensity scoring, Swaminathan and Joachims 2015;
docs/off-policy.md). "All" at a place sends each network of each device model to one target there: on the device the one
it was sent to most, far away the one that the network was sent to most by any device. Where the weights of a target do
not add up to the queries, or few went there, there is no estimate, and queries are left as they went.

The interval is of two standard errors of the ratio, regions and hours of the day taken as clusters (Cochran 1977,
"Sampling Techniques", 6.3 and 9A.2): queries of one hour are alike. All of it is done in whole numbers.

The oracle takes, per network, device model, region and hour of the day, of the targets that tell and missed the goal no
more often than all queries there, the one of the lowest mean; where the hour tells too little, of all hours, then of
all regions. The lowest of several means is low by luck too: it bounds what a better choice of target saves at no more
misses, and has no interval.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from operator import itemgetter
from typing import Any, Final, TypeAlias

LEAST_SEEN: Final = 30
"""Fewer queries tell too little of a mean among which the oracle takes the lowest."""

LEAST_WEIGHED: Final = 10
"""Fewer queries tell nothing of one network on one device model; the interval tells what few are worth."""

MOST_OFF: Final = 2
"""Weights add up to the queries in the mean; by a factor of more than this they do not."""

CELL: Final = ("network", "device_model", "region", "hour")
_STRATUM: Final = 2
"""So many dimensions of ``CELL`` are one network on one device model."""

_COARSER: Final = (3, _STRATUM)
"""So many dimensions of ``CELL`` are kept where it tells too little: without the hour, then without the region."""

_MILLI: Final = 1000

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
        whole = queries * _MILLI
        return self.queries >= least and whole <= MOST_OFF * self.weight and self.weight <= MOST_OFF * whole


Targets: TypeAlias = dict[str, ScenarioTally]
Cells: TypeAlias = Mapping[Key, Targets]


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Of some queries: nanograms, thousandths of a missed one, and the variance of the nanograms (None: not known)."""

    queries: int
    carbon_ng: int
    missed_milli: int
    variance: int | None = 0
    is_estimated: bool = True


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One scenario: how it might have gone.

    Attributes:
        name: ``actual``, ``all on device``, ``all in the cloud``, ``oracle``.
        carbon_ng: nanograms of all queries.
        missed: queries that miss the goal.
        covered: queries for which the ledger tells; the others are left as they went.
        low_ng: the low end of an interval of 95 % of ``carbon_ng``; None where the ledger tells of none, or not of
            all queries.
        high_ng: its high end.
        refused: of what there is no estimate and why; empty where there is one for all.
    """

    name: str
    carbon_ng: int
    missed: int
    covered: int
    low_ng: int | None = None
    high_ng: int | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Queries that are alike in some dimensions: by target, and all of them."""

    targets: Targets
    whole: ScenarioTally


Levels: TypeAlias = Mapping[int, Mapping[Key, _Group]]
"""How many dimensions of ``CELL`` are kept, from the finest, to the groups."""


def counterfactuals(rows: Iterable[Mapping[str, Any]]) -> list[Counterfactual]:
    """How it went and three scenarios, from rows of ``tables.by_scenario`` over ``CELL`` and target."""
    levels = _levels(_cells(rows))
    actual = _total("actual", [_went(each.whole, True) for each in levels[len(CELL)].values()])
    placed = (
        _all_at(place, name, levels) for place, name in (("device", "all on device"), ("cloud", "all in the cloud"))
    )
    return [actual, *placed, _oracle(levels)]


def _cells(rows: Iterable[Mapping[str, Any]]) -> Cells:
    """In the order of their keys, so that no engine's order of rows shows."""
    cells: dict[Key, Targets] = defaultdict(dict)
    key_of = itemgetter(*CELL)
    figures = ("inferences", "carbon_ng", "missed", "weight_milli", "weighed_ng_milli", "weighed_missed_milli")
    figures_of = itemgetter(*figures)
    for row in rows:
        targets, tally = cells[key_of(row)], ScenarioTally(*map(int, figures_of(row)))
        if (known := targets.setdefault(row["target"], tally)) is not tally:
            known.add(tally)
    return dict(sorted(cells.items()))


def _levels(cells: Cells) -> Levels:
    """Each level of the one below it, which is shorter than all cells."""
    levels, finer = {}, cells
    for kept in range(len(CELL), 0, -1):
        if kept < len(CELL):
            finer = _coarse(finer, kept)
        levels[kept] = {key: _Group(targets, _merged(targets.values())) for key, targets in finer.items()}
    return levels


def _coarse(cells: Cells, kept: int) -> Cells:
    coarser: dict[Key, Targets] = defaultdict(lambda: defaultdict(ScenarioTally))
    for key, targets in cells.items():
        group = coarser[key[:kept]]
        for target, tally in targets.items():
            group[target].add(tally)
    return coarser


def _all_at(place: str, name: str, levels: Levels) -> Counterfactual:
    """Each network of each device model at one target of a place."""
    by_network, clusters = levels[1], defaultdict[Key, list[Targets]](list)
    for key, cell in levels[len(CELL)].items():
        clusters[key[:_STRATUM]].append(cell.targets)
    found, silent = [], 0
    for key, group in levels[_STRATUM].items():
        targets, whole = group.targets, group.whole
        target = _most_chosen(place, targets if place == "device" else by_network[key[:1]].targets)
        if target in targets and targets[target].tells(whole.queries, LEAST_WEIGHED):
            found.append(_weighed(targets[target], [each[target] for each in clusters[key] if target in each], whole))
        else:
            found.append(_went(whole, False))
            silent += 1
    return _total(name, found, _refusal(place, silent, len(found)))


def _most_chosen(place: str, targets: Targets) -> str:
    there = {target: tally for target, tally in sorted(targets.items()) if target.startswith(f"{place}:")}
    return max(there, key=lambda each: there[each].queries, default="")


def _refusal(place: str, silent: int, strata: int) -> str:
    if not silent:
        return ""
    return (
        f"no estimate for {silent} of {strata} pairs of network and device model: too few queries went to a target of "
        f"'{place}', or only such as it suits (their inverse probabilities do not add up to all queries)"
    )


def _weighed(of: ScenarioTally, clusters: Sequence[ScenarioTally], whole: ScenarioTally) -> _Estimate:
    """All queries with the weighed mean of those of one target; of one cluster alone no error is known."""
    mean_of = (of.weighed_ng, whole.queries, of.weight)
    known = [each for each in clusters if each.weight]
    squares = sum((each.weighed_ng * of.weight - of.weighed_ng * each.weight) ** 2 for each in known)
    count = len(known)
    variance = _share(squares * whole.queries**2, count, (count - 1) * of.weight**4) if count > 1 else None
    return _Estimate(
        whole.queries, _share(*mean_of), _share(of.weighed_missed * _MILLI, whole.queries, of.weight), variance
    )


def _went(tally: ScenarioTally, is_estimated: bool) -> _Estimate:
    """As they went."""
    return _Estimate(tally.queries, tally.carbon_ng, tally.missed * _MILLI, 0, is_estimated)


def _oracle(levels: Levels) -> Counterfactual:
    order = (len(CELL), *_COARSER)
    best = {kept: {key: _cheapest(group) for key, group in levels[kept].items()} for kept in order}
    found = []
    for key, cell in levels[len(CELL)].items():
        told = (best[kept][key[:kept]] for kept in order)
        finest = next((each for each in told if each is not None), None)
        found.append(_went(cell.whole, False) if finest is None else _improved(cell.whole, finest))
    return _total("oracle", found, "" if all(each.is_estimated for each in found) else _ORACLE_SILENT)


_ORACLE_SILENT: Final = "left as they went where no target has enough queries whose inverse probabilities add up to all"


def _cheapest(group: _Group) -> ScenarioTally | None:
    """Of the targets that tell and miss no more often than all; where none is as good, all as they went."""
    whole = group.whole
    if whole.queries < LEAST_SEEN:
        return None
    seen = [each for _, each in sorted(group.targets.items()) if each.tells(whole.queries, LEAST_SEEN)]
    as_good = [each for each in seen if each.weighed_missed * whole.queries <= whole.missed * each.weight]
    as_went = ScenarioTally(weight=whole.queries, weighed_ng=whole.carbon_ng, weighed_missed=whole.missed)
    return min(as_good, key=lambda each: each.weighed_ng / each.weight, default=as_went if seen else None)


def _improved(own: ScenarioTally, best: ScenarioTally) -> _Estimate:
    """What happened stands where it was better than any one target."""
    placed = _weighed(best, (), own)
    return (
        placed if placed.carbon_ng < own.carbon_ng else _Estimate(own.queries, own.carbon_ng, own.missed * _MILLI, None)
    )


def _merged(tallies: Iterable[ScenarioTally]) -> ScenarioTally:
    merged = ScenarioTally()
    for each in tallies:
        merged.add(each)
    return merged


def _total(name: str, estimates: Sequence[_Estimate], refused: str = "") -> Counterfactual:
    carbon_ng = sum(each.carbon_ng for each in estimates)
    covered = sum(each.queries for each in estimates if each.is_estimated)
    missed = _share(sum(each.missed_milli for each in estimates), 1, _MILLI)
    variances = [each.variance for each in estimates if each.is_estimated]
    known = [each for each in variances if each is not None]
    # Of a sum in which some queries are estimated and the rest are as they went no interval holds the truth.
    if len(known) < len(variances) or not 0 < covered == sum(each.queries for each in estimates):
        return Counterfactual(name, carbon_ng, missed, covered, refused=refused)
    error_ng = 2 * isqrt(sum(known))
    return Counterfactual(name, carbon_ng, missed, covered, max(0, carbon_ng - error_ng), carbon_ng + error_ng, refused)


def _share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, to the nearest whole number, exactly."""
    return (2 * amount * part + whole) // (2 * whole)
