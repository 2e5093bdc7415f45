"""Reads a file of carbon intensities into series: sorted, on one clock, in one unit, of one kind.

A row without a usable figure is a missing hour: its time counts towards how long each row holds. A row without a usable
time, and the second of two at one time, are left out. Both are counted, and the first is logged; an empty cell, or a
word for one (NaN, N/A, null, -), is as it should be.
"""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.base import Kind
from autoscale.carbon.intensity.basis import Basis
from autoscale.carbon.intensity.files.clocks import Clock, NoSuchTime, local_change, zone_in, zone_of_clock
from autoscale.carbon.intensity.files.layout import Layout, layout_of
from autoscale.carbon.intensity.files.numbers import NumberReading, number_reading
from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.files.table import Table, read_table
from autoscale.carbon.intensity.files.times import ALLOWED, Reading, reading_of
from autoscale.carbon.intensity.files.units import g_per_kwh_of
from autoscale.carbon.intensity.series import IntensitySample, Series, holds_of, step_of
from autoscale.errors import InvalidInput, TraceError, listing
from autoscale.query.outcome import Method
from autoscale.skipped_rows import SkippedRows

_LOG: Final = logging.getLogger("autoscale.carbon")

DIRTIEST_G_PER_KWH: Final = 3000.0
"""No plant that burns anything comes to more."""
CLEANEST_G_PER_KWH: Final = 1.0
"""No grid stands below for as long as a file: what does is in kilograms a kilowatt-hour."""
EMPTY: Final = ("", "nan", "n/a", "na", "n/e", "null", "none", "nil", "-", "--", "–", "missing", "#n/a")
_TRUE: Final = ("1", "true", "yes", "y")
_KIND_WORDS: Final[Mapping[str, Kind]] = {
    "average": "average",
    "marginal": "marginal",
    "co2_moer": "marginal",
    "co2_aoer": "average",
}


@dataclass(frozen=True, slots=True)
class IntensityFile:
    """What a file holds.

    Attributes:
        series: of each of its zones.
        kind: average or marginal.
        basis: what the figures count.
    """

    series: Mapping[str, Series]
    kind: Kind
    basis: Basis


@dataclass(slots=True)
class _Rows:
    """The rows of one zone, in the order of the file: line, time, its end, figure (None: a missing hour), method."""

    lines: list[int] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    ends: list[datetime | None] = field(default_factory=list)
    figures: list[float | None] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)


def read_intensity_file(
    path: str | Path, place: str | None = None, options: FileOptions | None = None
) -> IntensityFile:
    """The series of each zone of a file.

    Args:
        path: the file: CSV in any of its dialects, or an API's JSON (:mod:`autoscale.carbon.intensity.files.table`).
        place: the zone's name where the file does not tell it.
        options: what it does not tell itself.

    Raises:
        TraceError: not a readable file, a column that is missing, no zone at all, no row that can be used, local times
            that nobody told the zone of, figures that no grid has.
        InvalidInput: an option that is no such thing, or that the file contradicts.
    """
    return _Reader(Path(path), place, options or FileOptions()).read()


