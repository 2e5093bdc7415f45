"""Outages: the links to the cloud fail now and then, for a while."""

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.processes import regimes
from autoscale_envs.variance.scenarios import Outages


def failures(uniforms: Floats, previous: Indices, outages: Outages, gap_s: float) -> Indices:
    """Whether (1) the links are down at each query, shape (queries, n).

    State and its length are drawn anew now and then; an outage lasts as long as it is drawn down again.

    Args:
        uniforms: shape (queries, n).
        previous: whether they were before the first, shape (n,).
        outages: how often, and how long.
        gap_s: from one query to the next, on average.
    """
    dwell_s = outages.mean_s * (1.0 - outages.share)
    up = np.array([1.0 - outages.share, 1.0])
    return regimes(uniforms, previous, min(gap_s / dwell_s, 1.0), up)
