"""One query of a simulated world: what it meets, and what of that can be sensed."""

from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale_envs.variance.processes import Numbers

PerLink = Any
"""Numbers for each link, in the order of the world's remotes: a sequence of them, or an array with one more axis."""


class SimulatedQuery(NamedTuple):
    """What one query meets: numbers, or arrays of any one shape.

    Attributes:
        network: index of the network that asks.
        gap_s: until the next query.
        cpu_strain: how much longer its CPU-bound share takes, as a fraction.
        memory_strain: likewise its memory-bound share.
        latency_noise: factor around 1.
        energy_noise: factor around 1.
        co_runner_w: what the co-runner draws.
        device_g_per_j: carbon intensity where the device is.
        cloud_g_per_j: where the cloud is, with its power usage effectiveness.
        move_s: the radio sends or receives, on each link.
        move_j: and what it draws for that.
        round_trip_s: mean round trip.
        queue_s: mean wait at the machine's other end.
        surprise_s: what this query waits longer than on average.
    """

    network: Numbers
    gap_s: Numbers
    cpu_strain: Numbers
    memory_strain: Numbers
    latency_noise: Numbers
    energy_noise: Numbers
    co_runner_w: Numbers
    device_g_per_j: Numbers
    cloud_g_per_j: Numbers
    move_s: PerLink
    move_j: PerLink
    round_trip_s: PerLink
    queue_s: PerLink
    surprise_s: PerLink

    @classmethod
    def of(cls, network: Numbers, figures: PerLink, links: int) -> "SimulatedQuery":
        """The query of a network and all other figures, one after the other."""
        per_link = [figures[ALONE + links * number : ALONE + links * (number + 1)] for number in range(PER_LINK)]
        return cls(network, *figures[:ALONE], *per_link)

    def figures(self) -> list[Numbers]:
        """All but the network, one after the other."""
        return [*self[1 : 1 + ALONE], *chain.from_iterable(self[1 + ALONE :])]

    def wide(self) -> "SimulatedQuery":
        """The same with one more axis, over targets."""
        return SimulatedQuery(*(np.asarray(each)[..., None] for each in self))


PER_LINK: Final = 5
"""Figures of a query that every link has."""
ALONE: Final = len(SimulatedQuery._fields) - 1 - PER_LINK
"""Those it has once, without the network."""


class Sensed(NamedTuple):
    """What can be sensed of it, temperature and battery apart; the four in the middle of each link."""

    cpu_load: Numbers
    memory_load: Numbers
    rssi_dbm: PerLink
    round_trip_s: PerLink
    uplink_bps: PerLink
    downlink_bps: PerLink
    device_intensity_g_per_kwh: Numbers
    cloud_intensity_g_per_kwh: Numbers

    def figures(self) -> list[Numbers]:
        """All, one after the other."""
        return [*self[:2], *chain.from_iterable(self[2:6]), *self[6:]]

    @classmethod
    def of(cls, figures: PerLink, links: int) -> "Sensed":
        """The inverse of ``figures``."""
        per_link = [figures[2 + links * number : 2 + links * (number + 1)] for number in range(4)]
        return cls(figures[0], figures[1], *per_link, *figures[2 + 4 * links :])
