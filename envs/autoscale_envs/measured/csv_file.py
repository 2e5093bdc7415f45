"""The file of a measured table: a header, and a line for each run of a network on a target.

``device,network,target,latency_s,energy_j[,latency_p90_s,accuracy,latency_spread,energy_spread,runs]``
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, InvalidTarget, listing
from autoscale.files import write_file
from autoscale.profiles.measured import MOST
from autoscale.query.target import Target
from autoscale_envs.measured.table import MeasuredRun, MeasuredTable, tables_of

NEEDED: Final = ("device", "network", "target", "latency_s", "energy_j")
FURTHER: Final = ("latency_p90_s", "accuracy", "latency_spread", "energy_spread", "runs")
TOLD: Final = 20
"""Errors that one message lists; it counts the others."""

_AT_MOST_10: Final = "a standard deviation in logarithms, 0 to 10"


def read_measured(path: str | Path) -> dict[str, MeasuredTable]:
    """The tables of a file, by device.

    Columns of other names are left alone, unless one looks like a figure in another unit or misspelt.

    Raises:
        InvalidInput: it is no such table; the message names the line, the column and the value of every error.
        OSError: it cannot be read.
    """
    path = Path(path)
    errors: list[str] = []
    rows = [row for line, cells in _lines(path) if (row := _row(line, cells, errors)) is not None]
    if errors:
        more = [f"and {len(errors) - TOLD} more"] * (len(errors) > TOLD)
        raise InvalidInput(f"{path}: " + "\n".join([*errors[:TOLD], *more]))
    if not rows:
        raise InvalidInput(f"{path} holds a header alone; allowed: a line for each measurement")
    return tables_of(rows)


def write_measured(rows: Iterable[MeasuredRun], path: str | Path) -> None:
    """Write a table, whole or not at all; columns that no row fills are left out.

    Raises:
        OSError: the file cannot be written.
    """
    write_file(path, measured_text(rows))


def measured_text(rows: Iterable[MeasuredRun]) -> str:
    """The file's text."""
    lines = [{name: _cell(getattr(row, name)) for name in (*NEEDED, *FURTHER)} for row in rows]
    dull = {"latency_p90_s": "", "accuracy": "", "latency_spread": "0", "energy_spread": "0", "runs": "1"}
    names = [*NEEDED, *(name for name in FURTHER if any(line[name] != dull[name] for line in lines))]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _lines(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Every line of figures by its number in the file, as column to text."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}); allowed: a CSV file") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        names = [name.strip() for name in next((cells for cells in reader if any(cells)), [])]
        _check_header(path, names)
        return [
            (reader.line_num, _cells(path, reader.line_num, names, [cell.strip() for cell in cells]))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {reader.line_num}: {error}; allowed: a CSV file") from None


def _cells(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """A line's cells by column; a decimal comma makes more of them, and figures that look like others."""
    if any(cells[len(names) :]):
        raise InvalidInput(
            f"{path}, line {line}: {len(cells)} values for {len(names)} columns; allowed: one each, a decimal point in "
            "figures, quotes around a name with a comma"
        )
    return dict(zip(names, cells, strict=False))


def _check_header(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        found = f"the header is {','.join(names)[:200]!r}"
        if any(set(names[0].split(mark)) >= {*NEEDED} for mark in (";", "\t", "|") if names):
            found += ", which commas should separate, as figures have a decimal point"
        raise InvalidInput(f"{path}, line 1: no column {listing(missing)}: {found}; needed: {','.join(NEEDED)}")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InvalidInput(f"{path}, line 1: the column {listing(twice)} is there twice; allowed: each once")
    for name in {*names} - {*NEEDED, *FURTHER}:
        if name.startswith(("latency", "energy")) or get_close_matches(name, FURTHER, 1, 0.8):
            allowed = ", ".join((*NEEDED, *FURTHER))
            raise InvalidInput(f"{path}, line 1: unknown column '{name}'; allowed, in these units: {allowed}")


def _row(line: int, cells: Mapping[str, str], errors: list[str]) -> MeasuredRun | None:
    """The row of a line, or None when something was added to the errors."""
    known = len(errors)

    def read(name: str, parse: Callable[[str], Any], otherwise: Any = None) -> Any:
        text = cells.get(name, "")
        try:
            if not text and name in NEEDED:
                raise ValueError("is empty; allowed: a value")
            return parse(text) if text else otherwise
        except InvalidTarget as error:
            errors.append(f"line {line}, column {name}: {error}")
        except ValueError as error:
            errors.append(f"line {line}, column {name}: {repr(text)[:60] if text else 'it'} {error}")
        return None

    spread = _number(0.0, 10.0, _AT_MOST_10)
    row = [
        *(read(name, _name) for name in ("device", "network")),
        read("target", Target.parse),
        read("latency_s", _number(1e-12, MOST, f"seconds above 0 (1e-12 or more), {MOST:g} at most")),
        read("energy_j", _number(1e-15, MOST, f"joules above 0 (1e-15 or more), {MOST:g} at most")),
        read("latency_p90_s", _number(1e-12, MOST, f"seconds above 0 (1e-12 or more), {MOST:g} at most")),
        read("accuracy", _number(0.0, 1.0, "a fraction from 0 to 1, as 0.764")),
        read("latency_spread", spread, 0.0),
        read("energy_spread", spread, 0.0),
        read("runs", _count, 1),
    ]
    return MeasuredRun(*row) if len(errors) == known else None


def _name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed; allowed: a name in one line")
    return text


def _number(low: float, high: float, allowed: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = math.nan if "_" in text else float(text)  # Python's own digits may have it
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"is out of range; allowed: {allowed}")
        return value

    return parse


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("is out of range; allowed: a whole number, 1 or more")
    return int(text)
