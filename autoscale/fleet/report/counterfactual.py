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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.report.scenario_cells import CELL, MILLI, Cells, Index, Level, Mask, Tally, Whole, cells_of
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


def counterfactuals(columns: Mapping[str, Sequence[Any]]) -> list[Counterfactual]:
    """How it went and three scenarios, from columns of ``tables.by_scenario`` over ``CELL`` and target."""
    cells = cells_of(columns)
    actual = _total("actual", [_went(cells.levels[len(CELL)].whole, True)])
    placed = (
        _all_at(place, name, cells) for place, name in (("device", "all on device"), ("cloud", "all in the cloud"))
    )
    return [actual, *placed, _oracle(cells)]


def _all_at(place: str, name: str, cells: Cells) -> Counterfactual:
    """Each network of each device model at one target of a place."""
    strata, finest, stratum_of = cells.levels[_STRATUM], cells.levels[len(CELL)], cells.parents[_STRATUM]
    is_there = np.array([each.startswith(f"{place}:") for each in cells.targets], np.bool_)
    if place == "device":
        target = _most_chosen(strata, is_there)
    else:
        target = _most_chosen(cells.levels[1], is_there)[cells.coarser(_STRATUM, 1)]
    there, own = strata.at(target), finest.at(target[stratum_of])
    tells = there.tells(strata.whole.queries, LEAST_WEIGHED)
    begins, ends = (np.searchsorted(stratum_of, np.arange(len(tells)), side).tolist() for side in ("left", "right"))
    found = [
        _weighed(
            there.of(each), finest.whole.queries[begins[each] : ends[each]], own.of(slice(begins[each], ends[each]))
        )
        for each in np.flatnonzero(tells).tolist()
    ]
    silent = int(np.count_nonzero(~tells))
    return _total(name, [*found, _went(strata.whole.of(~tells), False)], _refusal(place, silent, len(tells)))


def _most_chosen(level: Level, is_there: Mask) -> Index:
    """Of each group the target of some that most queries went to, the first of several; -1 for none."""
    rows = np.flatnonzero(is_there[level.target_of])
    groups, targets = level.group_of[rows], level.target_of[rows]
    groups, first = _firsts(groups, -level.tally.queries[rows].astype(np.int64))
    chosen = np.full(len(level.whole.queries), -1)
    chosen[groups] = targets[first]
    return chosen


def _firsts(groups: Index, values: NDArray[Any]) -> tuple[Index, Index]:
    """Each group that there is, and where its lowest value stands, the first of several."""
    order = np.lexsort((values, groups))
    found, first = np.unique(groups[order], return_index=True)
    return found, order[first]


def _refusal(place: str, silent: int, strata: int) -> str:
    if not silent:
        return ""
    return (
        f"no estimate for {silent} of {strata} pairs of network and device model: too few queries went to a target of "
        f"'{place}', or only such as it suits (their inverse probabilities do not add up to all queries)"
    )


def _weighed(there: Tally, queries: Whole, own: Tally) -> _Estimate:
    """All queries at one target, by every estimator; of one cluster alone no error is known.

    Args:
        there: what went to the target, together.
        queries: of each cluster.
        own: what of each went to the target.
    """
    of_clusters, weights, values = (each.astype(np.float64) for each in (queries, own.weight, own.weighed_ng))
    weights, values, model_ng = weights / MILLI, values / MILLI, int(there.carbon_ng) / int(there.queries)
    found = Weighed(of_clusters, weights, values, model_ng * of_clusters, model_ng * weights).estimates()
    whole = int(queries.sum())
    carbon = {
        name: _Total(round(whole * mean), whole * error if math.isfinite(error) else None)
        for name, (mean, error) in found.items()
    }
    return _Estimate(whole, carbon, _share(int(there.weighed_missed) * MILLI, whole, int(there.weight)))


def _went(tally: Tally, is_estimated: bool) -> _Estimate:
    """As they went."""
    queries, carbon_ng, missed = (int(each.sum()) for each in tally[:3])
    return _Estimate(queries, {_OWN: _Total(carbon_ng)}, missed * MILLI, is_estimated)


class _Best(NamedTuple):
    """What a query is taken to emit and to miss: over the weight, in Python's own whole numbers."""

    weight: Whole
    weighed_ng: Whole
    weighed_missed: Whole


def _oracle(cells: Cells) -> Counterfactual:
    whole = cells.levels[len(CELL)].whole
    is_told = np.zeros(len(whole.queries), np.bool_)
    best = _Best(*(np.zeros(len(is_told), object) for _ in _Best._fields))
    for kept in (*_COARSER[::-1], len(CELL)):  # the finer one that tells stands
        group_of = cells.parents[kept]
        told, found = _cheapest(cells.levels[kept])
        which = told[group_of]
        is_told |= which
        for each, values in zip(best, found, strict=True):
            each[which] = values[group_of[which]]
    improved = _improved(whole.of(is_told), _Best(*(each[is_told] for each in best)))
    return _total("oracle", [improved, _went(whole.of(~is_told), False)], "" if is_told.all() else _ORACLE_SILENT)


_ORACLE_SILENT: Final = "left as they went where no target has enough queries whose inverse probabilities add up to all"


def _cheapest(level: Level) -> tuple[Mask, _Best]:
    """Of the targets that tell and miss no more often than all; where none is as good, all as they went.

    Returns whether a group has targets that tell, and the best of each; both of shape (groups,).
    """
    of_group = level.whole.of(level.group_of)
    seen = (of_group.queries >= LEAST_SEEN) & level.tally.tells(of_group.queries, LEAST_SEEN)
    whole, own = (Tally(*(each.astype(object) for each in of)) for of in (of_group.of(seen), level.tally.of(seen)))
    groups = level.group_of[seen]
    is_told = np.zeros(len(level.whole.queries), np.bool_)
    is_told[groups] = True
    best = _Best(*(each.astype(object) for each in level.whole[:3]))
    as_good = own.weighed_missed * whole.queries <= whole.missed * own.weight
    own = own.of(as_good)
    found, first = _firsts(groups[as_good], (own.weighed_ng / own.weight).astype(np.float64))
    for each, values in zip(best, own[3:], strict=True):
        each[found] = values[first]
    return is_told, best


def _improved(own: Tally, best: _Best) -> _Estimate:
    """What happened stands where it was better than any one target."""
    placed_ng = _share(best.weighed_ng, own.queries, best.weight)
    is_better = placed_ng < own.carbon_ng
    carbon_ng = np.where(is_better, placed_ng, own.carbon_ng).sum()
    placed_milli = _share(best.weighed_missed * MILLI, own.queries, best.weight)
    missed_milli = np.where(is_better, placed_milli, own.missed * MILLI).sum()
    return _Estimate(int(own.queries.sum()), {_OWN: _Total(int(carbon_ng), None)}, int(missed_milli))


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


def _share(amount: Any, part: Any, whole: Any) -> Any:
    """``amount * part / whole``, to the nearest whole number, exactly: of Python's own, or arrays of them."""
    return (2 * amount * part + whole) // (2 * whole)
