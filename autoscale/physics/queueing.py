"""The queue at a server that others use too: an arriving query waits as in an M/M/1 queue.

>>> round(float(mean_wait_s(USUAL_LOAD)), 6)
0.002154
"""

from typing import Final

import numpy as np

from autoscale.arrays import Numbers

USUAL_LOAD: Final = 0.35
"""The share of time that a server is busy with others' queries; a default."""
SERVICE_S: Final = 0.004
"""How long the server is busy with one of the others' queries; a default."""


def mean_wait_s(load: Numbers) -> Numbers:
    """The expected wait at a load, 0 to below 1."""
    return SERVICE_S * load / (1.0 - load)


def wait_s(load: Numbers, uniforms: Numbers) -> Numbers:
    """The wait that some uniforms of (0, 1) stand for: nobody waits for those above the load."""
    waiting = np.minimum((uniforms + 1e-12) / load, 1.0)
    return -SERVICE_S / (1.0 - load) * np.log(waiting)
