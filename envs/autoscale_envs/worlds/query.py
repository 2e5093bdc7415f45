"""One query of a simulated world: what it meets, and what of that can be sensed."""

from typing import Any, Final, NamedTuple

import numpy as np

from autoscale.arrays import Numbers

PerLink = Any
"""Numbers for each link, in the order of the world's remotes: a sequence of them, or an array with one more axis."""


class SimulatedQuery(NamedTuple):
    """What one query meets: numbers, or arrays of any one shape.

    Attributes:
        network: index of the network that asks.
        elapsed_s: since the episode began.
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
        send_s: of ``move_s`` what is sending; empty in a world whose networks are all in one piece.
        send_j: of ``move_j``, likewise.
    """

    network: Numbers
    elapsed_s: Numbers
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
    send_s: PerLink = ()
    send_j: PerLink = ()

    def at(self, number: int) -> "SimulatedQuery":
        """Those at one index of the first axis."""
        per_link = ([each[number] for each in links] for links in self[2 + ALONE :])
        return SimulatedQuery(*(each[number] for each in self[: 2 + ALONE]), *per_link)

    def wide(self) -> "SimulatedQuery":
        """The same with one more axis, over targets."""
        return SimulatedQuery(*(np.asarray(each)[..., None] for each in self))


ALONE: Final = SimulatedQuery._fields.index("move_s") - 2
"""Figures that a query has once, without network and time: single precision holds these as they are drawn."""
PER_LINK: Final = len(SimulatedQuery._fields) - 2 - ALONE
PER_LINK_WHOLE: Final = PER_LINK - 2
"""Those that every link has; of a query whose network is never cut."""


def per_link(parts: object) -> int:
    """How many that is in a world, by whether it has ``Parts``."""
    return PER_LINK_WHOLE if parts is None else PER_LINK


class Sensed(NamedTuple):
    """What can be sensed of it, temperature and battery apart; the last four of each link."""

    cpu_load: Numbers
    memory_load: Numbers
    device_intensity_g_per_kwh: Numbers
    cloud_intensity_g_per_kwh: Numbers
    rssi_dbm: PerLink
    round_trip_s: PerLink
    uplink_bps: PerLink
    downlink_bps: PerLink
