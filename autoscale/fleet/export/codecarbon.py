"""The account in the columns of CodeCarbon's ``emissions.csv``, for tools that read those.

A row for each day, device model and pair of regions. ``emissions`` are operational, as CodeCarbon's are: of device,
network and remote machine together; embodied carbon is left out. ``energy_consumed`` has the remote machines'
buildings in it, and ``pue`` is theirs. After the days comes a row for the waiting
machines of each role of an inventory, and one for each other phase of the life cycle. ``country`` is the device's,
``cloud_region`` the remote machine's. ``duration`` is that of the day, as far as it is in the span: queries of many
devices run beside each other. ``timestamp`` is the end of that, as CodeCarbon writes a run's: its last second, which is
of the same day. A text that a spreadsheet would take for a formula has an apostrophe
before it. What the ledger does not know stays empty. Columns as in mlco2/codecarbon,
``output_methods/emissions_data.py``.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from autoscale.carbon.intensity.places import Places
from autoscale.fleet.ledger.span import Span, when
from autoscale.fleet.report.account import DayRow, Report
from autoscale.fleet.report.sums import kg, kwh
from autoscale.units import MICRO_PER_UNIT, kg_from_g

COLUMNS: Final = (
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
)

_ISO_LETTERS: Final = 3
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the begin of one (OWASP, CSV injection)."""


def as_codecarbon(report: Report) -> str:
    """The text of a CSV file; kilograms, kilowatt-hours and seconds."""
    places = Places.shipped()
    countries = {region: _country(places, region) for region in report.by["region"]}
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    days = (_row(each, report.span, countries[each.region]) for each in report.days)
    table.writerows(_neutral(each) for each in (*days, *_beside(report)))
    return text.getvalue()


def _neutral(row: dict[str, object]) -> dict[str, object]:
    """No text that a spreadsheet runs as a formula: a device names its own model, and an apostrophe makes it text."""
    return {name: f"'{each}" if _is_formula(each) else each for name, each in row.items()}


def _is_formula(cell: object) -> bool:
    return isinstance(cell, str) and cell.startswith(_FORMULA)


def _beside(report: Report) -> Iterator[dict[str, object]]:
    """What no query carries: the machines that wait, and the life cycle's other phases, each over the whole span."""
    waiting = {} if report.fleet is None else report.fleet.by_role
    for role, each in waiting.items():
        if each.machines:
            yield _whole(report.span, f"waiting {role}s", kg(each.idle_ng.mid), kwh(each.idle_energy_uj), "machine")
    for phase in report.life_cycle.phases:
        yield _whole(report.span, phase.name, kg_from_g(phase.operational_g), "", "phase")


def _whole(span: Span, name: str, emissions_kg: float, energy_kwh: float | str, mode: str) -> dict[str, object]:
    duration_s = span.duration_us / MICRO_PER_UNIT
    return {
        "timestamp": _last_second(span),
        "project_name": name,
        "run_id": f"span/{name}",
        "experiment_id": name,
        "duration": duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / duration_s if duration_s else "",
        "energy_consumed": energy_kwh,
        "tracking_mode": mode,
    }


def _row(row: DayRow, span: Span, country: tuple[str, str]) -> dict[str, object]:
    part = span.of_day(row.day)
    duration_s = part.duration_us / MICRO_PER_UNIT
    emissions_kg = kg(sum(row.sums.operational_ng))
    provider, _, cloud_region = row.far_region.rpartition(":")
    return {
        "timestamp": _last_second(part),
        "project_name": row.device_model,
        "run_id": f"{row.day}/{row.device_model}/{row.region}/{row.far_region}",
        "experiment_id": row.device_model,
        "duration": duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / duration_s,
        "energy_consumed": kwh(sum(row.sums.energy_uj) + row.sums.building_uj),
        "country_name": country[0],
        "country_iso_code": country[1],
        "region": row.region,
        "cloud_provider": provider,
        "cloud_region": cloud_region,
        "tracking_mode": "process",
        "on_cloud": "Y" if row.far_region else "N",
        "pue": round(1.0 + row.sums.building_uj / (row.sums.energy_uj.remote or 1), 4),
    }


def _last_second(span: Span) -> str:
    return "" if span.until_us is None else when(span.until_us - 1).removesuffix("Z")


def _country(places: Places, region: str) -> tuple[str, str]:
    """Name and ISO 3166-1 alpha-3 code of a country or of a zone in one (``US-CAL-CISO``); empty of anything else."""
    for spelling in (region, region[:2] if region[2:3] == "-" else ""):
        place = places.get(spelling)
        if place is not None and len(place.code) == _ISO_LETTERS and place.code.isalpha():
            return place.name, place.code
    return "", ""
