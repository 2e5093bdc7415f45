"""The account in the columns of CodeCarbon's ``emissions.csv``, for tools that read those.

A row for each day, device model and pair of regions. ``emissions`` are operational, as CodeCarbon's are: of device,
network and remote machine together; embodied carbon is left out. ``country`` is the device's, ``cloud_region`` the
remote machine's. ``duration`` is that of the day, as far as it is in the span: queries of many devices run
beside each other. What the ledger does not know stays empty. Columns as in mlco2/codecarbon,
``output_methods/emissions_data.py``.
"""

import csv
import io
from typing import Final

from autoscale.carbon.intensity.places import Places
from autoscale.fleet.ledger.span import Span, when
from autoscale.fleet.report.account import DayRow, Report
from autoscale.fleet.report.sums import kg, kwh
from autoscale.units import MICRO_PER_UNIT

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


def as_codecarbon(report: Report) -> str:
    """The text of a CSV file; kilograms, kilowatt-hours and seconds."""
    places = Places.shipped()
    countries = {region: _country(places, region) for region in report.by["region"]}
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(_row(each, report.span, countries[each.region]) for each in report.days)
    return text.getvalue()


def _row(row: DayRow, span: Span, country: tuple[str, str]) -> dict[str, object]:
    part = span.of_day(row.day)
    duration_s = part.duration_us / MICRO_PER_UNIT
    emissions_kg = kg(sum(row.sums.operational_ng))
    provider, _, cloud_region = row.far_region.rpartition(":")
    return {
        "timestamp": when(part.since_us or 0).removesuffix("Z"),
        "project_name": row.device_model,
        "run_id": f"{row.day}/{row.device_model}/{row.region}/{row.far_region}",
        "experiment_id": row.device_model,
        "duration": duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / duration_s,
        "energy_consumed": kwh(sum(row.sums.energy_uj)),
        "country_name": country[0],
        "country_iso_code": country[1],
        "region": row.region,
        "cloud_provider": provider,
        "cloud_region": cloud_region,
        "tracking_mode": "process",
        "on_cloud": "Y" if row.far_region else "N",
        "pue": 1.0,
    }


def _country(places: Places, region: str) -> tuple[str, str]:
    """Name and ISO 3166-1 alpha-3 code of a country or of a zone in one (``US-CAL-CISO``); empty of anything else."""
    for spelling in (region, region[:2] if region[2:3] == "-" else ""):
        place = places.get(spelling)
        if place is not None and len(place.code) == _ISO_LETTERS and place.code.isalpha():
            return place.name, place.code
    return "", ""
