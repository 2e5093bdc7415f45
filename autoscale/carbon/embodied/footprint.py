"""What making a machine emitted, low, mid and high: as reported where there is a report, else from its parts.

>>> from autoscale.profiles import load_device
>>> phone = device_footprint(load_device("mi8pro"))
>>> phone.basis, phone.kg
('reported', Interval(low=31.0, mid=55.0, high=77.0))
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from autoscale.carbon.embodied.act import Act, Logic, Part, Storage
from autoscale.carbon.embodied.facts import EmbodiedFacts, read_embodied_facts
from autoscale.errors import InvalidInput, one_of
from autoscale.interval import Interval
from autoscale.physics.carbon import embodied_g_per_s
from autoscale.query.outcome import Method
from autoscale.units import BYTES_PER_GB, SECONDS_PER_YEAR

if TYPE_CHECKING:
    from autoscale.profiles.device import DeviceProfile  # what knows one has read it: it costs others nothing

Basis = Literal["reported", "bottom-up"]

_HANDHELD: Final = ("phone", "tablet", "board")


@dataclass(frozen=True, slots=True)
class Footprint:
    """The embodied emissions of one machine.

    Attributes:
        kg: kgCO2e of the whole machine, all but its use.
        life_s: how long it is expected to serve; low is a short life.
        basis: ``reported`` (by its maker, or the median of its kind) or ``bottom-up`` (ACT, from its parts).
        source: the citation.
        why: why this figure and not another.
    """

    kg: Interval
    life_s: Interval
    basis: Basis
    source: str
    why: str

    def g_per_s(self, utilisation: float = 1.0, share: float = 1.0) -> Interval:
        """Grams of CO2e that a second of use carries (SCI: TE * TiR / EL * RR / ToR for one second).

        Args:
            utilisation: the fraction of its life that it is in use. At 1 a second of use carries a second of life, and
                idle time stays unallocated; at the true utilisation all embodied carbon falls on use.
            share: the fraction of the machine that is reserved.

        The low end takes the long life, the high end the short one.

        Raises:
            InvalidInput: a utilisation not in (0, 1], a share not in [0, 1].
        """
        if not 0.0 < utilisation <= 1.0:
            raise InvalidInput(f"utilisation is {utilisation}; allowed: above 0, up to 1")
        if not 0.0 <= share <= 1.0:
            raise InvalidInput(f"share is {share}; allowed: 0 to 1")
        lives = (self.life_s.high, self.life_s.mid, self.life_s.low)
        ends = (self.kg.low, self.kg.mid, self.kg.high)
        return Interval(*(embodied_g_per_s(*each, share, utilisation) for each in zip(ends, lives, strict=True)))


def choose(reported: Footprint, bottom_up: Footprint) -> Footprint:
    """The reported footprint, unless its chips alone come to more: a report counts the whole machine, ACT the chips."""
    kg = bottom_up.kg
    chips = f"its processor, memory and flash alone are {kg.mid:.3g} kg ({kg.low:.3g} to {kg.high:.3g}) by ACT"
    if kg.mid <= reported.kg.mid:
        why = f"{reported.why} covers the whole machine; {chips}"
        return Footprint(reported.kg, reported.life_s, reported.basis, reported.source, why)
    why = f"{chips}, more than the {reported.kg.mid:.3g} kg that are reported for all of it"
    return Footprint(kg, bottom_up.life_s, bottom_up.basis, bottom_up.source, why)


def device_footprint(profile: "DeviceProfile", act: Act | None = None) -> Footprint:
    """The footprint of a device or server of ``devices/``.

    Raises:
        InvalidInput: a die of a process that ACT has no figures for.
    """
    embodied = profile.embodied
    total, life = profile.source_of("embodied.total_kg"), profile.source_of("embodied.lifetime_years")
    years = embodied.lifetime_s / SECONDS_PER_YEAR
    short, long = (each if isinstance(each, float) else years for each in (life.low, life.high))
    life_s = Interval(short, years, long) * SECONDS_PER_YEAR
    whose = "the middle of reports on its kind" if total.method is Method.DEFAULT else "its maker's report"
    kg = Interval(embodied.low_kg, embodied.total_kg, embodied.high_kg)
    reported = Footprint(kg, life_s, "reported", total.source, whose)
    model = act or Act()
    source = model.facts.sources["act"]
    return choose(reported, Footprint(model.total_kg(parts_of(profile)), life_s, "bottom-up", source, ""))


def product_footprint(name: str, facts: EmbodiedFacts | None = None) -> Footprint:
    """The reported footprint of a product (``fairphone-3``) or of a kind (``phone``, ``server``, ``base-station``).

    Raises:
        UnknownName: neither; the message names the nearest.

    >>> product_footprint("server").kg
    Interval(low=697.0, mid=1278.0, high=2192.0)
    """
    facts = facts or read_embodied_facts("products")
    one_of("product", name, facts.tables)
    embodied, life = facts.sourced(name, "making_kg"), facts.sourced(name, "life_years")
    kind = facts.table(name).get("kind")
    if kind is None:
        why = f"no report of its own: the middle of every {name}"
        return Footprint(embodied.range, life.range * SECONDS_PER_YEAR, "reported", embodied.source, why)
    of_kind, its_life = facts.sourced(kind, "making_kg").range, facts.sourced(kind, "life_years").range
    has_range = embodied.range.low < embodied.range.high
    kg = embodied.range if has_range else _in_proportion(embodied.range.mid, of_kind)
    life_s = _in_proportion(life.range.mid, its_life) * SECONDS_PER_YEAR
    why = (
        "what is known of it, between what others make of it"
        if has_range
        else f"its maker's report, as a {kind} ranges"
    )
    basis: Basis = "bottom-up" if facts.table(name).get("basis") == "bottom-up" else "reported"
    return Footprint(kg, life_s, basis, embodied.source, why)


def parts_of(profile: "DeviceProfile") -> tuple[Part, ...]:
    """The chips that a profile tells of: logic, DRAM and flash, by ACT's newest process of each, one package each."""
    embodied, memory = profile.embodied, profile.memory
    dram = "lpddr4" if profile.kind in _HANDHELD else "ddr4_10nm"
    return (
        Logic(embodied.die_mm2, embodied.node_nm),
        Storage("dram", dram, memory.dram_bytes / BYTES_PER_GB),
        Storage("flash", "nand_10nm", memory.flash_bytes / BYTES_PER_GB),
    )


def _in_proportion(value: float, kind: Interval) -> Interval:
    return Interval(value * kind.low / kind.mid, value, value * kind.high / kind.mid)
