"""The server's queue: other people's queries, which the device cannot see.

Its load wanders; an arriving query waits as in an M/M/1 queue: not at all with probability ``1 - load``, else
exponentially with mean ``service / (1 - load)``.
"""

from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.physics.queueing import USUAL_LOAD

LOAD_SPREAD: Final = 0.6
"""Standard deviation of the log odds that the server is busy."""
LOAD_MEMORY_S: Final = 60.0


def server_load(wander: Floats, odds_factor: Floats | float = 1.0) -> Floats:
    """The share of time the server is busy, in (0, 1), in the shape of ``wander`` (a standard normal process)."""
    odds = USUAL_LOAD / (1.0 - USUAL_LOAD) * odds_factor * np.exp(LOAD_SPREAD * wander)
    return np.asarray(odds / (1.0 + odds))
