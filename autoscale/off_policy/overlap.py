"""Whether a log says enough of what a policy would do: it cannot tell the cost of a target that it never tried."""

from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices

LEAST_EFFECTIVE: Final = 30.0
"""Effective queries below which no estimate is given."""

LEAST_SHARE: Final = 0.01
"""Targets that a policy would send less than this share of the queries to are not asked about."""

FIT: Final = 4.0
"""Standard errors by which the weights of a target may differ from what they must be on average."""

LEAST_OFF: Final = 0.1
"""As a share of that: a log of many queries shows differences that hardly matter."""


def uncovered(chances: Floats, chosen: Indices, weights: Floats) -> dict[int, tuple[float, int]]:
    """The targets that a policy would use and the log does not cover, each with its share and how often it was chosen.

    Where a log could have chosen all that a policy may, the weights of a target sum on average to the chances that the
    policy gives it. Where it could not, or not in some of its queries, they fall short, whatever probabilities it
    tells; where they exceed them, it tells too low ones.

    Args:
        chances: of the policy, shape (queries, targets).
        chosen: what was chosen, shape (queries,).
        weights: the policy's chance of that over the logged one, shape (queries,).
    """
    found = {}
    for target in np.flatnonzero(chances.mean(axis=0) >= LEAST_SHARE).tolist():
        own = chosen == target
        short = chances[:, target] - weights * own
        error = float(short.std()) / np.sqrt(short.size)
        share, tried = float(chances[:, target].mean()), int(own.sum())
        if not tried or abs(float(short.mean())) > max(FIT * error, LEAST_OFF * share):
            found[target] = (share, tried)
    return found
