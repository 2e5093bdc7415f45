"""Recorded readings as a CSV file: a ``time_s`` column and one column per thing that was read.

One bad cell is a gap there, one bad row is left out; both are counted and the first is logged.
"""

import csv
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from autoscale.errors import TraceError
from autoscale.skipped_rows import SkippedRows

_LOG: Final = logging.getLogger("autoscale.sensors")
T = TypeVar("T")

TIME: Final = "time_s"


class TraceRow(NamedTuple, Generic[T]):
    """What a trace says of one moment: column to value; empty and bad cells are left out."""

    line: int
    time_s: float
    cells: Mapping[str, T]


def read_trace_rows(
    path: Path,
    is_column: Callable[[str], bool],
    columns: str,
    parse: Callable[[str, str], T],
    needed: str | None = None,
) -> list[TraceRow[T]]:
    """Read a trace whose times grow from row to row.

    A row whose time is not after that of the row above, or cannot be read, is left out, as is each cell that cannot
    be used; so is a row that has too many cells or too few, but for its time: from then on nothing is known.

    Args:
        path: a CSV file with a header.
        is_column: whether a column other than ``time_s`` may be there.
        columns: the columns allowed, as a message says them.
        parse: the value of a column's cell; it raises ValueError, whose text says what the cell is and what is allowed.
        needed: a column without which a row is of no use and left out.

    Raises:
        TraceError: the file cannot be read, has a column that is not allowed, or not one row that can be used.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"cannot read the trace '{path}': {error}") from error
    header = [each.strip() for each in next(csv.reader(lines[:1]), [])]
    _check_header(path, header, is_column, columns)
    reader = _Reader(path, header, parse, needed)
    for line, text in enumerate(lines[1:], start=2):
        if text.strip():
            reader.add(line, text)
    rows, skipped = reader.rows, reader.skipped
    if not any(row.cells for row in rows) and (skipped.errors or not rows):
        raise skipped.first_or(TraceError(f"the trace '{path}' has no rows"))
    skipped.warn("rows or cells")
    return rows


def number(column: str, text: str) -> float:
    """A cell as a finite number.

    Raises:
        ValueError: it is none; the message names the column and the value.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{column} is '{text}'; allowed: a finite number")
    return value


def _check_header(path: Path, header: list[str], is_column: Callable[[str], bool], columns: str) -> None:
    if TIME not in header:
        raise TraceError(f"{path}, line 1: no column 'time_s'; the columns are {', '.join(header) or 'none'}")
    for name in header:
        if header.count(name) > 1:
            raise TraceError(f"{path}, line 1: the column '{name}' is there twice")
        if name != TIME and not is_column(name):
            raise TraceError(f"{path}, line 1: unknown column '{name}'; allowed: {columns}")


class _Reader(Generic[T]):
    def __init__(self, path: Path, header: list[str], parse: Callable[[str, str], T], needed: str | None) -> None:
        self.rows: list[TraceRow[T]] = []
        self.skipped = SkippedRows(path, _LOG)
        self._path = path
        self._header = header
        self._parse = parse
        self._needed = needed

    def add(self, line: int, text: str) -> None:
        try:
            cells = [each.strip() for each in next(csv.reader([text]))]
            named = dict(zip(self._header, cells, strict=False))
            time_s = number(TIME, named.pop(TIME, ""))
            self._place(time_s)
        except (ValueError, csv.Error) as error:
            self._skip(line, error)
            return
        if len(cells) != len(self._header):
            self._skip(line, f"{len(cells)} values in '{text}'; allowed: {len(self._header)}")
            named = {}
        found = dict(self._parsed(line, named))
        if self._needed is None or self._needed in found:
            self.rows.append(TraceRow(line, time_s, found))
        elif not named.get(self._needed):
            self._skip(line, f"{self._needed} is absent; allowed: a number in every line")

    def _place(self, time_s: float) -> None:
        """Make room at the end; of two rows of which one is in the wrong place, it is the one that fits nowhere."""
        rows = self.rows
        if rows and time_s < rows[-1].time_s and (len(rows) == 1 or time_s > rows[-2].time_s):
            last = rows.pop()
            self._skip(last.line, f"time_s is {last.time_s}; allowed: less than {time_s}, which comes after it")
        if rows and time_s <= rows[-1].time_s:
            raise ValueError(f"time_s is {time_s}; allowed: more than {rows[-1].time_s}")

    def _parsed(self, line: int, named: Mapping[str, str]) -> Iterator[tuple[str, T]]:
        for column, cell in named.items():
            if cell:
                try:
                    yield column, self._parse(column, cell)
                except ValueError as error:
                    self._skip(line, error)

    def _skip(self, line: int, problem: object) -> None:
        self.skipped.add(TraceError(f"{self._path}, line {line}: {problem}"))
