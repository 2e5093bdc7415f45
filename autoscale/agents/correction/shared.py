"""What all networks share on a processor: an offset, linear effects of conditions, the noise, and sudden changes.

The offset is the top of the tree (``hierarchy``). Effects are learned by a Kalman
filter on what the tree does not explain; one of them, the shift, has no prior width and gets some when the processor
has changed: a two-sided CUSUM of standardised surprises (Page, Biometrika 41:100, 1954) says so. Noise is learned by
the expectation-maximisation step of the filter (Shumway and Stoffer, J. Time Series Analysis 3:253, 1982).
"""

from collections.abc import Sequence
from operator import itemgetter
from struct import Struct
from typing import Final

import numpy as np

from autoscale.agents.correction.conditions import EFFECTS, SHIFT, SPREAD
from autoscale.agents.correction.hierarchy import QUANTITIES, UNINFORMED
from autoscale.arrays import Floats

OFFSET: Final = 0.4**2
"""Variance of a processor's offset, in ln(actual / forecast), before anything was seen."""
COMMON: Final = 4.0**2
"""Likewise of all processors', where there is no forecast that would tell the size of anything."""

NOISE: Final = 0.05**2
"""Variance of one figure's ln around what could be known, at first."""
FIRST_WEIGHT: Final = 4.0
"""How many figures that counts for."""
LONGEST: Final = 200.0
"""How many figures the noise is learned from; older ones fade."""
RESTLESS_PRIOR: Final = 10.0
"""How many figures of a network it counts for that it is as noisy as others."""
LEAST_NOISE: Final = 1e-6

OUTLIER: Final = 3.0
"""No surprise counts for more than this many standard deviations: one absurd figure must not drown the others."""
SLACK: Final = 1.0
ALARM: Final = 7.0
"""The CUSUM adds what surprises exceed ``SLACK`` by, and calls it a change at ``ALARM``, both in standard deviations:
two figures far off suffice, and where nothing changes it is wrong once in thousands."""
FAMILIAR: Final = 2.0
"""Only of targets of which so much is known is anything a change: their variance is at most so many times the noise."""
LOUDEST: Final = 4.5
CHANGE: Final = 0.5
"""By how much ln(cost) is more or less where a processor has changed, in the mean."""
JUMP: Final = CHANGE**2
"""Variance that its shift gets then."""
RESTLESS: Final = 2e-4
"""Variance a shift gains with every query, for each unit of its square: what changed once may change back."""
DRIFT: Final = 3e-6
"""And in any case: with three times as much twice as many looks find nothing, without it a slow drift goes unseen."""
DRIFT_EVERY: Final = 8
"""Of how many queries both are added at once."""
STALE: Final = 0.3
"""What is left, after a change, of the weight of what had been seen of the very target."""


_ROW: Final = Struct(f"{EFFECTS + EFFECTS * EFFECTS + 8}d")
"""Everything of one quantity on one processor: noise, mean, variance, effects, spread, then figures, alarms, sums."""
_CHOSEN_BY: Final = Struct(f"{3 + EFFECTS + 1}d")
"""What of it a choice reads, its beginning: up to the shift's variance, the first of the spread."""
_NOISE, _MOMENTS, _EFFECTS = 0, slice(1, 3), slice(3, 3 + EFFECTS)
_SPREAD: Final = slice(_EFFECTS.stop, _EFFECTS.stop + EFFECTS * EFFECTS)
_FIGURES, _ALARMS, _SUMS = _SPREAD.stop, *(slice(_SPREAD.stop + at, _SPREAD.stop + at + 2) for at in (1, 3))
_UPPER: Final = tuple(zip(*np.triu_indices(EFFECTS), strict=True))
_FOLDED: Final = itemgetter(*(_SPREAD.start + row * EFFECTS + column for row, column in _UPPER))
"""Of a row, the upper triangle of the spread."""
_UNFOLDED: Final = itemgetter(*(_UPPER.index((min(at), max(at))) for at in np.ndindex(EFFECTS, EFFECTS)))
"""Of that triangle, the spread."""


class Cell:
    """One quantity on one processor as plain numbers: what learns from one figure needs no arrays.

    Attributes:
        effects: of ``Shared``, and so on.
        spread: its upper triangle, row after row.
        dearer: the first alarm.
        cheaper: the second.
        weight: the first sum.
        weighted: the second.
    """

    __slots__ = (
        "cheaper",
        "dearer",
        "effects",
        "figures",
        "mean",
        "noise",
        "spread",
        "variance",
        "weight",
        "weighted",
    )

    def __init__(self, row: Sequence[float]) -> None:
        self.noise, self.mean, self.variance = row[: _EFFECTS.start]
        self.effects, self.spread = row[_EFFECTS], _FOLDED(row)
        self.figures, self.dearer, self.cheaper, self.weight, self.weighted = row[_FIGURES:]

    def row(self) -> tuple[float, ...]:
        """What it was made of."""
        told = self.figures, self.dearer, self.cheaper, self.weight, self.weighted
        return (self.noise, self.mean, self.variance, *self.effects, *_UNFOLDED(self.spread), *told)

    def told(self, weight: float, weighted: float) -> None:
        """Take in what the tree of a network says of the offset."""
        self.weight += weight
        self.weighted += weighted
        self.variance = 1.0 / (1.0 / OFFSET + self.weight)
        self.mean = self.variance * self.weighted


