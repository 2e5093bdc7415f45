"""Files that say what a link did over time: read, by name or all at once, and written.

Two kinds are read:

* CSV, ``time_s,mbps[,rtt_ms,rssi_dbm]`` with a header, optionally with a column ``trace`` that names each of
  several traces in one file. A row holds from its time on; an optional cell may be empty (not known there).
* mahimahi (Netravali et al., USENIX ATC 2015): each line is the millisecond at which one packet of 1500 bytes may
  pass. Not a line for a while is an outage, not a gap.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import TraceError, listing, nearest
from autoscale.files import write_file
from autoscale.profiles.link_trace import LinkSample, LinkTrace
from autoscale.skipped_rows import SkippedRows
from autoscale.units import bps_from_mbps, mbps_from_bps, ms_from_s, s_from_ms

__all__ = ["LinkSample", "LinkTrace", "read_trace", "read_traces", "write_trace"]

_LOG: Final = logging.getLogger("autoscale.profiles")

WINDOW_S: Final = 0.1
"""A mahimahi file becomes a rate over equal windows of about this length."""
PACKET_BITS: Final = 1500 * 8
LARGEST_STEP: Final = 20.0
"""A step of more than so many times the median one is a gap (recorded traces without a hole reach 14)."""


@dataclass(frozen=True, slots=True)
class _Column:
    """What the cells of a column may hold, and how they become SI."""

    name: str
    low: float
    high: float
    to_si: Callable[[float], float] = float
    parse: Callable[[str], float] = float
    is_optional: bool = False

    @property
    def allowed(self) -> str:
        kind = "a whole number" if self.parse is int else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}{', or empty' if self.is_optional else ''}"

    def value(self, cell: str) -> float | None:
        """The cell in SI, NaN for an empty optional one, None for what is not allowed."""
        if self.is_optional and not cell.strip():
            return float("nan")
        try:
            number = self.parse(cell)
        except ValueError:
            return None
        return self.to_si(number) if self.low <= number <= self.high else None

    def values(self, cells: Sequence[str], where: "_Where") -> Floats:
        values = [self.value(cell) for cell in cells]
        if None in values:
            row = values.index(None)
            raise where.error(row, f"{self.name} is '{cells[row].strip()}'; allowed: {self.allowed}")
        return np.array(values, dtype=float)


MILLISECONDS: Final = _Column("time in ms", 0, 1e9, s_from_ms, int)
COLUMNS: Final = (
    _Column("time_s", 0, 1e10),
    _Column("mbps", 0, 1e6, bps_from_mbps),
    _Column("rtt_ms", 0, 1e6, s_from_ms, is_optional=True),
    _Column("rssi_dbm", -200, 50, is_optional=True),
)


@dataclass(frozen=True, slots=True)
class _Where:
    """A file, and the line number of each of its rows."""

    path: Path
    lines: Sequence[int]

    def error(self, row: int, problem: str) -> TraceError:
        return TraceError(f"{self.path}, line {self.lines[row]}: {problem}")


def read_trace(path: str | Path, name: str | None = None, largest_gap_s: float | None = None) -> LinkTrace:
    """Read one trace: the file's only one, or the one of that name.

    Args:
        path: a CSV or mahimahi file.
        name: which, where the file has a column ``trace``.
        largest_gap_s: the longest step between two rows of a CSV; None allows 20 times the median step.

    Raises:
        TraceError: the file cannot be read or one of this trace's lines is wrong (file, line, value, what is
            allowed), it holds no trace of that name, or several and none was named.
    """
    path = Path(path)
    found = _readers(path, largest_gap_s)
    if name is not None:
        if name not in found:
            hint = nearest(name, found)
            raise TraceError(f"{path}: no trace '{name}'{hint}; it holds {len(found)}: {_few([*found])}")
        return found[name]()
    if len(found) > 1:
        raise TraceError(f"{path} holds {len(found)} traces; name one of them: {_few([*found])}")
    return next(iter(found.values()))()


def read_traces(path: str | Path, largest_gap_s: float | None = None) -> dict[str, LinkTrace]:
    """Read all traces of a file, by name, in its order; a lone one has the name of the file (its stem).

    Times are counted from a trace's first row. A trace of which a line is wrong is left out, with a warning.

    Raises:
        TraceError: as for :func:`read_trace`, and where not one trace can be used.
    """
    path = Path(path)
    skipped = SkippedRows(path, _LOG)
    traces = {}
    for name, read in _readers(path, largest_gap_s).items():
        try:
            traces[name] = read()
        except TraceError as error:
            skipped.add(error)
    if not traces:
        raise skipped.errors[0]
    skipped.warn("traces")
    return traces


def _readers(path: Path, largest_gap_s: float | None) -> dict[str, Callable[[], LinkTrace]]:
    """Each trace of a file, yet to be read: what is wrong with one is no matter of the others."""
    where, rows = _rows(path)
    is_number = rows[0].strip().lstrip("+-").isdecimal()
    if path.suffix in (".up", ".down") or (path.suffix != ".csv" and is_number):
        return {path.stem: partial(_from_mahimahi, where, rows)}
    return _from_csv(where, rows, largest_gap_s)


def write_trace(path: str | Path, trace: LinkTrace) -> None:
    """Write a trace as CSV that :func:`read_trace` reads back; whole or not at all."""
    columns = {"time_s": trace.time_s, "mbps": mbps_from_bps(1.0) * trace.rate_bps}
    optional = {"rtt_ms": ms_from_s(1.0) * trace.round_trip_s, "rssi_dbm": trace.rssi_dbm}
    columns |= {name: values for name, values in optional.items() if not np.isnan(values).all()}
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [",".join("" if np.isnan(value) else repr(value) for value in row) for row in rows]
    write_file(path, "\n".join([",".join(columns), *lines, ""]))


def _few(names: Sequence[str]) -> str:
    return listing(names[:5]) + (", ..." if len(names) > 5 else "")


def _rows(path: Path) -> tuple[_Where, list[str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: not a readable text file: {error}") from error
    kept = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not kept:
        raise TraceError(f"{path} is empty; allowed: CSV with a header time_s,mbps, or mahimahi milliseconds")
    return _Where(path, [number for number, _ in kept]), [line for _, line in kept]


def _from_mahimahi(where: _Where, rows: Sequence[str]) -> LinkTrace:
    """Packets counted in equal windows that fill the file exactly, so that every byte is kept."""
    times_s = MILLISECONDS.values(rows, where)
    back = np.flatnonzero(np.diff(times_s) < 0)
    if back.size:
        row = int(back[0]) + 1
        raise where.error(row, f"time {rows[row].strip()} ms is before the line above; allowed: the same or later")
    last_s = float(times_s[-1])
    if last_s == 0:
        raise where.error(len(rows) - 1, "the last time is 0 ms; allowed: 1 ms or more")
    windows = max(1, round(last_s / WINDOW_S))
    # A packet at a window's very end belongs to it, as the last line of the file belongs to the last window.
    window = np.clip(np.ceil(times_s * (windows / last_s)).astype(int) - 1, 0, windows - 1)
    packets = np.bincount(window, minlength=windows).astype(np.float64)
    return LinkTrace(np.linspace(0.0, last_s, windows, endpoint=False), packets * (PACKET_BITS * windows / last_s))


def _from_csv(where: _Where, rows: Sequence[str], largest_gap_s: float | None) -> dict[str, Callable[[], LinkTrace]]:
    header = [name.strip() for name in rows[0].split(",")]
    _check_header(where, header)
    cells = [row.split(",") for row in rows[1:]]
    if not cells:
        raise TraceError(f"{where.path} has a header but no rows; allowed: at least one")
    at = header.index("trace") if "trace" in header else None
    groups: dict[str, list[int]] = {}
    for row, each in enumerate(cells):
        # A row cut short before its name belongs to the trace of the row above.
        name = where.path.stem if at is None else each[at].strip() if at < len(each) else next(reversed(groups), "")
        groups.setdefault(name, []).append(row)
    return {
        name: partial(
            _from_table,
            _Where(where.path, [where.lines[1 + row] for row in own]),
            header,
            [cells[row] for row in own],
            largest_gap_s,
        )
        for name, own in groups.items()
    }


def _check_header(where: _Where, header: list[str]) -> None:
    known = ["trace", *(column.name for column in COLUMNS)]
    for name in header:
        if name not in known:
            problem = f"unknown column '{name}'{nearest(name, known)}"
            raise TraceError(f"{where.path}, line {where.lines[0]}: {problem}; allowed: {listing(known)}")
    for column in COLUMNS:
        if header.count(column.name) != 1 and not (column.is_optional and column.name not in header):
            problem = f"{header.count(column.name)} columns '{column.name}'"
            raise TraceError(f"{where.path}, line {where.lines[0]}: {problem}; allowed: one")


def _from_table(
    where: _Where, header: Sequence[str], cells: Sequence[Sequence[str]], largest_gap_s: float | None
) -> LinkTrace:
    for row, each in enumerate(cells):
        if len(each) != len(header):
            raise where.error(row, f"{len(each)} cells; allowed: {len(header)}, as the header")
    by_name = dict(zip(header, zip(*cells, strict=True), strict=True))
    values = {column.name: column.values(by_name[column.name], where) for column in COLUMNS if column.name in by_name}
    time_s, rate_bps, round_trip_s, rssi_dbm = (
        values.get(column.name, np.full(len(cells), np.nan)) for column in COLUMNS
    )
    steps = np.diff(time_s)
    largest = (LARGEST_STEP * np.median(steps) if steps.size else 0.0) if largest_gap_s is None else largest_gap_s
    for step in np.flatnonzero(steps <= 0)[:1]:
        problem = f"time_s {time_s[step + 1]:g} comes after {time_s[step]:g}; allowed: times that increase"
        raise where.error(step + 1, problem)
    for step in np.flatnonzero(steps > largest)[:1]:
        why = f", {LARGEST_STEP:g} times the median step" if largest_gap_s is None else ""
        raise where.error(step + 1, f"a gap of {steps[step]:g} s before it; allowed: {largest:g} s{why}")
    return LinkTrace(time_s - time_s[0], rate_bps, round_trip_s, rssi_dbm)
