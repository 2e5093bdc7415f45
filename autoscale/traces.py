"""What a link did over time: its rate, round trip and signal, read from a file, looked up at any moment.

Two kinds of file are read:

* CSV, ``time_s,mbps[,rtt_ms,rssi_dbm]`` with a header, optionally with a column ``trace`` that names each of
  several traces in one file. A row holds from its time on; an optional cell may be empty (not known there).
* mahimahi (Netravali et al., USENIX ATC 2015): each line is the millisecond at which one packet of 1500 bytes may
  pass. Not a line for a while is an outage, not a gap.
"""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoscale.errors import InvalidInput, TraceError, listing, nearest, one_of
from autoscale.units import bps_from_mbps, mbps_from_bps, ms_from_s, s_from_ms

Floats = NDArray[np.float64]
End = Literal["loop", "hold", "stop"]

WINDOW_S: Final = 0.1
"""A mahimahi file becomes a rate over equal windows of about this length."""
PACKET_BITS: Final = 1500 * 8
LONGEST_MS: Final = 1_000_000_000
LARGEST_STEP: Final = 20.0
"""A step of more than so many times the median one is a gap (recorded traces without a hole reach 14)."""


class LinkSample(NamedTuple):
    """The link at one moment; None where the trace does not tell."""

    rate_bps: float
    round_trip_s: float | None
    rssi_dbm: float | None


def _unknown() -> Floats:
    return np.array(np.nan)


@dataclass(frozen=True, eq=False)
class LinkTrace:
    """A link over time, constant between its samples. Each array has one entry a sample; scalars are repeated.

    Attributes:
        time_s: when each sample begins; starts at 0 and increases.
        rate_bps: 0 or more, bit/s; 0 is an outage.
        round_trip_s: 0 or more; NaN where not known.
        rssi_dbm: received signal strength; NaN where not known.

    Raises:
        TraceError: no samples, arrays of different lengths, times that do not increase, a value out of range.
    """

    time_s: Floats
    rate_bps: Floats
    round_trip_s: Floats = field(default_factory=_unknown)
    rssi_dbm: Floats = field(default_factory=_unknown)

    def __post_init__(self) -> None:
        shape = np.shape(self.time_s)
        if len(shape) != 1 or not shape[0]:
            raise TraceError(f"time_s has shape {shape}; allowed: one dimension, at least one sample")
        for name in ("time_s", "rate_bps", "round_trip_s", "rssi_dbm"):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), shape))
        if self.time_s[0] != 0 or not (np.isfinite(self.time_s).all() and (np.diff(self.time_s) > 0).all()):
            raise TraceError("time_s must start at 0 and increase")
        if not (np.isfinite(self.rate_bps) & (self.rate_bps >= 0)).all():
            raise TraceError("rate_bps must be finite and 0 or more")
        if (self.round_trip_s < 0).any() or np.isinf([self.round_trip_s, self.rssi_dbm]).any():
            raise TraceError("round_trip_s must be 0 or more, rssi_dbm finite; NaN where not known")

    @cached_property
    def duration_s(self) -> float:
        """How long the trace lasts: its last sample lasts one median step, a lone sample one second."""
        return float(self.time_s[-1] + (np.median(np.diff(self.time_s)) if len(self.time_s) > 1 else 1.0))

    def index_at(self, times_s: ArrayLike, end: End = "loop") -> NDArray[np.intp]:
        """Which sample holds at each time (any shape); before 0 the first.

        Past ``duration_s`` the trace starts again (``loop``), keeps its last sample (``hold``), or there is no
        more link and the index is -1 (``stop``).

        Raises:
            InvalidInput: another ``end``.
        """
        one_of("end of a trace", end, get_args(End), InvalidInput)
        times = np.asarray(times_s, dtype=float)
        within = times % self.duration_s if end == "loop" else times
        index = np.maximum(np.searchsorted(self.time_s, within, side="right") - 1, 0)
        return np.where(times >= self.duration_s, -1, index) if end == "stop" else index

    def rate_at(self, times_s: ArrayLike, end: End = "loop") -> Floats:
        """The rate at each time, bit/s, in the shape of ``times_s``; 0 after a trace that stops."""
        index = self.index_at(times_s, end)
        return np.where(index < 0, 0.0, self.rate_bps[index])

    def at(self, time_s: float, end: End = "loop") -> LinkSample:
        """The link at one time; rate 0 and nothing known after a trace that stops."""
        index = int(self.index_at(time_s, end))
        if index < 0:
            return LinkSample(0.0, None, None)
        round_trip_s, rssi_dbm = float(self.round_trip_s[index]), float(self.rssi_dbm[index])
        return LinkSample(float(self.rate_bps[index]), _known(round_trip_s), _known(rssi_dbm))


