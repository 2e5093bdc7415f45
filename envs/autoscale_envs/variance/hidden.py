"""What the profile does not know: factors, drawn once an episode, between the profile and the very device.

An agent that trusts the profile blindly loses by them. Each is lognormal with median 1; their spread is the option
``hidden_sigma``, 0.15 by default, about what separates two published measurements of one phone.
"""

from typing import Final, NamedTuple

import numpy as np

from autoscale.query.forecast import Floats

PROCESSORS: Final = 8
"""Device CPU, GPU, NPU; the same of the edge; the cloud's CPU and GPU."""

FACTORS: Final = 2 * PROCESSORS + 9


class Hidden(NamedTuple):
    """Factors of ``n`` environments.

    Attributes:
        latency: of each processor, shape (n, 8).
        power: of each processor's energy at the same latency, shape (n, 8).
        cpu_strain: of what a CPU-heavy co-runner does to a query, shape (n,).
        memory_strain: of what a memory-heavy one does, shape (n,).
        server_load: of the odds that the server is busy, shape (n,).
        rate: of each link's rates (edge, cloud), shape (n, 2).
        round_trip: of each link's round trips, shape (n, 2).
        radio: of the radio's power on each link, shape (n, 2).
    """

    latency: Floats
    power: Floats
    cpu_strain: Floats
    memory_strain: Floats
    server_load: Floats
    rate: Floats
    round_trip: Floats
    radio: Floats


def hidden_factors(normals: Floats, sigma: float) -> Hidden:
    """The factors that some standard normals stand for.

    Args:
        normals: shape (n, 25).
        sigma: standard deviation of their logarithms; 0 makes the profile true.
    """
    factors = np.exp(sigma * normals)
    latency, power, rest = np.split(factors, [PROCESSORS, 2 * PROCESSORS], axis=1)
    return Hidden(latency, power, rest[:, 0], rest[:, 1], rest[:, 2], rest[:, 3:5], rest[:, 5:7], rest[:, 7:9])
