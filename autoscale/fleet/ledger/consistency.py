"""Whether a row's figures fit each other: what no single column can tell of itself.

Carbon is joules times the grid's intensity times the building's overhead, a figure lies between its ends, and an answer
is late where it came after its limit, from the target that is named. A row
where that does not hold was made by a fault or by somebody, and its grams would be believed as all others are.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import InvalidTarget
from autoscale.fleet.ledger.rows import Ints, Mask, Rows
from autoscale.fleet.ledger.schema import MOST_MG_PER_KWH, MOST_PUE, PARTS, RANGES
from autoscale.query.target import Target
from autoscale.units import J_PER_KWH

_NG_PER_UJ: Final = 1.0 / J_PER_KWH
"""Of each milligram in a kilowatt-hour."""

_ROUNDING_NG: Final = 3
_ROUNDING_UNKNOWN_NG: Final = 1000
"""Where no intensity is known, a microgram of carbon may be of joules that are not known either."""

_CLEANEST_MG_PER_KWH: Final = 1000
"""Below any grid's: joules of a region that is named are not free where their intensity is left out."""

_TOLERANCE: Final = {"device": 1.05, "network": 1.05, "remote": 2.0}
"""A remote machine's own account may be of another hour than the intensity that it reported."""

_TOLERANCE_OF_1: Final = 100.0
"""Rows of schema 1 do not say the building's overhead, and their intensity is the one the agent saw."""


def inconsistent(rows: Rows) -> Mask:
    """Which rows' figures do not fit each other, shape (rows,); other faults than that are not looked for."""
    wrong = np.zeros(len(rows), np.bool_)
    for low, parts, high in RANGES:
        total = sum((rows.numbers[name] for name in parts[1:]), rows.numbers[parts[0]])
        wrong |= (rows.numbers[low] > total + _ROUNDING_NG) | (rows.numbers[high] < total - _ROUNDING_NG)
    for part in PARTS:
        wrong |= _beyond(rows, part)
    wrong |= (rows.numbers["pue_remote_ppm"] >= 0) & (rows.numbers["pue_remote_ppm"] < 10**6)
    return wrong | _misjudged(rows) | _answered_by_none(rows)


def _misjudged(rows: Rows) -> Mask:
    """Which rows say late where their own figures say in time, or the reverse; both are rounded to a microsecond."""
    is_late, goal_us = rows.numbers["is_late"] != 0, rows.numbers["goal_latency_us"]
    beyond_us = rows.numbers["latency_us"] - goal_us
    wrong: Mask = np.where(is_late, (goal_us < 0) | (beyond_us < -1), (goal_us >= 0) & (beyond_us > 1))
    return wrong


def _answered_by_none(rows: Rows) -> Mask:
    """Which rows chose no target, or were answered by none, or by another than their place, processor and precision."""
    chosen, selected = rows.texts["chosen"], rows.texts["selected"]
    is_target = np.array([_target(each) is not None for each in chosen.words], np.bool_)
    wrong: Mask = (rows.numbers["attempts"] < 1) | ~is_target[chosen.codes]
    answered = [_target(each) for each in selected.words]
    for part in ("place", "processor", "precision"):
        told, known = rows.texts[part], dict[str, int]()
        said = np.array([known.setdefault(each, len(known)) for each in told.words], np.int32)
        found = np.array([known.get(getattr(each, part, ""), -1) for each in answered], np.int32)
        wrong |= said[told.codes] != found[selected.codes]
    return wrong


def _target(text: str) -> Target | None:
    try:
        return Target.parse(text)
    except InvalidTarget:
        return None


def inconsistent_sums(numbers: Mapping[str, Ints], inferences: NDArray[np.float64]) -> Mask:
    """Which sums' figures do not fit each other, of so many queries each, shape (sums,); no intensity is known."""
    wrong = np.zeros(len(inferences), np.bool_)
    for low, parts, high in RANGES:
        total = sum((numbers[name] for name in parts[1:]), numbers[parts[0]])
        wrong |= numbers[low] > total + _ROUNDING_NG * inferences
        wrong |= numbers[high] < total - _ROUNDING_NG * inferences
    for part in PARTS:
        highest = MOST_MG_PER_KWH * (MOST_PUE if part == "remote" else 1.0) * _NG_PER_UJ
        most_ng = numbers[f"energy_{part}_uj"] * highest + (highest + _ROUNDING_UNKNOWN_NG) * inferences
        wrong |= numbers[f"operational_{part}_ng"] > most_ng
    return wrong


def _beyond(rows: Rows, part: str) -> Mask:
    """Where the carbon of a part is not what its joules take at its grid's intensity."""
    energy_uj, carbon_ng, mg_per_kwh = (
        rows.numbers[name.format(part)].astype(np.float64)
        for name in ("energy_{}_uj", "operational_{}_ng", "intensity_{}_mg_per_kwh")
    )
    is_known = mg_per_kwh >= 0
    least, most = _overheads(rows, part)
    tolerance = np.where(rows.numbers["schema"] < 2, _TOLERANCE_OF_1, _TOLERANCE[part])
    highest = np.where(is_known, mg_per_kwh * tolerance, float(MOST_MG_PER_KWH)) * most * _NG_PER_UJ
    lowest = np.where(is_known, mg_per_kwh / tolerance, 0.0) * least * _NG_PER_UJ
    rounding = highest + np.where(is_known, _ROUNDING_NG, _ROUNDING_UNKNOWN_NG)  # joules are rounded too
    wrong: Mask = (carbon_ng > energy_uj * highest + rounding) | (carbon_ng < energy_uj * lowest - rounding)
    free_ng = energy_uj * _CLEANEST_MG_PER_KWH * _NG_PER_UJ - _ROUNDING_NG
    return wrong | (~is_known & _has_region(rows, part) & (carbon_ng < free_ng))


def _has_region(rows: Rows, part: str) -> Mask:
    """Where a grid is named; rows of schema 1 may name one and have no account."""
    regions = rows.texts[f"region_{part}"]
    is_named = np.array([bool(each) for each in regions.words], np.bool_)[regions.codes]
    return is_named & (rows.numbers["schema"] >= 2)


def _overheads(rows: Rows, part: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the most that a building adds to a part's joules, as factors."""
    ones = np.ones(len(rows))
    if part != "remote":
        return ones, ones
    pue = rows.numbers["pue_remote_ppm"] / 1e6
    return np.where(pue >= 1.0, pue, 1.0), np.where(pue >= 1.0, pue, MOST_PUE)
