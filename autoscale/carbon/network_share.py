"""The networks between the machines: joules and grams that a byte takes there, from published figures.

>>> average, marginal = (load_network_share("mobile", kind) for kind in ("average", "marginal"))
>>> round(average.energy_j_per_byte.mid * 1e6), round(marginal.energy_j_per_byte.mid * 1e6)
(504, 12)
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from autoscale.carbon.embodied.facts import EmbodiedFacts, read_embodied_facts
from autoscale.carbon.intensity.base import KINDS, Kind
from autoscale.errors import one_of
from autoscale.interval import Interval
from autoscale.units import BYTES_PER_GB, J_PER_KWH

Medium = Literal["fixed", "mobile"]

MEDIUM_OF_RADIO: Final[dict[str, Medium]] = {"wifi": "fixed", "lte": "mobile", "5g": "mobile"}
"""A link's ``radio_name`` to what lies behind it; between devices in one room there is nothing."""


@dataclass(frozen=True, slots=True)
class NetworkShare:
    """What one byte takes of a network's electricity and embodied carbon; always ``default``, with its range.

    Attributes:
        energy_j_per_byte: J/B of access and core; the machines that talk are left out.
        embodied_g_per_byte: gCO2e/B of making them.
        source: the citations.
    """

    energy_j_per_byte: Interval
    embodied_g_per_byte: Interval
    source: str


NO_NETWORK: Final = NetworkShare(Interval.exactly(0.0), Interval.exactly(0.0), "no network between the machines")


def load_network_share(medium: Medium, kind: Kind = "average", facts: EmbodiedFacts | None = None) -> NetworkShare:
    """The share of a byte on a fixed (Wi-Fi, Ethernet) or mobile network.

    Args:
        medium: ``fixed`` or ``mobile``.
        kind: ``average`` is all electricity of the networks over all bytes, for accounts; ``marginal`` what one byte
            more draws, for decisions. A network draws most of it with no byte sent: the two lie a factor of 40
            (mobile) to 270 (fixed) apart, and a decision by averages would hardly ever send anything.
        facts: the figures; those that ship with AutoScale where none are given.

    Raises:
        UnknownName: another medium or kind.
    """
    one_of("medium of a network", medium, get_args(Medium))
    one_of("kind of a network's share", kind, KINDS)
    facts = facts or read_embodied_facts("network")
    energy = facts.sourced(f"{medium}-{kind}", "energy_kwh_per_gb")
    embodied = facts.sourced(f"{medium}-{kind}", "making_g_per_gb")
    return NetworkShare(
        energy.range * (J_PER_KWH / BYTES_PER_GB),
        embodied.range * (1.0 / BYTES_PER_GB),
        f"{energy.source}; {embodied.source}",
    )
