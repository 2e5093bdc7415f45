"""One figure after another: how a surprise is shared out between effects, noise and the tree."""

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from autoscale.agents.correction.conditions import SHIFT
from autoscale.agents.correction.hierarchy import QUANTITIES, Triple
from autoscale.agents.correction.network import Network, Shift
from autoscale.agents.correction.shared import (
    ALARM,
    CHANGE,
    FAMILIAR,
    JUMP,
    LEAST_NOISE,
    LONGEST,
    LOUDEST,
    OUTLIER,
    RESTLESS_PRIOR,
    SLACK,
    Cell,
)

STRIKING: Final = 2.0
"""A surprise of so many standard deviations may be the first of a change; a second one on the same side is no noise."""
_LARGEST_RATIO: Final = OUTLIER**2
STILL: Final = Shift()
"""Of a network on a processor where nothing was striking; never changed."""
UNMOVED: Final = [STILL] * QUANTITIES

Features: TypeAlias = tuple[float, float, float, float]
"""The position of a processor's setting and three conditions; the shift's feature, which comes before, is always 1."""


class Lesson:
    """What is left for the tree of the network, one number a quantity, and whether the processor has changed.

    Attributes:
        residual: for the tree.
        precision: one over its variance; 0 where nothing was observed.
        has_changed: whether it costs more or less than it did.
        is_better: whether any costs less, by this one figure.
        likelier: how many times likelier than not it is that the one costs less of which it is the likeliest.
        is_shared: whether the processor has changed for all networks.
    """

    __slots__ = ("has_changed", "is_better", "is_shared", "likelier", "precision", "residual")

    def __init__(self) -> None:
        self.residual, self.precision = [math.nan] * QUANTITIES, [0.0] * QUANTITIES
        self.has_changed, self.is_better, self.is_shared = [False] * QUANTITIES, False, False
        self.likelier = 0.0


def take_in(
    cells: Sequence[Cell],
    features: Features,
    seen: Triple,
    mean: Triple,
    variance: Triple,
    network: Network,
    processor: int,
    *,
    changed: float,
    changes: int,
) -> Lesson:
    """Let what all networks share learn from one outcome, and what the network has of its own beside its tree.

    Args:
        cells: of the processor it ran on, one a quantity, changed in place.
        features: of it.
        seen: ln(actual / forecast) of each quantity; NaN where nothing was observed.
        mean: of the target's residual as its network's tree has it.
        variance: likewise.
        network: whose level, shifts and restlessness are changed in place.
        processor: it ran on.
        changed: the chance that the target is no more what it was when it was tried last.
        changes: how often all networks' cost has changed on the processor.
    """
    lesson = Lesson()
    level, restless = network.level, network.restless
    level_mean, level_variance = level.mean, level.variance
    shifts = network.shifts.get(processor, UNMOVED)
    weight = min(network.queries + RESTLESS_PRIOR, LONGEST)
    for q, cell in enumerate(cells):
        if seen[q] != seen[q]:  # NaN: not observed
            continue
        shift = shifts[q]
        if shift is not STILL and shift.is_still:
            shift = STILL
        explained = _product(cell.effects, features) + shift.mean
        surprise = seen[q] - mean[q] - explained - level_mean[q]
        reach = _reach(cell.spread, features)
        doubt, noise = _product(reach, features), cell.noise * restless[q]
        total = variance[q] + doubt + shift.variance + noise + level_variance[q]
        jump = own_jump = before = likelier = 0.0
        is_noise = True
        if changed and surprise < 0.0:
            likelier = _odds(changed, surprise, total)
            lesson.likelier = max(lesson.likelier, likelier)
        if likelier > 1.0:
            lesson.is_better = lesson.has_changed[q] = True
            wide = surprise * surprise  # enough to believe it at once
            total += wide
            if shift.mean > 0.0:  # what the network alone had lost
                shift.variance += wide
            else:
                before, doubt = wide, doubt + wide
                reach = (reach[SHIFT] + wide, *reach[SHIFT + 1 :])
        elif variance[q] <= FAMILIAR * noise:
            standardised = surprise / math.sqrt(total)
            if _is_change(cell, standardised):
                jump, lesson.is_shared = JUMP, True
            if shift is STILL and standardised >= STRIKING:
                shift = network.shift(processor, q)
            if shift is not STILL:
                shift.watch_since(changes)
                is_noise, own_jump = _watched(shift, standardised)
            lesson.has_changed[q] = bool(jump or own_jump)
        width = max(total, (surprise / OUTLIER) ** 2)
        rest = noise + doubt + shift.variance + width - total
        if level_variance[q]:
            level.take_in(q, surprise, width)
            rest += level_variance[q]
        if is_noise:
            ratio = min(surprise * surprise / total, _LARGEST_RATIO)
            squared = _expected_square(ratio, noise / total) * noise
            restless[q] += (squared / cell.noise - restless[q]) / weight
            _learn_noise(cell, squared)
        gain = surprise / width
        moved = doubt * gain
        if shift is not STILL:
            moved += shift.take_in(gain, width, own_jump)
        _update(cell, reach, gain, width, before + jump)
        lesson.residual[q] = seen[q] - explained - moved - level_mean[q]
        lesson.precision[q] = 1.0 / rest
    return lesson


