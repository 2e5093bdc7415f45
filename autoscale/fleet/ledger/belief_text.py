"""What an agent believed of each target, as members of the JSON object in the ledger's column ``considered``.

``believed`` has of each target the medians ``latency_us`` and ``energy_uj``, the standard deviations of their
logarithms (``latency_spread_ppm``, ``energy_spread_ppm``), the chances of being late and of being chosen (``late_ppm``,
``chance_ppm``), and ``not_allowed``, the indices of those that the agent does not take for what they cost;
``believed_after`` has the same of the choice alone, once the agent had learned from the query. Whole numbers; null
where one is not known.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.query.belief import Belief
from autoscale.query.target import Target
from autoscale.units import MICRO_PER_UNIT

_FIGURES: Final = {
    "latency_us": "latency_s",
    "latency_spread_ppm": "latency_spread",
    "energy_uj": "energy_j",
    "energy_spread_ppm": "energy_spread",
    "late_ppm": "chance_late",
    "chance_ppm": "chance",
}


def belief_text(belief: Belief, belief_after: Belief | None, chosen: int) -> list[str]:
    """The members that say it; it is on the path of every query."""
    parts = [_object("believed", _rows(belief, slice(None)), np.flatnonzero(~belief.is_allowed).tolist())]
    if belief_after is not None:
        of_choice = slice(chosen, chosen + 1)
        parts.append(
            _object("believed_after", _rows(belief_after, of_choice), () if belief_after.is_allowed[chosen] else (0,))
        )
    return parts


def read_belief(kept: Mapping[str, Any] | None, targets: tuple[Target, ...], at: int | None = None) -> Belief | None:
    """What ``belief_text`` wrote; of one target alone where ``at`` is its index, and NaN of the others.

    Raises:
        ValueError: other counts of figures than of targets.
        TypeError: figures that are none.
    """
    if kept is None:
        return None
    indices = range(len(targets)) if at is None else (at,)
    allowed = np.zeros(len(targets), dtype=np.bool_)
    not_allowed = set(kept.get("not_allowed", ()))
    allowed[[index for place, index in enumerate(indices) if place not in not_allowed]] = True
    rows = {name: _array(kept[key], targets, indices) for key, name in _FIGURES.items()}
    return Belief(targets, is_allowed=allowed, **rows)


def _rows(belief: Belief, which: slice) -> list[list[int | None]]:
    rows = (np.array([getattr(belief, name)[which] for name in _FIGURES.values()]) * MICRO_PER_UNIT).tolist()
    try:
        return [
            [int(each + 0.5) for each in row] for row in rows
        ]  # none is below 0; ``round`` takes three times as long
    except (ValueError, OverflowError):  # some are not known
        return [[int(each + 0.5) if math.isfinite(each) else None for each in row] for row in rows]


def _object(name: str, rows: Sequence[Sequence[int | None]], not_allowed: Sequence[int]) -> str:
    members = [f'"{key}":{_list(row)}' for key, row in zip(_FIGURES, rows, strict=True)]
    if not_allowed:
        members.append(f'"not_allowed":{_list(not_allowed)}')
    return f'"{name}":{{{",".join(members)}}}'


def _list(values: Sequence[int | None]) -> str:
    return repr(list(values)).replace(" ", "").replace("None", "null")


def _array(values: Sequence[float | None], targets: Sequence[Target], indices: Sequence[int]) -> Floats:
    if len(values) != len(indices):
        raise ValueError(f"{len(values)} figures for {len(indices)} targets")
    found: Floats = np.full(len(targets), math.nan)
    found[list(indices)] = [math.nan if each is None else each / MICRO_PER_UNIT for each in values]
    return found
