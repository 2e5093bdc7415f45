"""Sums over queries, in whole numbers: they are the same on every engine and any number of threads."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from autoscale.fleet.ledger.rollup import SUMMED
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.units import J_PER_KWH, MICRO_PER_UNIT

_WHOLE: Final = itemgetter("inferences", *SUMMED)
"""Of a row what ``Sums.of`` takes, in its order."""
UJ_PER_KWH: Final = round(J_PER_KWH) * MICRO_PER_UNIT
NG_PER_KG: Final = 10**12
NG_PER_G: Final = 10**9


class Parts(NamedTuple):
    """A whole number for each part of a query; the unit is in the name of what holds it."""

    device: int
    network: int
    remote: int

    def plus(self, other: "Parts") -> "Parts":
        """Part by part."""
        return Parts(self.device + other.device, self.network + other.network, self.remote + other.remote)


class WholeInterval(NamedTuple):
    """An ``Interval`` of whole numbers, whose sums are exact and so the same on every engine: low, mid, high."""

    low: int
    mid: int
    high: int

    def plus(self, other: "WholeInterval") -> "WholeInterval":
        """End by end: what is high is high everywhere."""
        return WholeInterval(self.low + other.low, self.mid + other.mid, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Sums:
    """What some queries took together.

    Attributes:
        inferences: how many there are.
        energy_uj: microjoules.
        operational_ng: nanograms of CO2e of that energy.
        embodied_ng: nanograms of CO2e embodied in what they ran on.
        total_ng: both, with the range of the rows' own figures.
        latency_us: from call to answer, one after the other.
        missed: answers that came late or fell short of the goal's accuracy.
        building_uj: microjoules of the remote machines' buildings, by their PUE, where rows say it; not in energy_uj.
    """

    inferences: int
    energy_uj: Parts
    operational_ng: Parts
    embodied_ng: Parts
    total_ng: WholeInterval
    latency_us: int
    missed: int
    building_uj: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Sums":
        """From a row with ``inferences`` and ``SUMMED``; decimals, as engines give them, are made whole numbers, and
        what stands for a sum of no rows is 0.
        """
        inferences, *whole = (int(value or 0) for value in _WHOLE(row))
        energy, operational, embodied = Parts(*whole[:3]), Parts(*whole[3:6]), Parts(*whole[6:9])
        low_ng, high_ng, embodied_low_ng, embodied_high_ng, *last = whole[9:]
        mid_ng = sum(operational) + sum(embodied)
        total = WholeInterval(low_ng + embodied_low_ng, mid_ng, high_ng + embodied_high_ng)
        return cls(inferences, energy, operational, embodied, total, *last)

    @property
    def missed_fraction(self) -> float:
        """Of the queries; 0 of none."""
        return self.missed / self.inferences if self.inferences else 0.0

    def plus(self, other: "Sums") -> "Sums":
        """Of the queries of both."""
        return Sums(
            self.inferences + other.inferences,
            self.energy_uj.plus(other.energy_uj),
            self.operational_ng.plus(other.operational_ng),
            self.embodied_ng.plus(other.embodied_ng),
            self.total_ng.plus(other.total_ng),
            self.latency_us + other.latency_us,
            self.missed + other.missed,
            self.building_uj + other.building_uj,
        )

    @property
    def sci_g(self) -> Interval:
        """Grams of CO2e for each inference: (O + M) per R of SCI (ISO/IEC 21031:2024), low, mid and high."""
        return sci_g_of(self.total_ng, self.inferences)


def sci_g_of(total_ng: WholeInterval, inferences: int) -> Interval:
    """Grams for each inference, 0 of none; rows whose range does not hold their figure are given it as its end."""
    if not inferences:
        return ZERO_INTERVAL
    low, mid, high = (end / (NG_PER_G * inferences) for end in total_ng)
    return Interval(min(low, mid), mid, max(mid, high))


def fleet_sci_g_of(total_ng: WholeInterval, inferences: int) -> Interval | None:
    """Grams of a whole fleet for each inference; None of none, since machines that wait emit all the same."""
    return sci_g_of(total_ng, inferences) if inferences else None


def kg(mass_ng: int) -> float:
    """Nanograms as kilograms, rounded once."""
    return mass_ng / NG_PER_KG


def kwh(energy_uj: int) -> float:
    """Microjoules as kilowatt-hours, rounded once."""
    return energy_uj / UJ_PER_KWH