class _Reader:
    def __init__(self, path: Path, place: str | None, options: FileOptions) -> None:
        self.path, self.place, self.options = path, place, options
        self.skipped = SkippedRows(path, _LOG)

    def read(self) -> IntensityFile:
        table = read_table(self.path, self._is_header)
        layout = self._layout(table)
        figures = layout.figures
        zones = self._zones(table, layout)
        kind = self._kind(table, layout)
        self._check_plausible(zones)
        series = {name: made for name, rows in zones.items() if (made := self._series(rows, table, layout)) is not None}
        if not series:
            nothing = TraceError(f"{self.path} holds no carbon intensity; allowed: at least one row with a figure")
            raise self.skipped.first_or(nothing)
        self.skipped.warn()
        return IntensityFile(series, kind, self._basis(figures[0].basis, table))

    def _is_header(self, row: Sequence[str]) -> bool:
        return layout_of(row, None, self.options.time_column, self.options.figure_column) is not None

    def _layout(self, table: Table) -> Layout:
        its = self.options
        layout = layout_of(table.header, table.about, its.time_column, its.figure_column)
        if layout is None:
            known = "Electricity Maps, NESO, WattTime, Energy-Charts or CodeCarbon"
            raise TraceError(
                f"{self.path}, line 1: the columns are {listing(table.header)}; allowed: time and g_per_kwh, a file "
                f"of {known}, or the columns' names by --time-column and --figure-column"
            )
        has_zone = layout.zone is not None or (table.about or {}).get("zone") or (table.about or {}).get("meta.region")
        if not has_zone and self.place is None:
            raise TraceError(f"{self.path} has no column 'zone'; say whose intensities they are with place=")
        if its.unit:
            g_per_kwh_of(its.unit)
            layout = replace(layout, figures=tuple(replace(each, unit=its.unit) for each in layout.figures))
        return layout

    def _zones(self, table: Table, layout: Layout) -> dict[str, _Rows]:
        read, number = self._reading(table, layout), _number_reading(table, layout)
        zones: dict[str, _Rows] = defaultdict(_Rows)
        for line, row in table.rows:
            where = f"{self.path}, line {line}"
            try:
                time, end = _time(where, row, layout, read)
            except TraceError as error:
                self.skipped.add(error)
                continue
            rows = zones[self._zone(row, layout, table)]
            figure, method = self._figure(where, row, layout, number)
            for column, value in zip((rows.lines, rows.times, rows.ends), (line, time, end), strict=True):
                column.append(value)  # type: ignore[attr-defined]  # each is a list of its own type
            rows.figures.append(figure)
            rows.methods.append(method)
        return zones

    def _reading(self, table: Table, layout: Layout) -> Reading:
        cells = [row[layout.time] for _, row in table.rows if len(row) > layout.time]
        try:
            return reading_of(cells)
        except InvalidInput as error:
            raise TraceError(f"{self.path}: {error}") from error

    def _zone(self, row: Sequence[str], layout: Layout, table: Table) -> str:
        if layout.zone is not None and row[layout.zone].strip():
            return row[layout.zone].strip()
        about = table.about or {}
        return about.get("zone") or about.get("meta.region") or self.place or ""

    def _figure(
        self, where: str, row: Sequence[str], layout: Layout, number: NumberReading
    ) -> tuple[float | None, Method]:
        """The first figure of a row that is not empty; None for a missing hour."""
        is_estimated = layout.estimated is not None and row[layout.estimated].strip().casefold() in _TRUE
        for each in layout.figures:
            cell = row[each.at]
            if cell.strip().casefold() in EMPTY:
                continue
            try:
                g_per_kwh = _number(where, cell, number) * g_per_kwh_of(each.unit or "g/kwh")
                if layout.energy is not None:
                    g_per_kwh /= _number(where, row[layout.energy], number)
                if each.kind == "marginal":
                    # Below 0 where a kilowatt-hour more would relieve the grid; an account takes it as 0.
                    g_per_kwh = max(g_per_kwh, 0.0)
                _check(where, cell, g_per_kwh)
            except (TraceError, ZeroDivisionError) as error:
                self.skipped.add(error if isinstance(error, TraceError) else TraceError(f"{where}: no energy"))
                return None, Method.MEASURED
            is_modelled = is_estimated or each.is_forecast
            return g_per_kwh, Method.MODELLED if is_modelled else Method.MEASURED
        return None, Method.MEASURED

    def _series(self, rows: _Rows, table: Table, layout: Layout) -> Series | None:
        """Sorted, one row a time; a series of those that have a figure."""
        begins, ends = self._seconds(rows, table, layout)
        kept: dict[float, int] = {}
        unlike = 0
        for at in sorted(
            (at for at, time_s in enumerate(begins) if time_s is not None), key=lambda at: begins[at] or 0.0
        ):
            time_s = begins[at] or 0.0
            if time_s in kept:
                unlike += self._note_repeat(rows, kept[time_s], at, time_s)
                if rows.figures[kept[time_s]] is None:
                    kept[time_s] = at
            else:
                kept[time_s] = at
        if 2 * unlike > len(kept):
            allowed = "each once; --time-column names the column that tells hours, too"
            raise TraceError(f"{self.path}: {unlike} rows repeat times above with other figures; allowed: {allowed}")
        times_s = list(kept)
        holds_s = dict(zip(times_s, _holds(times_s, [ends[at] for at in kept.values()]), strict=True))
        samples = [
            IntensitySample(time_s, figure, rows.methods[at])
            for time_s, at in kept.items()
            if (figure := rows.figures[at]) is not None
        ]
        return Series(samples, step_of(times_s), [holds_s[each.time_s] for each in samples]) if samples else None

    def _note_repeat(self, rows: _Rows, first: int, again: int, time_s: float) -> bool:
        """Whether it tells another figure."""
        is_other = rows.figures[again] != rows.figures[first]
        if is_other:
            before = datetime.fromtimestamp(time_s, UTC).isoformat()
            allowed = "allowed: each time once; the first of two counts"
            line = rows.lines[again]
            self.skipped.add(TraceError(f"{self.path}, line {line}: the time repeats {before} above; {allowed}"))
        return is_other

    def _seconds(self, rows: _Rows, table: Table, layout: Layout) -> tuple[list[float | None], list[float | None]]:
        """Begin and end of each row, seconds since 1970; None for one that no clock showed, or has no end."""
        named = self._zone_named(table.header[layout.time])
        local = [time for time in rows.times if time.tzinfo is None]
        if local and named is None:
            self._check_not_local(rows)
        clock = Clock(local, named or UTC)
        begins: list[float | None] = []
        for line, time in zip(rows.lines, rows.times, strict=True):
            try:
                begins.append(time.timestamp() if time.tzinfo else clock.time_s(time))
            except NoSuchTime as error:
                self.skipped.add(TraceError(f"{self.path}, line {line}: {time.isoformat(' ')} {error}"))
                begins.append(None)
        ends = [
            begin + (end.replace(tzinfo=None) - time.replace(tzinfo=None)).total_seconds()
            if end is not None and begin is not None
            else None
            for begin, time, end in zip(begins, rows.times, rows.ends, strict=True)
        ]
        return begins, ends

    def _zone_named(self, column: str) -> tzinfo | None:
        """As the caller says, else as the column's name does; None where neither tells."""
        if self.options.timezone:
            return zone_of_clock(self.options.timezone)
        named = zone_in(column)
        if named is None:
            return None
        try:
            return zone_of_clock(named)
        except InvalidInput as error:
            if "local" not in named.casefold():
                return None
            raise TraceError(f"{self.path}: the column '{column}' is of local times; allowed: --timezone") from error

    def _check_not_local(self, rows: _Rows) -> None:
        often = Counter(time for time in rows.times if time.tzinfo is None)
        repeated = [time for time, count in often.items() if count > 1]
        times = sorted(often)
        step = timedelta(seconds=step_of([time.replace(tzinfo=UTC).timestamp() for time in times]))
        change = local_change(times, repeated, _differing(rows, repeated), step)
        if change:
            allowed = "times in UTC or with their offset, or --timezone"
            raise TraceError(f"{self.path}: {change}; allowed: {allowed}")

    def _check_plausible(self, zones: Mapping[str, _Rows]) -> None:
        figures = [each for rows in zones.values() for each in rows.figures if each]
        if not figures or self.options.unit:
            return
        allowed = "1 to 3000, or another unit by --unit, as in --unit kg/kWh or --unit lb/MWh"
        if max(figures) < CLEANEST_G_PER_KWH:
            raise TraceError(f"{self.path}: no figure is above {max(figures):g} g/kWh; allowed: {allowed}")

    def _kind(self, table: Table, layout: Layout) -> Kind:
        told = {each.kind for each in layout.figures if each.kind} | self._kinds_of_rows(table, layout)
        if len(told) > 1:
            raise TraceError(f"{self.path} holds average and marginal figures; allowed: one of them in a file")
        own, wanted = next(iter(told), None), self.options.kind
        if wanted and own and wanted != own:
            raise InvalidInput(f"kind is {wanted}; allowed: {own}, which {self.path} itself says")
        return wanted or own or "average"

    def _kinds_of_rows(self, table: Table, layout: Layout) -> set[Kind]:
        about = {key: (table.about or {}).get(key, "") for key in ("signal_type", "meta.signal_type", "kind")}
        cells = {word.strip().casefold() for word in about.values()}
        if layout.kind is not None:
            cells |= {row[layout.kind].strip().casefold() for _, row in table.rows if len(row) > layout.kind}
        unknown = sorted(cells - set(_KIND_WORDS) - {""})
        if unknown and layout.kind is not None:
            raise TraceError(f"{self.path}: kind is '{unknown[0]}'; allowed: 'average', 'marginal'")
        return {_KIND_WORDS[word] for word in cells if word in _KIND_WORDS}

    def _basis(self, own: Basis, table: Table) -> Basis:
        told = {name.casefold(): value for name, value in (table.about or {}).items()}.get("emissionfactortype", "")
        if not told and "emissionFactorType" in table.header:
            at = table.header.index("emissionFactorType")
            told = next((row[at] for _, row in table.rows if len(row) > at and row[at]), "")
        if told.casefold() == "direct":
            own = replace(own, emissions="direct")
        its = self.options
        return replace(own, emissions=its.emissions or own.emissions, accounting=its.accounting or own.accounting)


