"""Recorded readings as a CSV file: a ``time_s`` column and one column per thing that was read."""

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from autoscale.errors import TraceError

TIME: Final = "time_s"


class TraceRow(NamedTuple):
    """What a trace says of one moment: column to the text of a cell; empty cells are left out."""

    line: int
    time_s: float
    cells: Mapping[str, str]


def read_trace(path: Path, is_column: Callable[[str], bool], columns: str) -> list[TraceRow]:
    """Read a trace whose times grow from row to row.

    Args:
        path: a CSV file with a header.
        is_column: whether a column other than ``time_s`` may be there.
        columns: the columns allowed, as a message says them.

    Raises:
        TraceError: the file cannot be read, has a column or a line that is not allowed, or no rows.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"cannot read the trace '{path}': {error}") from error
    header = [each.strip() for each in next(csv.reader(lines[:1]), [])]
    _check_header(path, header, is_column, columns)
    rows: list[TraceRow] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            rows.append(_row(path, number, header, line))
            if len(rows) > 1 and not rows[-1].time_s > rows[-2].time_s:
                raise TraceError(
                    f"{path}, line {number}: time_s is {rows[-1].time_s}; allowed: more than {rows[-2].time_s}"
                )
    if not rows:
        raise TraceError(f"the trace '{path}' has no rows")
    return rows


def number(path: Path, row: TraceRow, column: str) -> float:
    """A cell as a finite number.

    Raises:
        TraceError: it is none; the message names the file, the line, the column and the value.
    """
    return _number(path, row.line, column, row.cells[column])


def _check_header(path: Path, header: list[str], is_column: Callable[[str], bool], columns: str) -> None:
    if TIME not in header:
        raise TraceError(f"{path}, line 1: no column 'time_s'; the columns are {', '.join(header) or 'none'}")
    for name in header:
        if header.count(name) > 1:
            raise TraceError(f"{path}, line 1: the column '{name}' is there twice")
        if name != TIME and not is_column(name):
            raise TraceError(f"{path}, line 1: unknown column '{name}'; allowed: {columns}")


def _row(path: Path, line: int, header: list[str], text: str) -> TraceRow:
    cells = [each.strip() for each in next(csv.reader([text]))]
    if len(cells) != len(header):
        raise TraceError(f"{path}, line {line}: {len(cells)} values in '{text}'; allowed: {len(header)}")
    named = dict(zip(header, cells, strict=True))
    time_s = _number(path, line, TIME, named.pop(TIME))
    return TraceRow(line, time_s, {name: cell for name, cell in named.items() if cell})


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TraceError(f"{path}, line {line}: {column} is '{text}'; allowed: a finite number")
    return value
