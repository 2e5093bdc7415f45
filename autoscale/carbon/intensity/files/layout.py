"""What the columns of known files of intensities are: who writes them, and what their figures count.

- ours: ``g_per_kwh``, counting what is told;
- Electricity Maps: ``Carbon intensity gCO2eq/kWh (Life cycle)``, ``(LCA)``, ``(direct)``, ``carbonIntensity``: of
  consumption;
- UK NESO: ``Actual Carbon Intensity``, ``intensity.actual``, the forecast where that is empty: direct, of consumption;
- WattTime: ``MOER``, ``co2_moer``, or ``value`` beside ``point_time``, in lb/MWh: marginal, direct;
- Energy-Charts: ``co2eq`` beside ``unix_seconds``, ``co2eq_forecast`` where that is empty;
- Carbon Aware SDK: ``rating``;
- CodeCarbon's emissions.csv: ``emissions`` over ``energy_consumed``, from the beginning of a run to its end;
- ENTSO-E-derived and other downloads: any column with CO2 or carbon and a unit in its name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscale.carbon.intensity.base import Kind
from autoscale.carbon.intensity.basis import ACCOUNT_BASIS, STACK, UNKNOWN_BASIS, Basis
from autoscale.carbon.intensity.files.units import unit_in

CODECARBON: Final = ("timestamp", "duration", "emissions", "energy_consumed")
TIMES: Final = (
    "time",
    "datetime (utc)",
    "datetime_utc",
    "datetime",
    "date_time",
    "timestamp",
    "point_time",
    "unix_seconds",
    "from",
    "mtu",
    "datum von",
    "datum",
    "start",
    "start time",
    "starttime",
    "date",
)
ENDS: Final = ("to", "end", "datum bis")
ZONES: Final = ("zone", "zone id", "zonekey", "zone_key", "region", "ba", "location")
ESTIMATED: Final = ("estimated", "data estimated", "isestimated", "is_estimated")
KINDS: Final = ("kind", "signal_type", "meta.signal_type")


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of figures.

    Attributes:
        at: where it stands.
        unit: as its name or its maker tells; None where neither does.
        kind: average or marginal; None where nothing tells.
        basis: what it counts.
        is_forecast: no hour of it is settled.
    """

    at: int
    unit: str | None = None
    kind: Kind | None = None
    basis: Basis = UNKNOWN_BASIS
    is_forecast: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each thing stands in a row; None where the file has no such column.

    Attributes:
        figures: the column of figures, and what stands in where its cell is empty.
        energy: of CodeCarbon's rows, where the energy stands that the emissions are divided by.
        duration: likewise; the time is the end of it.
    """

    time: int
    figures: tuple[Figure, ...]
    end: int | None = None
    zone: int | None = None
    estimated: int | None = None
    kind: int | None = None
    energy: int | None = None
    duration: int | None = None


_KNOWN: Final[tuple[tuple[str, str | None, Kind | None, Basis, bool], ...]] = (
    ("g_per_kwh", "g/kwh", None, UNKNOWN_BASIS, False),
    ("carbon intensity gco2eq/kwh (life cycle)", "g/kwh", "average", ACCOUNT_BASIS, False),
    ("carbon intensity gco2eq/kwh (lca)", "g/kwh", "average", ACCOUNT_BASIS, False),
    ("ci_lca_gco2_kwh", "g/kwh", "average", ACCOUNT_BASIS, False),
    ("carbon_intensity_lca", "g/kwh", "average", ACCOUNT_BASIS, False),
    ("carbon intensity gco2eq/kwh (direct)", "g/kwh", "average", STACK, False),
    ("ci_direct_gco2_kwh", "g/kwh", "average", STACK, False),
    ("carbonintensity", "g/kwh", "average", ACCOUNT_BASIS, False),
    ("actual carbon intensity (gco2/kwh)", "g/kwh", "average", STACK, False),
    ("intensity.actual", "g/kwh", "average", STACK, False),
    ("forecast carbon intensity (gco2/kwh)", "g/kwh", "average", STACK, True),
    ("intensity.forecast", "g/kwh", "average", STACK, True),
    ("co2_moer", "lb/mwh", "marginal", STACK, True),
    ("moer", "lb/mwh", "marginal", STACK, True),
    ("co2_aoer", "lb/mwh", "average", STACK, False),
    ("aoer", "lb/mwh", "average", STACK, False),
    ("co2eq", "g/kwh", "average", UNKNOWN_BASIS, False),
    ("co2eq_forecast", "g/kwh", "average", UNKNOWN_BASIS, True),
    ("carbon intensity", None, None, UNKNOWN_BASIS, False),
    ("carbon_intensity", None, None, UNKNOWN_BASIS, False),
    ("intensity", None, None, UNKNOWN_BASIS, False),
    ("rating", "g/kwh", None, UNKNOWN_BASIS, False),
)
# Which plant answers to one watt more is a model's guess for ever: no marginal hour of WattTime's is settled.
_CARBON: Final = re.compile(r"co2|carbon|emission")
_FORECAST: Final = re.compile(r"forecast|predict|prognose|day.ahead")
_DIRECT: Final = re.compile(r"\bdirect\b|stack")
_LIFE: Final = re.compile(r"life.?cycle|\blca\b")


def layout_of(
    header: Sequence[str], about: Mapping[str, str] | None = None, time: str = "", figure: str = ""
) -> Layout | None:
    """What the columns of a header are; None where a time or a figure is not among them.

    Args:
        header: the names.
        about: what a JSON answer says beside its rows.
        time: the column of times where the caller knows it.
        figure: the column of figures, likewise.
    """
    names = [_plain(name) for name in header]
    find = _Finder(names)
    if not time and not figure and all(name in names for name in CODECARBON):
        return _codecarbon(find)
    at = find.first([_plain(time)]) if time else find.first(TIMES, is_loose=True)
    figures = _figures(names, about or {}) if not figure else _chosen(names, _plain(figure))
    if at is None or not figures or all(each.at == at for each in figures):
        return None
    columns = {key: find.first(spellings) for key, spellings in _BESIDE.items()}
    return Layout(at, figures, **columns)


_BESIDE: Final = {"end": ENDS, "zone": ZONES, "estimated": ESTIMATED, "kind": KINDS}


@dataclass(frozen=True, slots=True)
class _Finder:
    names: list[str]

    def first(self, spellings: Sequence[str], is_loose: bool = False) -> int | None:
        """The first column of some spellings; loosely, one that goes on with its zone: ``mtu (utc)``."""
        for each in spellings:
            for at, name in enumerate(self.names):
                if name == each or (is_loose and re.fullmatch(rf"{re.escape(each)}\s*[(\[].*[)\]]", name)):
                    return at
        return None


def _codecarbon(find: _Finder) -> Layout:
    time, duration, emissions, energy = (find.names.index(name) for name in CODECARBON)
    figures = (Figure(emissions, "kg/kwh", "average", is_forecast=True),)
    return Layout(time, figures, zone=None, energy=energy, duration=duration)


def _figures(names: list[str], about: Mapping[str, str]) -> tuple[Figure, ...]:
    """The settled column first, its forecast next; none where no column is known."""
    known = [Figure(names.index(name), *rest) for name, *rest in _KNOWN if name in names]  # type: ignore[arg-type]
    if not known and "value" in names and "point_time" in names:
        known = [_watttime(names, about)]
    known = known or [_told(at, name) for at, name in enumerate(names) if _CARBON.search(name) and unit_in(name)]
    settled = [each for each in known if not each.is_forecast][:1]
    forecast = [each for each in known if each.is_forecast and (not settled or each.kind == settled[0].kind)][:1]
    return (*settled, *forecast)


def _watttime(names: list[str], about: Mapping[str, str]) -> Figure:
    """Marginal, unless the answer or a column says which signal it is."""
    is_told = "meta.signal_type" in about or any(each in names for each in KINDS)
    unit = about.get("meta.units", "lb/mwh").replace("_co2_per_", "/")
    return Figure(names.index("value"), unit, None if is_told else "marginal", STACK, is_forecast=True)


def _chosen(names: list[str], name: str) -> tuple[Figure, ...]:
    if name not in names:
        return ()
    return (_as_chosen(names.index(name), name),)


def _as_chosen(at: int, name: str) -> Figure:
    for spelling, unit, kind, basis, is_forecast in _KNOWN:
        if spelling == name:
            return Figure(at, unit, kind, basis, is_forecast)
    return _told(at, name)


def _told(at: int, name: str) -> Figure:
    """What a column's own name tells of it."""
    emissions = "direct" if _DIRECT.search(name) else "life-cycle" if _LIFE.search(name) else "unknown"
    accounting = next((word for word in ("consumption", "production") if word in name), "unknown")
    kind: Kind | None = "marginal" if "marginal" in name else None
    return Figure(at, unit_in(name), kind, Basis(emissions, accounting), bool(_FORECAST.search(name)))  # type: ignore[arg-type]


def _plain(name: str) -> str:
    return " ".join(name.strip().strip("\ufeff").casefold().replace("₂", "2").split())
