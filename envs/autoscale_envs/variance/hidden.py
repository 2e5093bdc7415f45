"""What the profile does not know: factors, drawn once an episode, between the profile and the very device.

An agent that trusts the profile blindly loses by them. Each is lognormal with median 1; their spread is the option
``hidden_sigma``, 0.15 by default, about what separates two published measurements of one phone.
"""

from typing import NamedTuple

import numpy as np

from autoscale.arrays import Floats


class Counts(NamedTuple):
    """Of what there can be factors.

    Attributes:
        processors: of the device and of the machines within reach.
        links: to these.
        servers: those of them that others use too.
    """

    processors: int
    links: int
    servers: int

    @property
    def factors(self) -> int:
        """How many there are."""
        return 2 * self.processors + 2 + self.servers + 3 * self.links

    @property
    def processes(self) -> int:
        """How many wander: each link's signal and rate, each server's load, the co-runner's activity."""
        return 2 * self.links + self.servers + 1


class Hidden(NamedTuple):
    """Factors of ``n`` environments.

    Attributes:
        latency: of each processor, shape (n, processors).
        power: of each processor's energy at the same latency, shape (n, processors).
        cpu_strain: of what a CPU-heavy co-runner does to a query, shape (n,).
        memory_strain: of what a memory-heavy one does, shape (n,).
        server_load: of the odds that each server is busy, shape (n, servers).
        rate: of each link's rates, shape (n, links).
        round_trip: of each link's round trips, shape (n, links).
        radio: of the radio's power on each link, shape (n, links).
    """

    latency: Floats
    power: Floats
    cpu_strain: Floats
    memory_strain: Floats
    server_load: Floats
    rate: Floats
    round_trip: Floats
    radio: Floats


def hidden_factors(normals: Floats, sigma: float, counts: Counts) -> Hidden:
    """The factors that some standard normals stand for.

    Args:
        normals: shape (n, ``counts.factors``).
        sigma: standard deviation of their logarithms; 0 makes the profile true.
        counts: of what there are factors.
    """
    many, links = counts.processors, counts.links
    widths = [many, many, 1, 1, counts.servers, links, links]
    parts = np.split(np.exp(sigma * normals), np.cumsum(widths), axis=1)
    # Each on its own: of a view that skips what lies between, ``take`` makes a copy first.
    latency, power, cpu, memory, *rest = (np.ascontiguousarray(part) for part in parts)
    return Hidden(latency, power, cpu[:, 0], memory[:, 0], *rest)


def nominal(n: int, counts: Counts) -> Hidden:
    """The factors of ``n`` environments of which the profile is true."""
    return hidden_factors(np.zeros((n, counts.factors)), 0.0, counts)