def _watched(shift: Shift, surprise: float) -> tuple[bool, float]:
    """Whether a standardised surprise may be noise, and what variance the network's own shift gets by it."""
    if shift.mean <= 0.0 and surprise < 0.0:
        surprise = 0.0  # what one network gained, others may have gained too
    return not _is_again(shift, surprise), JUMP if _is_change(shift, surprise) else 0.0


def _is_again(shift: Shift, surprise: float) -> bool:
    """Whether a striking surprise is not the first one on its side."""
    return (surprise >= STRIKING and shift.dearer >= STRIKING - SLACK) or (
        surprise <= -STRIKING and shift.cheaper >= STRIKING - SLACK
    )


def _product(row: Sequence[float], features: Features) -> float:
    a, b, c, d, e = row
    w, x, y, z = features
    return a + b * w + c * x + d * y + e * z


def _reach(spread: Sequence[float], features: Features) -> tuple[float, ...]:
    """The covariance times the features; this and what follows is written out, for loops take three times as long."""
    w, x, y, z = features
    aa, ab, ac, ad, ae, bb, bc, bd, be, cc, cd, ce, dd, de, ee = spread
    return (
        aa + ab * w + ac * x + ad * y + ae * z,
        ab + bb * w + bc * x + bd * y + be * z,
        ac + bc * w + cc * x + cd * y + ce * z,
        ad + bd * w + cd * x + dd * y + de * z,
        ae + be * w + ce * x + de * y + ee * z,
    )


def _update(cell: Cell, reach: Sequence[float], gain: float, width: float, growth: float) -> None:
    """The Kalman filter's step; the shift's variance grows by so much beside it."""
    aa, ab, ac, ad, ae, bb, bc, bd, be, cc, cd, ce, dd, de, ee = cell.spread
    a, b, c, d, e = reach
    v, w, x, y, z = cell.effects
    cell.effects = (v + a * gain, w + b * gain, x + c * gain, y + d * gain, z + e * gain)
    v, w, x, y, z = a / width, b / width, c / width, d / width, e / width
    ab, ac, ad, ae = ab - a * w, ac - a * x, ad - a * y, ae - a * z
    bc, bd, be = bc - b * x, bd - b * y, be - b * z
    cd, ce, de = cd - c * y, ce - c * z, de - d * z
    aa, bb, cc, dd, ee = aa - a * v + growth, bb - b * w, cc - c * x, dd - d * y, ee - e * z
    cell.spread = (aa, ab, ac, ad, ae, bb, bc, bd, be, cc, cd, ce, dd, de, ee)


def _is_change(cell: Cell | Shift, surprise: float) -> bool:
    """Add a standardised surprise to the two sums; whether one of them has reached the alarm, which clears both."""
    if not -LOUDEST <= surprise <= LOUDEST:
        surprise = math.copysign(LOUDEST, surprise)
    dearer, cheaper = cell.dearer + surprise - SLACK, cell.cheaper - surprise - SLACK
    if dearer >= ALARM or cheaper >= ALARM:
        cell.dearer = cell.cheaper = 0.0
        return True
    cell.dearer, cell.cheaper = dearer if dearer > 0.0 else 0.0, cheaper if cheaper > 0.0 else 0.0
    return False


def _odds(changed: float, surprise: float, variance: float) -> float:
    """What speaks for a change, beside what speaks against it, after a surprise: Laplace's distribution and the normal.

    Args:
        changed: the chance of a change before it.
        surprise: in ln(cost).
        variance: of a surprise where nothing has changed.
    """
    usual = math.exp(-0.5 * surprise * surprise / variance) / math.sqrt(2.0 * math.pi * variance)
    after = math.exp(-abs(surprise) / CHANGE) / (2.0 * CHANGE)
    against = (1.0 - changed) * usual
    return changed * after / against if against else math.inf


def _expected_square(ratio: float, share: float) -> float:
    """One step of expectation-maximisation: what the noise's square is to be expected, in units of its variance.

    Args:
        ratio: the surprise's square over its variance.
        share: the noise's share of that variance.
    """
    return share * ratio + 1.0 - share


def _learn_noise(cell: Cell, squared: float) -> None:
    noise, figures = cell.noise, cell.figures + 1.0
    if figures > LONGEST:
        figures = LONGEST
    noise += (squared - noise) / figures
    cell.noise, cell.figures = noise if noise > LEAST_NOISE else LEAST_NOISE, figures
