"""A counter of joules as it was recorded, whatever recorded it: rows that a replay plays."""

from collections.abc import Sequence
from typing import NamedTuple

from autoscale.query.outcome import Method


class Counted(NamedTuple):
    """What a counter said at a moment; ``run`` counts how often it was reset, or not recorded, until then."""

    time_s: float
    energy_j: float
    run: int


class Recording(NamedTuple):
    """A recorded counter.

    Attributes:
        rows: at least two of one run, in the order of time.
        scope: what was counted, as a reading's source says it.
        method: how whoever recorded it knew.
        sees_radio: whether the radio's joules are in it.
    """

    rows: Sequence[Counted]
    scope: str
    method: Method = Method.MEASURED
    sees_radio: bool = False
