"""What the same queries would have emitted elsewhere, estimated from the ledger's own choices by their probabilities.

A query that was sent somewhere with probability ``p`` stands for ``1 / p`` queries: so what went to a place only where
it suits it does not speak for what did not (inverse propensity scoring; docs/off-policy.md). The estimators are those
that judge a policy on its records; a scenario's own figure is the self-normalised one. The doubly robust one's model is
the mean of what went to the target, of the network and device model: sums of an hour keep no forecasts.

"All" at a place sends each network of each device model to one target there: on the device the one
it was sent to most, far away the one that the network was sent to most by any device. Where the weights of a target do
not add up to the queries, or few went there, there is no estimate, and queries are left as they went.

Intervals are of two standard errors, regions and hours of the day taken as clusters (Cochran 1977, "Sampling
Techniques", 9A.2): queries of one hour are alike.

The oracle takes, per network, device model, region and hour of the day, of the targets that tell and missed the goal no
more often than all queries there, the one of the lowest mean; where the hour tells too little, of all hours, then of
all regions. The lowest of several means is low by luck too: it bounds what a better choice of target saves at no more
misses, and has no interval.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale.fleet.report.scenario_cells import CELL, MILLI, Group, Key, Levels, ScenarioTally, Targets, levels_of
from autoscale.off_policy.estimators import Weighed

LEAST_SEEN: Final = 30
"""Fewer queries tell too little of a mean among which the oracle takes the lowest."""

LEAST_WEIGHED: Final = 10
"""Fewer queries tell nothing of one network on one device model; the interval tells what few are worth."""

_STRATUM: Final = 2
"""So many dimensions of ``CELL`` are one network on one device model."""

_COARSER: Final = (3, _STRATUM)
"""So many dimensions of ``CELL`` are kept where it tells too little: without the hour, then without the region."""

_OWN: Final = "snips"
"""The estimator whose figure is the scenario's."""


class _Total(NamedTuple):
    """Nanograms of some queries and their standard error, None where it is not known."""

    carbon_ng: int
    error_ng: float | None = 0.0


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Of some queries: by the name of each estimator what they emit, and thousandths of a missed one."""

    queries: int
    carbon: Mapping[str, _Total]
    missed_milli: int
    is_estimated: bool = True


class Estimated(NamedTuple):
    """One estimator's figure of a scenario, nanograms; the ends as in ``Counterfactual``."""

    carbon_ng: int
    low_ng: int | None = None
    high_ng: int | None = None


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
        estimates: by ``ips``, ``snips`` (the figures above) and ``doubly_robust``; empty where nothing is weighed.
    """

    name: str
    carbon_ng: int
    missed: int
    covered: int
    low_ng: int | None = None
    high_ng: int | None = None
    refused: str = ""
    estimates: Mapping[str, Estimated] = field(default_factory=dict)


def counterfactuals(rows: Iterable[Mapping[str, Any]]) -> list[Counterfactual]:
    """How it went and three scenarios, from rows of ``tables.by_scenario`` over ``CELL`` and target."""
    levels = levels_of(rows)
    actual = _total("actual", [_went(each.whole, True) for each in levels[len(CELL)].values()])
    placed = (
        _all_at(place, name, levels) for place, name in (("device", "all on device"), ("cloud", "all in the cloud"))
    )
    return [actual, *placed, _oracle(levels)]


def _all_at(place: str, name: str, levels: Levels) -> Counterfactual:
    """Each network of each device model at one target of a place."""
    by_network, clusters = levels[1], defaultdict[Key, list[Group]](list)
    for key, cell in levels[len(CELL)].items():
        clusters[key[:_STRATUM]].append(cell)
    found, silent = [], 0
    for key, group in levels[_STRATUM].items():
        target = _most_chosen(place, group.targets if place == "device" else by_network[key[:1]].targets)
        there = group.targets.get(target, _NOTHING)
        if there.tells(group.whole.queries, LEAST_WEIGHED):
            found.append(_weighed(there, group.whole.queries, target, clusters[key]))
        else:
            found.append(_went(group.whole, False))
            silent += 1
    return _total(name, found, _refusal(place, silent, len(found)))


_NOTHING: Final = ScenarioTally()


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


def _weighed(there: ScenarioTally, whole: int, target: str, clusters: Sequence[Group]) -> _Estimate:
    """All queries at one target, by every estimator; of one cluster alone no error is known."""
    own = [each.targets.get(target, _NOTHING) for each in clusters]
    queries = np.array([each.whole.queries for each in clusters], dtype=np.float64)
    weights = np.array([each.weight for each in own]) / MILLI
    values = np.array([each.weighed_ng for each in own]) / MILLI
    model_ng = there.carbon_ng / there.queries
    found = Weighed(queries, weights, values, model_ng * queries, model_ng * weights).estimates()
    carbon = {
        name: _Total(round(whole * mean), whole * error if math.isfinite(error) else None)
        for name, (mean, error) in found.items()
    }
    return _Estimate(whole, carbon, _share(there.weighed_missed * MILLI, whole, there.weight))


def _as_told(carbon_ng: int, error_ng: float | None = 0.0) -> Mapping[str, _Total]:
    return {_OWN: _Total(carbon_ng, error_ng)}


def _went(tally: ScenarioTally, is_estimated: bool) -> _Estimate:
    """As they went."""
    return _Estimate(tally.queries, _as_told(tally.carbon_ng), tally.missed * MILLI, is_estimated)


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


def _cheapest(group: Group) -> ScenarioTally | None:
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
    placed_ng = _share(best.weighed_ng, own.queries, best.weight)
    if placed_ng >= own.carbon_ng:
        return _Estimate(own.queries, _as_told(own.carbon_ng, None), own.missed * MILLI)
    missed_milli = _share(best.weighed_missed * MILLI, own.queries, best.weight)
    return _Estimate(own.queries, _as_told(placed_ng, None), missed_milli)


def _total(name: str, estimates: Sequence[_Estimate], refused: str = "") -> Counterfactual:
    covered = sum(each.queries for each in estimates if each.is_estimated)
    missed = _share(sum(each.missed_milli for each in estimates), 1, MILLI)
    # Of a sum in which some queries are estimated and the rest are as they went no interval holds the truth.
    is_whole = 0 < covered == sum(each.queries for each in estimates)
    names = dict.fromkeys(key for each in estimates if each.is_estimated for key in each.carbon)
    every = {key: _summed([each.carbon.get(key, each.carbon[_OWN]) for each in estimates], is_whole) for key in names}
    own = every.get(_OWN) or _summed([each.carbon[_OWN] for each in estimates], is_whole)
    return Counterfactual(name, own.carbon_ng, missed, covered, *own[1:], refused, every if len(every) > 1 else {})


def _summed(totals: Sequence[_Total], is_whole: bool) -> Estimated:
    carbon_ng, errors = sum(each.carbon_ng for each in totals), [each.error_ng for each in totals]
    known = [each for each in errors if each is not None]
    if not is_whole or len(known) < len(errors):
        return Estimated(carbon_ng)
    error_ng = round(2.0 * math.sqrt(math.fsum(each**2 for each in known)))
    return Estimated(carbon_ng, max(0, carbon_ng - error_ng), carbon_ng + error_ng)


def _share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, to the nearest whole number, exactly."""
    return (2 * amount * part + whole) // (2 * whole)
