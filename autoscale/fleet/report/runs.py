"""Runs as CodeCarbon logged them: its ``emissions.csv``, as each of its versions wrote it.

The file has names for its columns, and three generations of them: up to 2.0 a run has an ``experiment_id`` alone; from
2.1 a ``run_id``, watts, joules by part, and a ``pue`` that is in its energy already; 3 adds water and utilisation. What
``flush`` writes of a run again is its sums so far, not more of it, so the longest row of a ``run_id`` stands for the
run, in whatever order they are; in a file of tasks (``task_name``) each row is one. ``emissions`` are kg of CO2e,
``energy_consumed`` kWh, ``duration`` s. Columns as in mlco2/codecarbon, ``output_methods/emissions_data.py``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.files.numbers import NumberReading, number_reading
from autoscale.carbon.intensity.files.table import read_table
from autoscale.carbon.intensity.files.times import year_of
from autoscale.carbon.intensity.places import Place, Places
from autoscale.errors import InvalidInput, TraceError
from autoscale.fleet.ledger.schema import MOST_MG_PER_KWH, MOST_PUE
from autoscale.units import J_PER_KWH, g_from_kg

_NEEDED: Final = ("duration", "emissions", "energy_consumed")
_CLOUDS: Final = {"gcp": "gcp", "google": "gcp", "aws": "aws", "azure": "azure"}
_MOST_KG_PER_KWH: Final = MOST_MG_PER_KWH / 1e6
_MOST_W: Final = 1e7
"""Of one run, on average: ten megawatts are halls of servers, each of which logs its own. Joules for kWh are beyond."""

_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a log.

    Attributes:
        energy_kwh: that it took, its building's with it where the log says so.
        duration_s: how long.
        logged_g: what the log itself came to; None where it has no carbon.
        place: where; None where the log does not say, or nobody knows it.
        year: when; 0 where the log does not say.
        pue: of the building, which is in the energy.
    """

    energy_kwh: float
    duration_s: float
    logged_g: float | None = None
    place: Place | None = None
    year: int = 0
    pue: float = 1.0


def codecarbon_runs(path: Path, project: str = "") -> tuple[Run, ...]:
    """The runs of CodeCarbon's ``emissions.csv``.

    Args:
        path: the file.
        project: only the runs of this ``project_name``; all where empty.

    Raises:
        InvalidInput: it cannot be read, lacks a column, holds no run of the project, or rows that are none: those are
            named by their lines.
    """
    header, lines, read = _lines(path)
    if lacks := sorted(set(_NEEDED).difference(header)):
        raise InvalidInput(f"{path} lacks the columns {', '.join(lacks)}; allowed: CodeCarbon's emissions.csv")
    runs, wrong = dict[str, Run](), list[str]()
    for number, fields in lines:
        row = dict(zip(header, fields, strict=False))
        try:
            if len(fields) != len(header):  # before the project is asked for, which a shifted row has elsewhere
                raise InvalidInput(f"{len(fields)} values; allowed: {len(header)}, as the first line has columns")
            if project and row.get("project_name") != project:
                continue
            run, key = _run(row, read), _key(row, number)
            runs[key] = max(run, runs.get(key, run), key=lambda each: each.duration_s)
        except InvalidInput as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        more = f"; and {len(wrong) - _FEW} more" if len(wrong) > _FEW else ""
        raise InvalidInput(f"{path}, {'; '.join(wrong[:_FEW])}{more}")
    if not runs:
        of = f" of project '{project}'" if project else ""
        raise InvalidInput(f"{path} holds no run{of}; allowed: one or more")
    return tuple(runs.values())


def _lines(path: Path) -> tuple[list[str], Sequence[tuple[int, list[str]]], NumberReading]:
    """The names of the columns, the values of each row by the number of its line, and how to read their numbers."""
    try:
        table = read_table(path, lambda row: not set(_NEEDED).difference(row))
    except TraceError as error:
        raise InvalidInput(str(error)) from error
    numbers = [at for at, name in enumerate(table.header) if name in (*_NEEDED, "pue")]
    cells = ((fields[at], math.inf) for _, fields in table.rows for at in numbers if len(fields) > at)
    return table.header, table.rows, number_reading(cells, table.has_decimal_comma)


def _key(row: Mapping[str, str], line: int) -> str:
    """What rows of one run share."""
    run = "" if "task_name" in row else row.get("run_id", "")
    return run or f"line {line}"


def _run(row: Mapping[str, str], read: NumberReading) -> Run:
    emissions_kg, energy_kwh = _number(row, "emissions", read), _number(row, "energy_consumed", read)
    if emissions_kg > energy_kwh * _MOST_KG_PER_KWH:
        raise InvalidInput(
            f"emissions are {emissions_kg:g} kg of {energy_kwh:g} kWh; allowed: up to {_MOST_KG_PER_KWH:g} kg/kWh"
        )
    duration_s = _number(row, "duration", read)
    if energy_kwh * J_PER_KWH > _MOST_W * max(duration_s, 1.0):
        raise InvalidInput(f"energy_consumed is {energy_kwh:g} kWh in {duration_s:g} s; allowed: up to {_MOST_W:g} W")
    pue = _number(row, "pue", read) if row.get("pue") else 1.0
    if not 1.0 <= pue <= MOST_PUE:
        raise InvalidInput(f"pue is '{row['pue']}'; allowed: 1 to {MOST_PUE:g}")
    return Run(energy_kwh, duration_s, g_from_kg(emissions_kg), _place(row), _year(row), pue)


def _number(row: Mapping[str, str], key: str, read: NumberReading) -> float:
    try:
        value = read(row[key])
    except ValueError as error:
        raise InvalidInput(f"{key} is {error}, 0 or more") from error
    if not 0.0 <= value < math.inf:
        raise InvalidInput(f"{key} is '{row[key]}'; allowed: a number, 0 or more")
    return value


def _year(row: Mapping[str, str]) -> int:
    given = row.get("timestamp", "")
    try:
        return year_of(given) if given else 0
    except ValueError as error:
        raise InvalidInput(f"timestamp is '{given}'; allowed: as 2026-11-21T10:00:00") from error


def _place(row: Mapping[str, str]) -> Place | None:
    cloud = _CLOUDS.get(row.get("cloud_provider", "").casefold())
    places, region = Places.shipped(), row.get("cloud_region", "")
    found = places.get(f"{cloud}:{region}") if cloud and region else None
    return found or places.get(row.get("country_iso_code", "")) or places.get(row.get("country_name", ""))
