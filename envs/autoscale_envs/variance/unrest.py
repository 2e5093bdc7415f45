"""What changes in the midst of an episode, and nothing tells: an update of the system at once, a drift back and forth.

Both are of each processor by itself, in the logarithm of what its computing takes. At the moment of a change every
processor becomes slower (or faster) by a factor of its own, evenly spread in logarithms between 1 and the scenario's. A
drift is a wave of the scenario's period, with an amplitude and a phase of the processor's own.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Numbers, exponential, looked_up
from autoscale_envs.variance.scenarios import Scenario

TURN: Final = 2.0 * math.pi


class Unrest(NamedTuple):
    """What ``n`` environments will live through.

    Attributes:
        moment_s: when everything changes at once, since the episode began, shape (n,).
        change: the logarithm of what each processor then takes, of what it took before, shape (n, processors).
        swing: the amplitude of its drift, in logarithms, shape (n, processors).
        phase: of that, in radians, shape (n, processors).
    """

    moment_s: Floats
    change: Floats
    swing: Floats
    phase: Floats


def calm(n: int, processors: int = 0) -> Unrest:
    """Of ``n`` environments in which nothing changes."""
    return Unrest(np.zeros(n), *(np.zeros((n, processors)) for _ in range(3)))


def unrest(scenario: Scenario, uniforms: Floats, gap_s: float) -> Unrest:
    """What some uniforms stand for, shape (n, 1 + 3 * processors); quiet where the scenario is.

    Args:
        scenario: says how much there is of it.
        uniforms: of each environment.
        gap_s: from one query to the next, on average: moments are told in queries.
    """
    change, size, phase = np.split(uniforms[:, 1:], 3, axis=1)
    first, last = scenario.change_queries
    return Unrest(
        gap_s * (first + (last - first) * uniforms[:, 0]),
        math.log(scenario.change) * change,
        scenario.drift * 2.0 * size,
        TURN * phase,
    )


def slowdown(now: Unrest, environment: Numbers, which: Numbers, elapsed_s: Numbers, period_s: float) -> Numbers:
    """How much longer than before computing takes.

    Args:
        now: of all environments.
        environment: which of them.
        which: the processor's number among those of all environments.
        elapsed_s: since the episode began.
        period_s: of the drift.
    """
    changed = looked_up(now.change, which) * (elapsed_s >= looked_up(now.moment_s, environment))
    drifted = looked_up(now.swing, which) * np.sin(TURN / period_s * elapsed_s + looked_up(now.phase, which))
    return exponential(changed + drifted)
