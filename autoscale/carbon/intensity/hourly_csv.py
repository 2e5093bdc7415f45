"""Reads hourly carbon intensities from CSV: ``time,g_per_kwh[,zone]``, or Electricity Maps' own columns.

Times are ISO 8601 and UTC where they name no zone. Electricity Maps' life-cycle column counts where it is there, else
the direct one. Rows that its column of estimates marks are ``modelled``. A row without a figure that can be used is a
missing hour: its time counts towards how long each row holds. A row without a time is left out. Both are counted, and
the first is logged; an empty figure is as it should be.
"""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.series import IntensitySample, Series, holds_of, step_of, time_from_iso
from autoscale.errors import TraceError, listing
from autoscale.query.outcome import Method
from autoscale.skipped_rows import SkippedRows

_LOG: Final = logging.getLogger("autoscale.carbon")

_TIME: Final = ("time", "datetime (utc)")
_FIGURE: Final = (
    "g_per_kwh",
    "carbon intensity gco2eq/kwh (life cycle)",
    "carbon intensity gco2eq/kwh (lca)",
    "carbon intensity gco2eq/kwh (direct)",
)
_ZONE: Final = ("zone", "zone id")
_ESTIMATED: Final = ("estimated", "data estimated")
_TRUE: Final = ("1", "true")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where each thing stands in a row; None where the file has no such column."""

    time: int
    figure: int
    zone: int | None
    estimated: int | None


@dataclass(frozen=True, slots=True)
class _Zone:
    """The times of all its rows, and the samples of those that have a figure."""

    times_s: list[float] = field(default_factory=list)
    samples: list[IntensitySample] = field(default_factory=list)

    def series(self) -> Series:
        hold_s = dict(zip(self.times_s, holds_of(self.times_s), strict=True))
        return Series(self.samples, step_of(self.times_s), [hold_s[each.time_s] for each in self.samples])


def read_intensity_csv(path: str | Path, place: str | None = None) -> dict[str, Series]:
    """The series of each zone of a file.

    Args:
        path: the file, UTF-8.
        place: the zone's name where the file has no column for it.

    Raises:
        TraceError: not a readable file, a column that is missing, no zone at all, no row that can be used, a time that
            repeats or goes back: the message names the line.
    """
    path = Path(path)
    skipped = SkippedRows(path, _LOG)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = _columns(path, next(reader, []), place)
            zones = _zones(path, columns, place, [(reader.line_num, row) for row in reader if any(row)], skipped)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: not a readable CSV file: {error}") from error
    series = {name: zone.series() for name, zone in zones.items() if zone.samples}
    if not series:
        nothing = TraceError(f"{path} holds no carbon intensity; allowed: at least one row with a figure")
        raise skipped.first_or(nothing)
    skipped.warn()
    return series


def _columns(path: Path, header: Sequence[str], place: str | None) -> _Columns:
    names = [name.strip().casefold().replace("₂", "2") for name in header]

    def find(spellings: Sequence[str]) -> int | None:
        return next((names.index(each) for each in spellings if each in names), None)

    time, figure, zone = find(_TIME), find(_FIGURE), find(_ZONE)
    if time is None or figure is None:
        raise TraceError(
            f"{path}, line 1: the columns are {listing(header)}; allowed: time and g_per_kwh, or Electricity Maps' "
            "'Datetime (UTC)' and 'Carbon intensity gCO2eq/kWh (Life cycle)'"
        )
    if zone is None and place is None:
        raise TraceError(f"{path} has no column 'zone'; say whose intensities they are with place=")
    return _Columns(time, figure, zone, find(_ESTIMATED))


def _zones(
    path: Path,
    columns: _Columns,
    place: str | None,
    rows: Sequence[tuple[int, Sequence[str]]],
    skipped: SkippedRows,
) -> Mapping[str, _Zone]:
    zones: dict[str, _Zone] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        try:
            name, time_s = _place_and_time(where, columns, place, row)
        except TraceError as error:
            skipped.add(error)
            continue
        zone = zones.setdefault(name, _Zone())
        _append(where, zone.times_s, time_s)
        try:
            zone.samples.extend(_sample(where, columns, row, time_s))
        except TraceError as error:
            skipped.add(error)
    return zones


def _place_and_time(where: str, columns: _Columns, place: str | None, row: Sequence[str]) -> tuple[str, float]:
    if len(row) <= max(columns.time, columns.figure, columns.zone or 0, columns.estimated or 0):
        raise TraceError(f"{where}: {len(row)} cells; allowed: as many as the header")
    name = row[columns.zone].strip() if columns.zone is not None else str(place)
    return name, _parsed(where, row[columns.time], time_from_iso, "an ISO 8601 time, UTC unless it names its zone")


def _append(where: str, times_s: list[float], time_s: float) -> None:
    if times_s and time_s <= times_s[-1]:
        what = "repeats" if time_s == times_s[-1] else "goes back from"
        before = datetime.fromtimestamp(times_s[-1], UTC).isoformat()
        raise TraceError(
            f"{where}: the time {what} {before} above; allowed: times that increase, in UTC or with their offset "
            "(local time without one repeats an hour in autumn)"
        )
    times_s.append(time_s)


def _sample(where: str, columns: _Columns, row: Sequence[str], time_s: float) -> list[IntensitySample]:
    """The row's sample; none for an empty figure."""
    if not row[columns.figure].strip():
        return []
    g_per_kwh = _parsed(where, row[columns.figure], float, "a number of gCO2e/kWh, 0 or more")
    if not 0.0 <= g_per_kwh < float("inf"):
        raise TraceError(f"{where}: g_per_kwh is {row[columns.figure]}; allowed: 0 or more, finite")
    is_estimated = columns.estimated is not None and row[columns.estimated].strip().casefold() in _TRUE
    return [IntensitySample(time_s, g_per_kwh, Method.MODELLED if is_estimated else Method.MEASURED)]


def _parsed(where: str, cell: str, parse: Callable[[str], float], allowed: str) -> float:
    try:
        return parse(cell.strip())
    except (ValueError, OverflowError) as error:
        raise TraceError(f"{where}: '{cell}'; allowed: {allowed}") from error