class Shared:
    """Arrays over processors, each learned from all networks; views of one, of which a ``Cell`` is a piece.

    Args:
        processors: how many.

    Attributes:
        sums: what networks say of the offsets: weight and weighted sum, shape (2, quantities, processors).
        moments: mean and variance of the offsets, likewise; ``mean`` and ``variance`` are those.
        effects: means, shape (quantities, processors, EFFECTS).
        linear: the same, shape (processors * quantities, EFFECTS).
        spread: their covariances, shape (quantities, processors, EFFECTS, EFFECTS).
        shift_variance: the shifts' variances, shape (quantities, processors).
        noise: variances of one figure, shape (quantities, processors).
        figures: how many those were learned from, likewise.
        alarms: the CUSUM of dearer and of cheaper than believed, shape (2, quantities, processors).
        is_informed: whether the forecast tells targets apart.
        changes: how often each processor has changed.

    Of sums, figures, alarms and the rest of ``spread`` the arrays lack what was learned since ``settle``: no choice
    goes by those.
    """

    def __init__(self, processors: int) -> None:
        self.__setstate__((np.zeros((processors, QUANTITIES, _ROW.size // 8)), True))
        self.spread[..., range(EFFECTS), range(EFFECTS)] = np.square(SPREAD)
        self.noise[...] = NOISE
        self.figures[...] = FIRST_WEIGHT
        self.refresh()

    def __getstate__(self) -> tuple[Floats, bool]:
        self.settle()
        return self._rows, self.is_informed  # a copy's views are of its own rows

    def __setstate__(self, state: tuple[Floats, bool]) -> None:
        self._rows, self.is_informed = state
        self.changes = [0] * len(self._rows)
        self._cells: dict[int, list[Cell]] = {}  # read from the rows, until those change otherwise than by ``put``
        self._buffer = self._rows.data
        whole = self._rows.swapaxes(0, 1)
        self.effects = whole[..., _EFFECTS]
        self.linear = self._rows.reshape(-1, self._rows.shape[-1])[:, _EFFECTS]
        self.spread = whole[..., _SPREAD].reshape(*whole.shape[:2], EFFECTS, EFFECTS)
        self.noise, self.figures = whole[..., _NOISE], whole[..., _FIGURES]
        self.alarms, self.sums, self.moments = (np.moveaxis(whole[..., at], -1, 0) for at in (_ALARMS, _SUMS, _MOMENTS))
        self.mean, self.variance = self.moments
        self.shift_variance = self.spread[..., SHIFT, SHIFT]

    def cells(self, processor: int) -> list[Cell]:
        """Of each quantity what is known of a processor; ``put`` keeps what becomes of it."""
        cells = self._cells.get(processor)
        if cells is None:
            rows = _ROW.iter_unpack(self._rows[processor].data.cast("B"))
            cells = self._cells[processor] = [Cell(row) for row in rows]
        return cells

    def put(self, processor: int) -> None:
        """Let choices go by what became of those."""
        at = processor * QUANTITIES * _ROW.size
        for cell in self._cells[processor]:
            mean, variance = cell.mean, cell.variance
            _CHOSEN_BY.pack_into(self._buffer, at, cell.noise, mean, variance, *cell.effects, cell.spread[0])
            at += _ROW.size

    def settle(self) -> None:
        """Write down all that was learned."""
        for processor, cells in self._cells.items():
            self._rows[processor] = [cell.row() for cell in cells]
        self._cells.clear()

    def add(self, sums: Floats) -> None:
        """Take in changes of the sums, shape (2, quantities, processors); ``refresh`` works out what follows."""
        self.settle()
        self.sums += sums

    def refresh(self) -> None:
        """Work out the offsets' means and variances from the sums."""
        self.settle()
        weight, weighted = self.sums
        if self.is_informed:
            self.variance[...] = 1.0 / (1.0 / OFFSET + weight)
            self.mean[...] = self.variance * weighted
            return
        own = OFFSET * UNINFORMED
        left = 1.0 / (1.0 + own * weight)
        top = 1.0 / (1.0 / COMMON + (weight * left).sum(1, keepdims=True))
        mean = top * (weighted * left).sum(1, keepdims=True)
        self.mean[...] = left * (own * weighted + mean)
        self.variance[...] = left * (own + left * top)

    def drift(self) -> None:
        """Let shifts become less certain, as time goes by; those of what has changed sooner."""
        shift = self.effects[..., SHIFT]
        certain = self.shift_variance
        np.minimum(certain + DRIFT_EVERY * (RESTLESS * shift * shift + DRIFT), np.maximum(certain, JUMP), out=certain)
        variances = certain.T.tolist()
        for processor, cells in self._cells.items():
            for cell, variance in zip(cells, variances[processor], strict=True):
                cell.spread = (variance, *cell.spread[1:])
