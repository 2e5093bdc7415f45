"""Which network asks next, and when: an application asks several times in a row, then another one does."""

from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.processes import regimes

QUERIES_IN_A_ROW: Final = 10.0
"""From one network, on average, before the next one is drawn."""


def next_networks(uniforms: Floats, previous: Indices, networks: int) -> Indices:
    """Index of the network that asks each query, shape (queries, n); all are equally likely."""
    return regimes(uniforms, previous, 1.0 / QUERIES_IN_A_ROW, np.arange(1, networks + 1) / networks)


def gaps(uniforms: Floats, mean_s: float) -> Floats:
    """Seconds from each query to the next: Poisson arrivals, shape (queries, n)."""
    return -mean_s * np.log(1.0 - uniforms)  # of single precision a tenth of what ``log1p`` takes
