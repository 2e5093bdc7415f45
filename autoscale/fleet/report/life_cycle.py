"""The life cycle around inference: training and experimentation as inputs, growth as a projection.

A TOML file::

    [phases.training]              # any names; each with carbon_kg, or energy_kwh and how dirty it is
    energy_kwh = 1200
    region = "DE"                  # or intensity_g_per_kwh
    pue = 1.1
    embodied_kg = 40

    [phases.experimentation]
    carbon_kg = 300

    [[growth]]                     # in place of the two scenarios below
    name = "as planned"
    demand_per_year = 1.5          # queries of a year over those of the year before
    energy_per_year = 0.8          # joules of a query likewise
    embodied_per_year = 0.9        # embodied of a query likewise; 1 where it does not say
    years = 5

Phases belong to the span of the report: what was spent in it, or its share of what serves longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.places import WORLD, Places
from autoscale.errors import InvalidInput, ProfileError
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.sums import NG_PER_G, Sums
from autoscale.profiles.toml_table import TomlTable, read_toml
from autoscale.units import MICRO_PER_UNIT, SECONDS_PER_YEAR, US_PER_DAY

_PHASE: Final = ("carbon_kg", "energy_kwh", "intensity_g_per_kwh", "pue", "embodied_kg", "region")
_GROWTH: Final = ("name", "demand_per_year", "energy_per_year", "embodied_per_year", "years", "why")
INFERENCE: Final = "inference"
"""What the report itself adds beside the phases."""

_SOURCE: Final = "Wu et al., Sustainable AI, MLSys 2022, arXiv 2111.00364"


@dataclass(frozen=True, slots=True)
class LifeCyclePhase:
    """A part of the life cycle beside inference; grams of CO2e, operational and embodied.

    Attributes:
        stands_in: what stands in for a figure that was not given; empty where nothing does.
    """

    name: str
    operational_g: float
    embodied_g: float
    stands_in: str = ""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a fleet grows, each year over the year before.

    Raises:
        InvalidInput: a name that is no text, factors that are not above 0, years outside 1 to 30.
    """

    name: str
    demand_per_year: float
    energy_per_year: float
    embodied_per_year: float = 1.0
    years: int = 5
    why: str = "As given"

    def __post_init__(self) -> None:
        for name in ("name", "why"):
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(f"{name} is {getattr(self, name)!r}; allowed: a text")
        for name in ("demand_per_year", "energy_per_year", "embodied_per_year"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1000.0:
                raise InvalidInput(f"{name} is {value!r}; allowed: above 0, up to 1000")
        if isinstance(self.years, bool) or not isinstance(self.years, int) or not 1 <= self.years <= 30:
            raise InvalidInput(f"years is {self.years!r}; allowed: whole years, 1 to 30")


SCENARIOS: Final = (
    Growth(
        "demand doubles in three years",
        2.0 ** (1 / 3),
        0.8**2,
        why=f"Inferences a day doubled in 3 years; optimisation saved 20 % of power every 6 months ({_SOURCE})",
    ),
    Growth(
        "demand grows 2.5 times in 18 months",
        2.5 ** (12 / 18),
        0.8**2,
        why=f"Capacity for inference grew 2.5 times in 18 months; the same optimisation ({_SOURCE})",
    ),
)
"""Where no growth is given. Embodied carbon of a query is held at today's figure for each query."""


@dataclass(frozen=True, slots=True)
class Year:
    """One year of a projection: grams of CO2e, by year from now; 0 is the span of the report, made a year long.

    Attributes:
        year: from now.
        inferences: queries.
        operational_g: of the queries' electricity, and of what machines draw while they wait.
        embodied_g: of the making that queries carry, and that none does.
        waiting_g: what of the two is of waiting machines.
        phases_g: beside them, of the life cycle's other phases.
    """

    year: int
    inferences: float
    operational_g: float
    embodied_g: float
    waiting_g: float = 0.0
    phases_g: float = 0.0


@dataclass(frozen=True, slots=True)
class LifeCycle:
    """What is given beside the ledger."""

    phases: tuple[LifeCyclePhase, ...] = ()
    growth: tuple[Growth, ...] = field(default=SCENARIOS)


def read_life_cycle(path: Path) -> LifeCycle:
    """The life cycle of a file.

    Raises:
        InvalidInput: it cannot be read; a field that is none, or a value outside its range.
    """
    document = read_toml(path)
    document.check_keys((), ("phases", "growth"))
    phases = tuple(map(_phase, document.table("phases").tables().values())) if "phases" in document else ()
    return LifeCycle(phases, tuple(map(_growth, document.rows("growth"))) or SCENARIOS)


def projection(
    queries: Sums,
    duration_us: int,
    growth: Growth,
    fleet: Fleet | None = None,
    phases: Sequence[LifeCyclePhase] = (),
) -> tuple[Year, ...]:
    """What a fleet would emit: demand times operational, falling with energy, and embodied carbon of a query.

    Machines that wait are taken to grow with demand, each as many queries as today: what they draw does not fall with
    the energy of a query, their making goes with its. Other phases of the life cycle stay as they are.

    Args:
        queries: of the report's span.
        duration_us: of that span; a shorter one than a year is stretched to a year as it is, but one that is shorter
            than a day is taken for the whole day: a second's queries do not go on day and night.
        growth: the factors.
        fleet: what waits beside the queries; None where it is not known.
        phases: of the life cycle beside inference.
    """
    per_year = SECONDS_PER_YEAR * MICRO_PER_UNIT / max(duration_us, US_PER_DAY)
    now = Year(
        0,
        queries.inferences * per_year,
        sum(queries.operational_ng) / NG_PER_G * per_year,
        sum(queries.embodied_ng) / NG_PER_G * per_year,
    )
    idle_g = 0.0 if fleet is None else fleet.idle_ng.mid / NG_PER_G * per_year
    unallocated_g = 0.0 if fleet is None else fleet.unallocated_ng.mid / NG_PER_G * per_year
    phases_g = sum(each.operational_g + each.embodied_g for each in phases) * per_year
    return tuple(_grown(now, year, growth, idle_g, unallocated_g, phases_g) for year in range(growth.years + 1))


def _grown(now: Year, year: int, growth: Growth, idle_g: float, unallocated_g: float, phases_g: float) -> Year:
    demand, making = growth.demand_per_year**year, (growth.demand_per_year * growth.embodied_per_year) ** year
    idle_g, unallocated_g = idle_g * demand, unallocated_g * making
    operational_g = now.operational_g * (growth.demand_per_year * growth.energy_per_year) ** year + idle_g
    embodied_g = now.embodied_g * making + unallocated_g
    return Year(year, now.inferences * demand, operational_g, embodied_g, idle_g + unallocated_g, phases_g)


def _phase(phase: TomlTable) -> LifeCyclePhase:
    name = phase.name.removeprefix("phases.")
    if name == INFERENCE:
        raise ProfileError(f"{phase.path}: [{phase.name}]; allowed: any other name, the ledger tells of that one")
    phase.check_keys((), _PHASE)
    if ("carbon_kg" in phase) == ("energy_kwh" in phase):
        raise ProfileError(f"{phase.path}: [{phase.name}]; allowed: either carbon_kg or energy_kwh")
    embodied_g = phase.number("embodied_kg") * 1e3 if "embodied_kg" in phase else 0.0
    if "carbon_kg" in phase:
        return LifeCyclePhase(name, phase.number("carbon_kg") * 1e3, embodied_g)
    pue = phase.number("pue", least=1.0) if "pue" in phase else 1.0
    stands_in = (
        "" if {"region", "intensity_g_per_kwh"} & set(phase.content) else f"{_yearly(WORLD):g} g/kWh, the world's"
    )
    return LifeCyclePhase(name, phase.number("energy_kwh") * pue * _g_per_kwh(phase), embodied_g, stands_in)


def _g_per_kwh(phase: TomlTable) -> float:
    if "intensity_g_per_kwh" in phase:
        return phase.number("intensity_g_per_kwh")
    try:
        return _yearly(phase.text("region") if "region" in phase else WORLD)
    except InvalidInput as error:
        raise ProfileError(f"{phase.path}: {phase.name}: {error}") from error


def _growth(growth: TomlTable) -> Growth:
    growth.check_keys(_GROWTH[:3], _GROWTH[3:])
    try:
        return Growth(**growth.content)
    except InvalidInput as error:
        raise ProfileError(f"{growth.path}: {growth.name}: {error}") from error


@cache
def _yearly(region: str) -> float:
    return Places.shipped().find(region).g_per_kwh.mid
