"""One figure after another: how a surprise is shared out between effects, noise and the tree."""

import math
from typing import NamedTuple

import numpy as np

from autoscale.agents.correction.conditions import SHIFT
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
    network: Network,
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
        network: whose level and restlessness are changed in place.
        was_due: whether it had not been tried for long; that it is far better than believed is a change, then.
    """
    level = network.level
    effects, spread = shared.effects[:, processor], shared.spread[:, processor]
    reach = spread @ features
    explained, doubt = (effects @ features).tolist(), (reach @ features).tolist()
    usual = shared.noise[:, processor].tolist()
    noise = [each * times for each, times in zip(usual, network.restless, strict=True)]
    gains, widths = [0.0] * QUANTITIES, [1.0] * QUANTITIES
    precision, changed = [0.0] * QUANTITIES, [False] * QUANTITIES
    jumps, is_better = [0.0] * QUANTITIES, False
    for q in range(QUANTITIES):
        surprise = seen[q] - mean[q] - explained[q] - level.mean[q]
        if surprise != surprise:  # NaN: not observed
            widths[q] = math.inf
            continue
        total = variance[q] + doubt[q] + noise[q] + level.variance[q]
        if was_due and surprise < -OUTLIER * math.sqrt(total):
            is_better = changed[q] = True
            jump = surprise * surprise  # wide enough to believe it at once
            spread[q, SHIFT, SHIFT] += jump
            reach[q, SHIFT] += jump
            doubt[q] += jump
            total += jump
        elif variance[q] <= FAMILIAR * noise[q]:
            changed[q] = _is_change(shared.alarms[:, q, processor], surprise / math.sqrt(total))
            jumps[q] = JUMP * changed[q]
        width = max(total, (surprise / OUTLIER) ** 2)
        gains[q], widths[q] = surprise / width, width
        rest = noise[q] + doubt[q] + width - total
        if level.variance[q]:
            level.take_in(q, surprise, width)
            rest += level.variance[q]
        squared = _expected_square(min(surprise * surprise / total, OUTLIER**2), noise[q] / total) * noise[q]
        weight = min(network.queries + RESTLESS_PRIOR, LONGEST)
        network.restless[q] += (squared / usual[q] - network.restless[q]) / weight
        _learn_noise(shared, q, processor, usual[q], squared)
        precision[q] = 1.0 / rest
    effects += reach * np.array(gains)[:, None]
    spread -= reach[:, :, None] * (reach / np.array(widths)[:, None])[:, None, :]
    spread[:, SHIFT, SHIFT] += jumps
    after = (effects @ features).tolist()
    return Lesson([seen[q] - after[q] - level.mean[q] for q in range(QUANTITIES)], precision, changed, is_better)


def _is_change(alarms: Floats, surprise: float) -> bool:
    """Add a standardised surprise to the two sums; whether one of them has reached the alarm, which clears both."""
    dearer, cheaper = alarms.tolist()
    surprise = min(max(surprise, -LOUDEST), LOUDEST)
    dearer, cheaper = max(dearer + surprise - SLACK, 0.0), max(cheaper - surprise - SLACK, 0.0)
    is_change: bool = max(dearer, cheaper) >= ALARM
    alarms[:] = (0.0, 0.0) if is_change else (dearer, cheaper)
    return is_change


def _expected_square(ratio: float, share: float) -> float:
    """One step of expectation-maximisation: what the noise's square is to be expected, in units of its variance.

    Args:
        ratio: the surprise's square over its variance.
        share: the noise's share of that variance.
    """
    return share * ratio + 1.0 - share


def _learn_noise(shared: Shared, quantity: int, processor: int, usual: float, squared: float) -> None:
    figures = min(float(shared.figures[quantity, processor]) + 1.0, LONGEST)
    shared.figures[quantity, processor] = figures
    shared.noise[quantity, processor] = max(usual + (squared - usual) / figures, LEAST_NOISE)
