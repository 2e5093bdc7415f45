"""How a fleet's carbon would grow: demand that may grow ever faster, against energy, making and grids that get better.

Each assumption is named, has a range, and is varied alone: the tornado says which of them decides.

>>> growth = Growth("as planned", Assumption(1.5, 1.2, 2.0), Assumption(0.8, 0.7, 0.9))
>>> growth.factors_in(2)
Factors(demand=2.25, operational=1.4400000000000004, embodied=2.25)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10
from typing import Final, Protocol

from autoscale.errors import InvalidInput
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.sums import NG_PER_G, Sums
from autoscale.units import MICRO_PER_UNIT, SECONDS_PER_YEAR, US_PER_DAY

_SOURCE: Final = "Wu et al., Sustainable AI, MLSys 2022, arXiv 2111.00364"
LARGEST_FACTOR: Final = 1000.0
LONGEST_YEARS: Final = 30
MOST_DIGITS: Final = 100


@dataclass(frozen=True, slots=True)
class Assumption:
    """A factor with the range it is varied in; the same three where it is not varied.

    Raises:
        InvalidInput: not 0 <= low <= value <= high <= 1000.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.value <= self.high <= LARGEST_FACTOR:
            raise InvalidInput(f"{self.low} to {self.value} to {self.high}; allowed: rising, 0 to 1000")


def fixed(value: float) -> Assumption:
    """An assumption that is not varied."""
    return Assumption(value, value, value)


UNCHANGED: Final = fixed(1.0)
NOT_REBOUNDING: Final = fixed(0.0)

ASSUMPTIONS: Final = {
    "demand_per_year": "queries of a year over those of the year before",
    "demand_acceleration": "that factor over the factor of the year before: above 1 demand grows ever faster",
    "energy_per_year": "joules of a query over those of the year before",
    "rebound": "how much of what is saved in energy is asked for in queries: 0 none, 1 all",
    "embodied_per_year": "embodied carbon of a query over that of the year before",
    "grid_per_year": "grams of a kilowatt-hour over those of the year before",
}