def _frozen(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    try:
        array = np.broadcast_to(np.asarray(values, dtype=float), shape).copy()
    except ValueError as error:
        raise TraceError(f"{name} has shape {np.shape(values)}; allowed: {shape}, as time_s") from error
    array.setflags(write=False)
    return array


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def read_trace(path: str | Path, name: str | None = None, largest_gap_s: float | None = None) -> LinkTrace:
    """Read one trace: the file's only one, or the one of that name.

    Args:
        path: a CSV or mahimahi file.
        name: which, where the file has a column ``trace``.
        largest_gap_s: the longest step between two rows of a CSV; None allows 20 times the median step.

    Raises:
        TraceError: the file cannot be read or one of its lines is wrong (file, line, value, what is allowed),
            it holds no trace of that name, or several and none was named.
    """
    traces = read_traces(path, largest_gap_s)
    if name is not None:
        if name not in traces:
            hint = nearest(name, traces)
            raise TraceError(f"{path}: no trace '{name}'{hint}; it holds {len(traces)}: {_few(traces)}")
        return traces[name]
    if len(traces) > 1:
        raise TraceError(f"{path} holds {len(traces)} traces; name one of them: {_few(traces)}")
    return next(iter(traces.values()))


def read_traces(path: str | Path, largest_gap_s: float | None = None) -> dict[str, LinkTrace]:
    """Read all traces of a file, by name, in its order; a lone one has the name of the file (its stem).

    Times are counted from a trace's first row.

    Raises:
        TraceError: as for :func:`read_trace`.
    """
    path = Path(path)
    numbers, lines = _lines(path)
    if path.suffix != ".csv" and (path.suffix in (".up", ".down") or lines[0].strip().isdecimal()):
        return {path.stem: _from_mahimahi(path, numbers, lines)}
    return _from_csv(path, numbers, lines, largest_gap_s)


def write_trace(path: str | Path, trace: LinkTrace) -> None:
    """Write a trace as CSV that :func:`read_trace` reads back; whole or not at all."""
    path = Path(path)
    columns = {"time_s": trace.time_s, "mbps": mbps_from_bps(1.0) * trace.rate_bps}
    optional = {"rtt_ms": ms_from_s(1.0) * trace.round_trip_s, "rssi_dbm": trace.rssi_dbm}
    columns |= {name: values for name, values in optional.items() if not np.isnan(values).all()}
    part = path.with_name(f"{path.name}.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        writer.writerows(["" if np.isnan(value) else repr(value) for value in row] for row in rows)
    os.replace(part, path)


def _few(names: Sequence[str] | dict[str, LinkTrace]) -> str:
    return listing(list(names)[:5]) + (", ..." if len(names) > 5 else "")


def _lines(path: Path) -> tuple[list[int], list[str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: not a readable text file: {error}") from error
    kept = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not kept:
        raise TraceError(f"{path} is empty; allowed: CSV with a header time_s,mbps, or mahimahi milliseconds")
    return [number for number, _ in kept], [line for _, line in kept]


def _from_mahimahi(path: Path, numbers: Sequence[int], lines: Sequence[str]) -> LinkTrace:
    """Packets counted in equal windows that fill the file exactly, so that every byte is kept."""
    times_ms = _numbers(_Column(path, "milliseconds", numbers), lines, (0, LONGEST_MS), int)
    back = np.flatnonzero(np.diff(times_ms) < 0)
    if back.size:
        late = int(back[0]) + 1
        raise TraceError(
            f"{path}, line {numbers[late]}: {times_ms[late]:.0f} ms comes after {times_ms[late - 1]:.0f} ms; "
            f"allowed: the same or later"
        )
    last_ms = times_ms[-1]
    if last_ms == 0:
        raise TraceError(f"{path}, line {numbers[-1]}: the last time is 0 ms; allowed: 1 to {LONGEST_MS} ms")
    windows = max(1, round(s_from_ms(last_ms) / WINDOW_S))
    # A packet at a window's very end belongs to it, as the last line of the file belongs to the last window.
    window = np.maximum(np.ceil(times_ms * windows / last_ms).astype(int) - 1, 0)
    window_s = s_from_ms(last_ms) / windows
    bits = np.bincount(window, minlength=windows) * float(PACKET_BITS)
    return LinkTrace(np.arange(windows) * window_s, bits / window_s)


class _Column(NamedTuple):
    path: Path
    name: str
    lines: Sequence[int]

    def error(self, row: int, cell: str, allowed: str) -> TraceError:
        return TraceError(f"{self.path}, line {self.lines[row]}: {self.name} is '{cell}'; allowed: {allowed}")


def _numbers(
    column: _Column,
    cells: Sequence[str],
    limits: tuple[float, float],
    parse: Callable[[str], float] = float,
    is_optional: bool = False,
) -> Floats:
    """The cells of a column; NaN for the empty ones of an optional column."""
    allowed = f"{'a whole' if parse is int else 'a'} number from {limits[0]:g} to {limits[1]:g}"
    empty = np.array([is_optional and not cell.strip() for cell in cells])
    try:
        values = np.array([np.nan if gone else parse(cell) for cell, gone in zip(cells, empty, strict=True)], float)
    except ValueError:
        row = next(row for row, cell in enumerate(cells) if not empty[row] and not _parses(cell, parse))
        raise column.error(row, cells[row], allowed) from None
    wrong = np.flatnonzero(~empty & ~((values >= limits[0]) & (values <= limits[1])))
    if wrong.size:
        raise column.error(int(wrong[0]), cells[int(wrong[0])], allowed)
    return values


def _parses(cell: str, parse: Callable[[str], float]) -> bool:
    try:
        parse(cell)
    except ValueError:
        return False
    return True