def _time(where: str, row: Sequence[str], layout: Layout, read: Reading) -> tuple[datetime, datetime | None]:
    optional = (layout.end, layout.zone, layout.estimated, layout.kind, layout.energy, layout.duration)
    needed = (layout.time, *(each.at for each in layout.figures), *(each for each in optional if each is not None))
    if len(row) <= max(needed):
        raise TraceError(f"{where}: {len(row)} cells; allowed: as many as the header")
    try:
        time, end = read(row[layout.time])
        if layout.duration is not None:
            end, time = time, time - timedelta(seconds=float(row[layout.duration]))
        elif end is None and layout.end is not None and row[layout.end].strip():
            end = read(row[layout.end])[0]
    except (ValueError, OverflowError) as error:
        raise TraceError(f"{where}: '{row[layout.time]}'; allowed: {ALLOWED}") from error
    return time, end


def _number_reading(table: Table, layout: Layout) -> NumberReading:
    most = {each.at: DIRTIEST_G_PER_KWH / g_per_kwh_of(each.unit or "g/kwh") for each in layout.figures}
    if layout.energy is not None:
        most = dict.fromkeys((*most, layout.energy), math.inf)
    cells = ((row[at], limit) for _, row in table.rows for at, limit in most.items() if len(row) > at)
    return number_reading(cells, table.has_decimal_comma)


