"""One figure after another: how a surprise is shared out between effects, noise and the tree."""

import math
from typing import NamedTuple

import numpy as np

from autoscale.agents.correction.conditions import SHIFT
from autoscale.agents.correction.hierarchy import QUANTITIES, Triple
from autoscale.agents.correction.shared import (
    ALARM,
    JUMP,
    LEAST_NOISE,
    LONGEST,
    LOUDEST,
    OUTLIER,
    SLACK,
    Shared,
)
from autoscale.arrays import Floats


class Lesson(NamedTuple):
    """What is left for the tree of the network, one number a quantity."""

    residual: list[float]
    precision: list[float]
    has_changed: list[bool]
    is_better: bool


def take_in(
    shared: Shared,
    processor: int,
    features: Floats,
    seen: Triple,
    mean: Triple,
    variance: Triple,
    *,
    was_due: bool,
) -> Lesson:
    """Let what all networks share learn from one outcome.

    Args:
        shared: changed in place.
        processor: it ran on.
        features: of it, its setting's position among them, shape (EFFECTS,).
        seen: ln(actual / forecast) of each quantity; NaN where nothing was observed.
        mean: of the target's residual as its network's tree has it.
        variance: likewise.
        was_due: whether it had not been tried for long; that it is far better than believed is a change, then.
    """
    effects, spread = shared.effects[:, processor], shared.spread[:, processor]
    reach = spread @ features
    explained, doubt = (effects @ features).tolist(), (reach @ features).tolist()
    noise, gains, widths = shared.noise[:, processor].tolist(), [0.0] * QUANTITIES, [1.0] * QUANTITIES
    precision, changed = [0.0] * QUANTITIES, [False] * QUANTITIES
    jumps, is_better = [0.0] * QUANTITIES, False
    for q in range(QUANTITIES):
        surprise = seen[q] - mean[q] - explained[q]
        if surprise != surprise:  # NaN: not observed
            widths[q] = math.inf
            continue
        total = variance[q] + doubt[q] + noise[q]
        if was_due and surprise < -OUTLIER * math.sqrt(total):
            is_better = changed[q] = True
            jump = surprise * surprise  # wide enough to believe it at once
            spread[q, SHIFT, SHIFT] += jump
            reach[q, SHIFT] += jump
            doubt[q] += jump
            total += jump
        elif _is_change(shared.alarms[:, q, processor], surprise / math.sqrt(total)):
            changed[q] = True
            jumps[q] = JUMP
        width = max(total, (surprise / OUTLIER) ** 2)
        gains[q], widths[q] = surprise / width, width
        _learn_noise(shared, q, processor, min(surprise * surprise, width) / total, noise[q], total)
        precision[q] = 1.0 / (noise[q] + doubt[q] + width - total)
    effects += reach * np.array(gains)[:, None]
    spread -= reach[:, :, None] * (reach / np.array(widths)[:, None])[:, None, :]
    spread[:, SHIFT, SHIFT] += jumps
    after = (effects @ features).tolist()
    return Lesson([seen[q] - after[q] for q in range(QUANTITIES)], precision, changed, is_better)


def _is_change(alarms: Floats, surprise: float) -> bool:
    """Add a standardised surprise to the two sums; whether one of them has reached the alarm, which clears both."""
    dearer, cheaper = alarms.tolist()
    surprise = min(max(surprise, -LOUDEST), LOUDEST)
    dearer, cheaper = max(dearer + surprise - SLACK, 0.0), max(cheaper - surprise - SLACK, 0.0)
    is_change: bool = max(dearer, cheaper) >= ALARM
    alarms[:] = (0.0, 0.0) if is_change else (dearer, cheaper)
    return is_change


def _learn_noise(shared: Shared, quantity: int, processor: int, ratio: float, noise: float, total: float) -> None:
    """One step of expectation-maximisation: the noise's expected square, given a surprise of this squared ratio."""
    share = noise / total
    expected = noise * (share * ratio + 1.0 - share)
    figures = min(float(shared.figures[quantity, processor]) + 1.0, LONGEST)
    shared.figures[quantity, processor] = figures
    shared.noise[quantity, processor] = max(noise + (expected - noise) / figures, LEAST_NOISE)
