"""One figure after another: how a surprise is shared out between effects, noise and the tree."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from autoscale.agents.correction.conditions import SHIFT
from autoscale.agents.correction.hierarchy import QUANTITIES, Triple
from autoscale.agents.correction.network import Network
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

Features: TypeAlias = tuple[float, float, float, float]
"""The position of a processor's setting and three conditions; the shift's feature, which comes before, is always 1."""


class Lesson(NamedTuple):
    """What is left for the tree of the network, one number a quantity, and whether the processor has changed.

    Attributes:
        residual: for the tree.
        precision: one over its variance; 0 where nothing was observed.
        has_changed: whether it costs more or less than it did.
        is_better: whether it costs less, by this one figure.
        likelier: how many times likelier than not it is that it costs less.
    """

    residual: list[float]
    precision: list[float]
    has_changed: list[bool]
    is_better: list[bool]
    likelier: list[float]


def take_in(
    cells: Sequence[Cell],
    features: Features,
    seen: Triple,
    mean: Triple,
    variance: Triple,
    network: Network,
    *,
    changed: float,
) -> Lesson:
    """Let what all networks share learn from one outcome.

    Args:
        cells: of the processor it ran on, one a quantity, changed in place.
        features: of it.
        seen: ln(actual / forecast) of each quantity; NaN where nothing was observed.
        mean: of the target's residual as its network's tree has it.
        variance: likewise.
        network: whose level and restlessness are changed in place.
        changed: the chance that the target is no more what it was when it was tried last.
    """
    lesson = Lesson(
        [math.nan] * QUANTITIES, [0.0] * QUANTITIES, [False] * QUANTITIES, [False] * QUANTITIES, [0.0] * QUANTITIES
    )
    level, restless = network.level, network.restless
    level_mean, level_variance = level.mean, level.variance
    weight = min(network.queries + RESTLESS_PRIOR, LONGEST)
    for q, cell in enumerate(cells):
        if seen[q] != seen[q]:  # NaN: not observed
            continue
        explained = _product(cell.effects, features)
        surprise = seen[q] - mean[q] - explained - level_mean[q]
        reach = _reach(cell.spread, features)
        doubt, noise = _product(reach, features), cell.noise * restless[q]
        total = variance[q] + doubt + noise + level_variance[q]
        jump = before = likelier = 0.0
        if changed and surprise < 0.0:
            lesson.likelier[q] = likelier = _odds(changed, surprise, total)
        if likelier > 1.0:
            lesson.is_better[q] = lesson.has_changed[q] = True
            before = surprise * surprise  # wide enough to believe it at once
            reach = (reach[SHIFT] + before, *reach[SHIFT + 1 :])
            doubt += before
            total += before
        elif variance[q] <= FAMILIAR * noise and _is_change(cell, surprise / math.sqrt(total)):
            lesson.has_changed[q], jump = True, JUMP
        square = surprise * surprise
        width = max(total, (surprise / OUTLIER) ** 2)
        rest = noise + doubt + width - total
        if level_variance[q]:
            level.take_in(q, surprise, width)
            rest += level_variance[q]
        squared = _expected_square(min(square / total, OUTLIER**2), noise / total) * noise
        restless[q] += (squared / cell.noise - restless[q]) / weight
        _learn_noise(cell, squared)
        gain = surprise / width
        _update(cell, reach, gain, width, before + jump)
        lesson.residual[q] = seen[q] - explained - doubt * gain - level_mean[q]
        lesson.precision[q] = 1.0 / rest
    return lesson


def _product(row: Sequence[float], features: Features) -> float:
    a, b, c, d, e = row
    w, x, y, z = features
    return a + b * w + c * x + d * y + e * z


def _reach(spread: Sequence[float], features: Features) -> tuple[float, ...]:
    """The covariance times the features; this and what follows is written out, for loops take three times as long."""
    w, x, y, z = features
    (aa, ab, ac, ad, ae, _, bb, bc, bd, be, _, _, cc, cd, ce, _, _, _, dd, de, _, _, _, _, ee) = spread
    return (
        aa + ab * w + ac * x + ad * y + ae * z,
        ab + bb * w + bc * x + bd * y + be * z,
        ac + bc * w + cc * x + cd * y + ce * z,
        ad + bd * w + cd * x + dd * y + de * z,
        ae + be * w + ce * x + de * y + ee * z,
    )


def _update(cell: Cell, reach: Sequence[float], gain: float, width: float, growth: float) -> None:
    """The Kalman filter's step; the shift's variance grows by so much beside it."""
    (aa, ab, ac, ad, ae, _, bb, bc, bd, be, _, _, cc, cd, ce, _, _, _, dd, de, _, _, _, _, ee) = cell.spread
    a, b, c, d, e = reach
    v, w, x, y, z = cell.effects
    cell.effects = (v + a * gain, w + b * gain, x + c * gain, y + d * gain, z + e * gain)
    v, w, x, y, z = a / width, b / width, c / width, d / width, e / width
    ab, ac, ad, ae = ab - a * w, ac - a * x, ad - a * y, ae - a * z
    bc, bd, be = bc - b * x, bd - b * y, be - b * z
    cd, ce, de = cd - c * y, ce - c * z, de - d * z
    aa, bb, cc, dd, ee = aa - a * v + growth, bb - b * w, cc - c * x, dd - d * y, ee - e * z
    cell.spread = (aa, ab, ac, ad, ae, ab, bb, bc, bd, be, ac, bc, cc, cd, ce, ad, bd, cd, dd, de, ae, be, ce, de, ee)


def _is_change(cell: Cell, surprise: float) -> bool:
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
    cell.figures = min(cell.figures + 1.0, LONGEST)
    cell.noise = max(cell.noise + (squared - cell.noise) / cell.figures, LEAST_NOISE)