def _number(where: str, cell: str, number: NumberReading) -> float:
    try:
        return number(cell)
    except ValueError as error:
        raise TraceError(f"{where}: {error} of gCO2e/kWh, 0 or more") from error


def _check(where: str, cell: str, g_per_kwh: float) -> None:
    if not 0.0 <= g_per_kwh < math.inf:
        raise TraceError(f"{where}: g_per_kwh is {cell}; allowed: 0 or more, finite")
    if g_per_kwh > DIRTIEST_G_PER_KWH:
        allowed = "up to 3000, or another unit by --unit, as in --unit lb/MWh"
        raise TraceError(f"{where}: '{cell}' is {g_per_kwh:g} g/kWh; allowed: {allowed}")


def _holds(times_s: Sequence[float], ends_s: Sequence[float | None]) -> list[float]:
    """How long each row holds: as its own end tells where it has one that can be, else as the steps do."""
    holds_s = holds_of(times_s)
    nexts_s = [*times_s[1:], math.inf]
    for at, (time_s, end_s, next_s) in enumerate(zip(times_s, ends_s, nexts_s, strict=True)):
        if end_s is not None and end_s > time_s:
            # Spans may end within their last minute: 05:00 - 05:59.
            told_s = end_s - time_s + (60.0 if (end_s - time_s) % 300.0 == 240.0 else 0.0)
            holds_s[at] = min(told_s, next_s - time_s)
    return holds_s


def _differing(rows: _Rows, repeated: Sequence[datetime]) -> list[datetime]:
    """Of times that rows repeat those with different figures."""
    figures: dict[datetime, set[float | None]] = {time: set() for time in repeated}
    for time, figure in zip(rows.times, rows.figures, strict=True):
        if time in figures:
            figures[time].add(figure)
    return [time for time, found in figures.items() if len(found) > 1]
