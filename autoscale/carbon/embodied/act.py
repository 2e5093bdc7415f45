"""ACT: what making chips, memory and storage emitted, from the bottom up.

Gupta et al., ACT: Designing Sustainable Computer Systems with an Architectural Carbon Modeling Tool, ISCA 2022,
DOI 10.1145/3470496.3527408, as its code computes it (facebookresearch/ACT, v2)::

    logic           = area * (CI_fab * EPA + GPA + MPA) / yield
    DRAM and flash  = capacity * CPS / yield
    each package    = 150 g

>>> act = Act()
>>> fairphone_3_cpu = Logic(area_mm2=46.4, node_nm=28)
>>> round(act.part_g(fairphone_3_cpu, act.fab("coal", abatement=0.95)) / 1e3, 3)
0.899
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from autoscale.carbon.embodied.facts import EmbodiedFacts, read_embodied_facts
from autoscale.errors import InvalidInput
from autoscale.interval import ZERO_INTERVAL, Interval

LOW_FAB: Final = ("europe", 0.99)
MID_FAB: Final = ("taiwan", 0.97)
HIGH_FAB: Final = ("coal", 0.95)
"""The fab's electricity and the share of its gases that is abated. Mid is ACT's default; low the cleanest grid where
chips of today are made, and the better of ACT's tables of abatement; high what its published checks were made with."""

_ABATEMENTS: Final = (0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Fab:
    """Where chips are made.

    Attributes:
        intensity_g_per_kwh: of its electricity, gCO2e/kWh.
        abatement: the share of its fluorinated gases that never leaves it, 0.95 to 0.99; ACT's "97 %" is the mean.
        yield_fraction: the dies of a wafer that work.

    Raises:
        InvalidInput: a value outside its range.
    """

    intensity_g_per_kwh: float
    abatement: float = 0.97
    yield_fraction: float = 0.875

    def __post_init__(self) -> None:
        if not 0.0 <= self.intensity_g_per_kwh < float("inf"):
            raise InvalidInput(f"intensity_g_per_kwh of the fab is {self.intensity_g_per_kwh}; allowed: 0 or more")
        if not _ABATEMENTS[0] <= self.abatement <= _ABATEMENTS[1]:
            raise InvalidInput(f"abatement is {self.abatement}; allowed: 0.95 to 0.99, the tables that ACT has")
        if not 0.0 < self.yield_fraction <= 1.0:
            raise InvalidInput(f"yield_fraction is {self.yield_fraction}; allowed: above 0, up to 1")


@dataclass(frozen=True, slots=True)
class Logic:
    """Dies of logic: their area in mm2 all together, the process in nm, the packages they come in."""

    area_mm2: float
    node_nm: float
    packages: int = 1

    kind = "logic"


@dataclass(frozen=True, slots=True)
class Storage:
    """DRAM, flash or disk: how much in GB, made how, in how many packages.

    Attributes:
        kind: ``dram``, ``flash`` or ``disk``.
        process: as ``devices/embodied/act.toml`` names it: ``lpddr4``, ``nand_10nm``, ``exos_x16``.
        capacity_gb: GB.
        packages: chips; a disk has none of ACT's.
    """

    kind: Literal["dram", "flash", "disk"]
    process: str
    capacity_gb: float
    packages: int = 1


Part = Logic | Storage


class Act:
    """The model with its tables.

    Args:
        facts: the tables; those that ship with AutoScale where none are given.
    """

    def __init__(self, facts: EmbodiedFacts | None = None) -> None:
        self.facts = facts or read_embodied_facts("act")

    def fab(self, electricity: str, abatement: float = 0.97) -> Fab:
        """A fab by its grid or fuel (``taiwan``, ``coal``), at the usual yield.

        Raises:
            UnknownName: not in the table.
            InvalidInput: an abatement outside 0.95 to 0.99.
        """
        intensity = self.facts.number("fab_intensity_g_per_kwh", electricity)
        return Fab(intensity, abatement, self.facts.number("fab_yield_fraction", "usual"))

    def part_g(self, part: Part, fab: Fab) -> float:
        """Grams of CO2e of making a part, its packages with it.

        Raises:
            UnknownName: a process that is not in the tables.
            InvalidInput: a node outside 3 to 28 nm, a negative amount.
        """
        amount = part.area_mm2 if isinstance(part, Logic) else part.capacity_gb
        if not 0.0 <= amount < float("inf") or part.packages < 0:
            raise InvalidInput(f"{part}: allowed: 0 or more of everything")
        packages_g = part.packages * self.facts.number("package_g", "each")
        if isinstance(part, Logic):
            return part.area_mm2 / 100.0 * self.logic_g_per_cm2(part.node_nm, fab) + packages_g
        g_per_gb = self.facts.number(f"{part.kind}_g_per_gb", part.process)
        return part.capacity_gb * g_per_gb / (1.0 if part.kind == "disk" else fab.yield_fraction) + packages_g

    def logic_g_per_cm2(self, node_nm: float, fab: Fab) -> float:
        """ACT's CPA; nodes between those of its tables are interpolated linearly.

        Raises:
            InvalidInput: a node outside 3 to 28 nm.
        """
        energy_kwh = self._by_node("fab_energy_kwh_per_cm2", node_nm)
        gas_95, gas_99 = (self._by_node(f"gas_at_{each}_percent_abatement_g_per_cm2", node_nm) for each in (95, 99))
        gas_g = float(np.interp(fab.abatement, _ABATEMENTS, (gas_95, gas_99)))
        material_g = self._by_node("material_g_per_cm2", node_nm)
        return (fab.intensity_g_per_kwh * energy_kwh + gas_g + material_g) / fab.yield_fraction

    def total_kg(self, parts: Iterable[Part]) -> Interval:
        """Kilograms of CO2e of many parts, as :meth:`part_kg` has each."""
        return sum(map(self.part_kg, parts), ZERO_INTERVAL)

    def part_kg(self, part: Part) -> Interval:
        """Kilograms of CO2e of a part.

        Low and mid are ACT's; high is ACT's dirtiest fab times what published life-cycle assessments of the same parts
        came to beside it, up to 2.3 times: ACT reads low on memory.

        Raises:
            UnknownName: as :meth:`part_g`; InvalidInput likewise.
        """
        low_g, mid_g, high_g = (self.part_g(part, self.fab(*each)) for each in (LOW_FAB, MID_FAB, HIGH_FAB))
        return Interval(low_g, mid_g, high_g * self.facts.number("lca_to_act_ratio", part.kind)) * 1e-3

    def _by_node(self, table: str, node_nm: float) -> float:
        entries = {float(node): g for node, g in self.facts.table(table).items() if node != "source"}
        nodes = sorted(entries)
        if not nodes[0] <= node_nm <= nodes[-1]:
            raise InvalidInput(f"node_nm is {node_nm}; allowed: {nodes[0]:g} to {nodes[-1]:g}, as ACT has them")
        return float(np.interp(node_nm, nodes, [entries[node] for node in nodes]))
