"""The life cycle around inference: phases before it, how long machines serve, growth as a projection.

A TOML file::

    [phases.training]              # any names; data, experimentation and training are stages of their own
    energy_kwh = 1200              # or carbon_kg, or codecarbon = "emissions.csv" (project = "..."), or
    region = "DE"                  #   mlperf = "result_0.txt" with power_w; intensity_g_per_kwh in place of region
    pue = 1.1
    embodied_kg = 40               # or machine = "h100" and machines = 8, by the time that the runs of a log held them

    [phases.experimentation]
    carbon_kg = 300

    [[growth]]                     # in place of the two scenarios that ship
    name = "as planned"
    demand_per_year = { value = 1.5, low = 1.2, high = 2.0 }   # queries of a year over those of the year before
    energy_per_year = 0.8          # joules of a query likewise
    embodied_per_year = 0.9        # embodied of a query likewise; 1 where it does not say
    demand_acceleration = 1.1      # the factor of demand over that of the year before: demand grows ever faster
    rebound = 0.3                  # how much of what is saved in energy is asked for in queries
    grid_per_year = 0.97           # grams of a kilowatt-hour likewise
    years = 5

    [[refresh]]                    # in place of the scenarios that ship
    name = "four years, then a school"
    life_years = 4
    second_life_years = 3
    reused_fraction = 0.6
    energy_of_new_per_year = 0.82  # joules of the same work on machines of a year later

A number with a range is varied alone in the tornado; one without is held. Phases belong to the span of the report: what
was spent in it, or its share of what serves longer.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from autoscale.errors import InvalidInput, ProfileError
from autoscale.fleet.report.growth import ASSUMPTIONS, SCENARIOS, Assumption, Growth, Year, projection
from autoscale.fleet.report.refresh import Refresh
from autoscale.profiles.toml_table import TomlTable, read_toml

if TYPE_CHECKING:
    from autoscale.fleet.report.phases import LifeCyclePhase

__all__ = ["SCENARIOS", "Growth", "LifeCycle", "Year", "projection", "read_life_cycle"]

_GROWTH: Final = ("name", "demand_per_year", "energy_per_year")
_GROWTH_TOO: Final = (*(each for each in ASSUMPTIONS if each not in _GROWTH), "years", "why", "varied")
_Made = TypeVar("_Made", Growth, Refresh)
_REFRESH: Final = ("second_life_years", "reused_fraction", "energy_of_new_per_year")


@dataclass(frozen=True, slots=True)
class LifeCycle:
    """What is given beside the ledger; without a refresh policy, those that ship."""

    phases: tuple["LifeCyclePhase", ...] = ()
    growth: tuple[Growth, ...] = field(default=SCENARIOS)
    refresh: tuple[Refresh, ...] = ()


def read_life_cycle(path: Path) -> LifeCycle:
    """The life cycle of a file.

    Raises:
        InvalidInput: it cannot be read; a field that is none, or a value outside its range.
    """
    document = read_toml(path)
    document.check_keys((), ("phases", "growth", "refresh"))
    phases = _phases(document.table("phases")) if "phases" in document else ()
    growth, refresh = tuple(map(_growth, document.rows("growth"))), tuple(map(_refresh, document.rows("refresh")))
    return LifeCycle(phases, growth or SCENARIOS, refresh)


def _phases(phases: TomlTable) -> tuple["LifeCyclePhase", ...]:
    from autoscale.fleet.report.phases import read_phase  # with the readers of logs, which most reports need not

    return tuple(map(read_phase, phases.tables().values()))


def _growth(growth: TomlTable) -> Growth:
    growth.check_keys(_GROWTH, _GROWTH_TOO)
    return _made(growth, Growth, {key: _assumption(growth, key) for key in growth.content})


def _assumption(growth: TomlTable, key: str) -> Any:
    value = growth.content[key]
    if key not in ASSUMPTIONS or not isinstance(value, dict):
        return value
    table = growth.table(key)
    table.check_keys(("value",), ("low", "high"))
    span = table.interval("value")
    return Assumption(span.mid, span.low, span.high)


def _refresh(refresh: TomlTable) -> Refresh:
    refresh.check_keys(("name", "life_years"), _REFRESH)
    return _made(refresh, Refresh, dict(refresh.content))


def _made(entry: TomlTable, kind: type[_Made], content: dict[str, Any]) -> _Made:
    try:
        return kind(**content)
    except InvalidInput as error:
        raise ProfileError(f"{entry.path}: {entry.name}: {error}") from error
