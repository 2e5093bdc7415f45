"""One figure after another: how a surprise is shared out between effects, noise and the tree."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from autoscale.agents.correction.conditions import EFFECTS, SHIFT
from autoscale.agents.correction.hierarchy import QUANTITIES, Triple
from autoscale.agents.correction.network import Network
from autoscale.agents.correction.shared import (
    ALARM,
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


class Lesson(NamedTuple):
    """What is left for the tree of the network, one number a quantity."""

    residual: list[float]
    precision: list[float]
    has_changed: list[bool]
    is_better: list[bool]


def take_in(
    cells: Sequence[Cell],
    features: Sequence[float],
    seen: Triple,
    mean: Triple,
    variance: Triple,
    network: Network,
    *,
    was_due: bool,
) -> Lesson:
    """Let what all networks share learn from one outcome.

    Args:
        cells: of the processor it ran on, one a quantity, changed in place.
        features: of it, its setting's position among them, EFFECTS of them.
        seen: ln(actual / forecast) of each quantity; NaN where nothing was observed.
        mean: of the target's residual as its network's tree has it.
        variance: likewise.
        network: whose level and restlessness are changed in place.
        was_due: whether it had not been tried for long; that it is far better than believed is a change, then.
    """
    lesson = Lesson([math.nan] * QUANTITIES, [0.0] * QUANTITIES, [False] * QUANTITIES, [False] * QUANTITIES)
    level = network.level
    for q, cell in enumerate(cells):
        if seen[q] != seen[q]:  # NaN: not observed
            continue
        explained = _product(cell.effects, features)
        surprise = seen[q] - mean[q] - explained - level.mean[q]
        reach = _reach(cell.spread, features)
        doubt, noise = _product(reach, features), cell.noise * network.restless[q]
        total = variance[q] + doubt + noise + level.variance[q]
        jump = before = 0.0
        if was_due and surprise < -OUTLIER * math.sqrt(total):
            lesson.is_better[q] = lesson.has_changed[q] = True
            before = surprise * surprise  # wide enough to believe it at once
            reach[SHIFT] += before
            doubt += before
            total += before
        elif variance[q] <= FAMILIAR * noise:
            lesson.has_changed[q] = _is_change(cell, surprise / math.sqrt(total))
            jump = JUMP * lesson.has_changed[q]
        width = max(total, (surprise / OUTLIER) ** 2)
        rest = noise + doubt + width - total
        if level.variance[q]:
            level.take_in(q, surprise, width)
            rest += level.variance[q]
        squared = _expected_square(min(surprise * surprise / total, OUTLIER**2), noise / total) * noise
        weight = min(network.queries + RESTLESS_PRIOR, LONGEST)
        network.restless[q] += (squared / cell.noise - network.restless[q]) / weight
        _learn_noise(cell, squared)
        _update(cell, reach, surprise / width, width, before, jump)
        lesson.residual[q] = seen[q] - explained - doubt * (surprise / width) - level.mean[q]
        lesson.precision[q] = 1.0 / rest
    return lesson


def _product(row: Sequence[float], features: Sequence[float]) -> float:
    a, b, c, d, e = row
    v, w, x, y, z = features
    return a * v + b * w + c * x + d * y + e * z


def _reach(spread: Sequence[float], features: Sequence[float]) -> list[float]:
    """The covariance times the features; both are written out, for sums over generators take twice as long."""
    v, w, x, y, z = features
    return [
        spread[at] * v + spread[at + 1] * w + spread[at + 2] * x + spread[at + 3] * y + spread[at + 4] * z
        for at in (0, 5, 10, 15, 20)
    ]


def _update(cell: Cell, reach: Sequence[float], gain: float, width: float, before: float, after: float) -> None:
    """The Kalman filter's step; the shift's variance grows before it, and after."""
    cell.effects = [effect + each * gain for effect, each in zip(cell.effects, reach, strict=True)]
    spread, at = cell.spread, 0
    a, b, c, d, e = reach
    for row in reach:  # written out, for it is half of what learning costs
        share = row / width
        spread[at] -= a * share
        spread[at + 1] -= b * share
        spread[at + 2] -= c * share
        spread[at + 3] -= d * share
        spread[at + 4] -= e * share
        at += EFFECTS
    spread[SHIFT] += before + after


def _is_change(cell: Cell, surprise: float) -> bool:
    """Add a standardised surprise to the two sums; whether one of them has reached the alarm, which clears both."""
    surprise = min(max(surprise, -LOUDEST), LOUDEST)
    dearer, cheaper = max(cell.dearer + surprise - SLACK, 0.0), max(cell.cheaper - surprise - SLACK, 0.0)
    is_change: bool = max(dearer, cheaper) >= ALARM
    cell.dearer, cell.cheaper = (0.0, 0.0) if is_change else (dearer, cheaper)
    return is_change


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
