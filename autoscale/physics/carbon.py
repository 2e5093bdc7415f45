"""Grams of CO2e that joules, seconds and bytes carry.

Operational: energy times the intensity of its electricity, times the building's power usage effectiveness (PUE).
Embodied: ``M = TE * (TiR / EL) * (RR / ToR)``. Both as the SCI has them (ISO/IEC 21031:2024).

The standard's own example, a server of 1000 kg and four years, reserved for an hour:

>>> from autoscale.units import SECONDS_PER_YEAR
>>> round(3600.0 * embodied_g_per_s(1000.0, 4 * SECONDS_PER_YEAR), 1)
28.5
>>> round(3.6e6 * g_per_j(400.0, pue=1.1), 9)
440.0
"""

from dataclasses import dataclass
from typing import NamedTuple

from autoscale.arrays import Numbers
from autoscale.query.outcome import Split
from autoscale.units import J_PER_KWH, g_from_kg


def g_per_j(intensity_g_per_kwh: Numbers, pue: Numbers = 1.0) -> Numbers:
    """Grams of CO2e that a joule of a machine carries, its building's share with it."""
    return intensity_g_per_kwh * (pue / J_PER_KWH)


def embodied_g_per_s(total_kg: Numbers, life_s: Numbers, share: Numbers = 1.0, utilisation: Numbers = 1.0) -> Numbers:
    """Grams of CO2e that a second of a machine carries.

    Args:
        total_kg: embodied emissions of all of it (TE).
        life_s: how long it is expected to serve (EL), above 0.
        share: the fraction of it that is reserved (RR / ToR).
        utilisation: the fraction of its life that carries all of it, above 0.
    """
    return g_from_kg(total_kg) * share / (life_s * utilisation)


class QueryCarbon(NamedTuple):
    """Grams of CO2e of a query, as ``Outcome`` takes them, and the joules of the network; numbers or arrays."""

    operational_g: Split
    embodied_g: Split
    network_j: Numbers


@dataclass(slots=True)  # read many times a query, and made anew at each step of the simulator: not frozen
class CarbonRates:
    """What each unit carries, ready to multiply: all that changes by the hour and not by the query. Numbers or arrays.

    Attributes:
        device_g_per_j: operational, of the device.
        device_g_per_s: embodied, of the device for each second it is held.
        network_j_per_byte: of the networks between the machines.
        network_g_per_j: operational, of those.
        network_g_per_byte: embodied, of those.
        remote_g_per_j: operational, of the machine that answers, its building's with it.
        remote_g_per_s: embodied, of that machine.
    """

    device_g_per_j: Numbers
    device_g_per_s: Numbers
    network_j_per_byte: Numbers
    network_g_per_j: Numbers
    network_g_per_byte: Numbers
    remote_g_per_j: Numbers
    remote_g_per_s: Numbers

    def grams(
        self, device_j: Numbers, device_s: Numbers, moved_bytes: Numbers, remote_j: Numbers, remote_s: Numbers
    ) -> QueryCarbon:
        """A query's carbon by who and how.

        Args:
            device_j: joules of the device, its radio with it.
            device_s: how long it was held.
            moved_bytes: to and fro together, over the network.
            remote_j: joules of the remote machine, without its building's.
            remote_s: how long it was held.
        """
        network_j = moved_bytes * self.network_j_per_byte
        return QueryCarbon(
            Split(device_j * self.device_g_per_j, network_j * self.network_g_per_j, remote_j * self.remote_g_per_j),
            Split(
                device_s * self.device_g_per_s, moved_bytes * self.network_g_per_byte, remote_s * self.remote_g_per_s
            ),
            network_j,
        )

    def totals_g(
        self, device_j: Numbers, device_s: Numbers, moved_bytes: Numbers, remote_j: Numbers, remote_s: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Operational and embodied grams of all machines together; arguments as for :meth:`grams`."""
        return (
            device_j * self.device_g_per_j
            + moved_bytes * self.network_j_per_byte * self.network_g_per_j
            + remote_j * self.remote_g_per_j,
            device_s * self.device_g_per_s + moved_bytes * self.network_g_per_byte + remote_s * self.remote_g_per_s,
        )