@dataclass(frozen=True, slots=True)
class Factors:
    """What a year has over today: queries, operational and embodied carbon of all of them."""

    demand: float
    operational: float
    embodied: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How a fleet grows, each year over the year before; ``ASSUMPTIONS`` says what each factor is.

    Numbers may stand for assumptions that are not varied.

    Raises:
        InvalidInput: a name that is no text, factors outside 0 to 1000 (demand and energy above 0), years outside 1 to
            30.
    """

    name: str
    demand_per_year: Assumption | float
    energy_per_year: Assumption | float
    embodied_per_year: Assumption | float = UNCHANGED
    years: int = 5
    why: str = "As given"
    varied: str = "As given"
    demand_acceleration: Assumption | float = UNCHANGED
    rebound: Assumption | float = NOT_REBOUNDING
    grid_per_year: Assumption | float = UNCHANGED

    def __post_init__(self) -> None:
        for name in ("name", "why", "varied"):
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(f"{name} is {getattr(self, name)!r}; allowed: a text")
        for name in ASSUMPTIONS:
            object.__setattr__(self, name, _assumption(name, getattr(self, name)))
        if isinstance(self.years, bool) or not isinstance(self.years, int) or not 1 <= self.years <= LONGEST_YEARS:
            raise InvalidInput(f"years is {self.years!r}; allowed: whole years, 1 to 30")
        if self._most_digits > MOST_DIGITS:
            raise InvalidInput(f"'{self.name}' grows by {self._most_digits:.0f} digits; allowed: up to {MOST_DIGITS}")

    @property
    def _most_digits(self) -> float:
        """How many digits the last year has over today, every assumption at the end that gives the most."""
        demand, faster, energy, rebound, making, grid = (self.assumption(name) for name in ASSUMPTIONS)
        asked = demand.high, *(max(1.0, each.high) for each in (energy, making, grid)), energy.low**-rebound.high
        return self.years * sum(map(log10, asked)) + self.years * (self.years - 1) / 2 * log10(faster.high)

    def assumption(self, name: str) -> Assumption:
        """One of ``ASSUMPTIONS``."""
        found: Assumption = getattr(self, name)
        return found

    def factors_in(self, year: int) -> Factors:
        """What a year from now has over today."""
        demand, faster, energy, rebound, making, grid = (self.assumption(name).value for name in ASSUMPTIONS)
        more = faster ** (year * (year - 1) / 2) * energy ** (-rebound * year)
        operational, embodied = (demand * energy * grid) ** year * more, (demand * making) ** year * more
        return Factors(demand**year * more, operational, embodied)


def _assumption(name: str, value: object) -> Assumption:
    try:
        made = value if isinstance(value, Assumption) else _of_number(value)
    except InvalidInput as error:
        raise InvalidInput(f"{name} is {error}") from error
    if name != "rebound" and not made.low > 0.0:
        raise InvalidInput(f"{name} is {made.low!r}; allowed: above 0, up to 1000")
    return made


def _of_number(value: object) -> Assumption:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= LARGEST_FACTOR:
        raise InvalidInput(f"{value!r}; allowed: above 0, up to 1000, or {{ value, low, high }}")
    return fixed(float(value))


_DOUBLED, _FASTEST = 2.0 ** (1 / 3), 2.5 ** (12 / 18)
_OPTIMISED, _NET = 0.8**2, (1 - 0.285) ** 0.5
_GRID: Final = Assumption(1.0, 0.95, 1.0)
_REBOUND: Final = Assumption(0.0, 0.0, 0.5)
_FASTER: Final = Assumption(1.0, 1.0, 1.1)
_MAKING: Final = Assumption(1.0, 0.9, 1.1)
_VARIED: Final = (
    "Optimisation down to what was net of it, 28.5 % in two years (same source); grids as the world's of 2021 "
    "to 2025, 2.3 % a year less, twice that at most; rebound, acceleration and making are assumed"
)
SCENARIOS: Final = (
    Growth(
        "demand doubles in three years",
        Assumption(_DOUBLED, 1.0, _FASTEST),
        Assumption(_OPTIMISED, _OPTIMISED, _NET),
        _MAKING,
        why=f"Inferences a day doubled in 3 years; optimisation saved 20 % of power every 6 months ({_SOURCE})",
        varied=_VARIED,
        demand_acceleration=_FASTER,
        rebound=_REBOUND,
        grid_per_year=_GRID,
    ),
    Growth(
        "demand grows 2.5 times in 18 months",
        Assumption(_FASTEST, _DOUBLED, 2.9 ** (12 / 18)),
        Assumption(_OPTIMISED, _OPTIMISED, _NET),
        _MAKING,
        why=f"Capacity for inference grew 2.5 times in 18 months; the same optimisation ({_SOURCE})",
        varied=f"demand up to that of training, 2.9 times; {_VARIED}",
        demand_acceleration=_FASTER,
        rebound=_REBOUND,
        grid_per_year=_GRID,
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

    @property
    def total_g(self) -> float:
        """Of queries, waiting machines and phases."""
        return self.operational_g + self.embodied_g + self.phases_g


@dataclass(frozen=True, slots=True)
class Swing:
    """What one assumption alone does to the last year of a projection.

    Attributes:
        name: of ``ASSUMPTIONS``.
        assumption: with its range.
        low_g: of the last year with it at its low end, the others at their values; ``high_g`` at its high end.
    """

    name: str
    assumption: Assumption
    low_g: float
    high_g: float


class Grown(Protocol):
    """What has the carbon of a phase, grams."""

    @property
    def operational_g(self) -> float:
        """Of electricity."""

    @property
    def embodied_g(self) -> float:
        """Of making."""


def projection(
    queries: Sums,
    duration_us: int,
    growth: Growth,
    fleet: Fleet | None = None,
    phases: Sequence[Grown] = (),
) -> tuple[Year, ...]:
    """What a fleet would emit: demand times operational, falling with energy and grids, and embodied carbon of a query.

    Machines that wait are taken to grow with demand, each as many queries as today: what they draw does not fall with
    the energy of a query, but with the grid; their making goes with its. Other phases stay as they are.

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
    factors = growth.factors_in(year)
    idle_g = idle_g * factors.demand * growth.assumption("grid_per_year").value ** year
    unallocated_g = unallocated_g * factors.embodied
    operational_g = now.operational_g * factors.operational + idle_g
    embodied_g = now.embodied_g * factors.embodied + unallocated_g
    return Year(year, now.inferences * factors.demand, operational_g, embodied_g, idle_g + unallocated_g, phases_g)


def tornado(
    queries: Sums,
    duration_us: int,
    growth: Growth,
    fleet: Fleet | None = None,
    phases: Sequence[Grown] = (),
) -> tuple[Swing, ...]:
    """What each assumption that has a range does alone to the last year, the widest swing first; arguments as above."""

    def last_g(name: str, value: float) -> float:
        varied = replace(growth, **{name: fixed(value)})  # type: ignore[arg-type]  # name is a factor's
        return projection(queries, duration_us, varied, fleet, phases)[-1].total_g

    varied = [(name, growth.assumption(name)) for name in ASSUMPTIONS]
    swings = [
        Swing(name, each, last_g(name, each.low), last_g(name, each.high))
        for name, each in varied
        if each.low < each.high
    ]
    return tuple(sorted(swings, key=lambda each: -abs(each.high_g - each.low_g)))
