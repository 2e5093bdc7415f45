"""A text file as rows of cells, whatever wrote it: a spreadsheet, a download, an API's answer.

Commas, semicolons, tabs or bars between cells; UTF-8 or UTF-16; lines above the header and comments are passed over.
JSON is flattened as its API means it: a list of objects, the first such list of an object, or lists side by side; an
inner object's keys follow its own after a dot (``intensity.actual``).
"""

import csv
import io
import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.errors import TraceError

Row = tuple[int, list[str]]
"""The line it ends at, and its cells."""

DELIMITERS: Final = ",;\t|"
HEADER_WITHIN: Final = 30
"""How many lines may stand above the header."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by row and column.

    Attributes:
        header: the names of the columns.
        rows: what follows it, with the number of the line (of JSON: of the entry).
        has_decimal_comma: whether a comma in a number is what a point is elsewhere.
        about: what a JSON answer says beside its rows (``meta.units``).
    """

    header: list[str]
    rows: list[Row]
    has_decimal_comma: bool = False
    about: Mapping[str, str] | None = None


def read_table(path: Path, is_header: Callable[[Sequence[str]], bool]) -> Table:
    """The table of a file.

    Args:
        path: of the file.
        is_header: whether a row names columns that are known; the first that does is the header, else the first of all.

    Raises:
        TraceError: it cannot be read as text, or as JSON where it begins like that.
    """
    try:
        text = _text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: not a readable CSV or JSON file: {error}") from error
    if "\0" in text or not text.strip():
        what = "it holds zero bytes, as binary files do" if text.strip() else "it is empty"
        raise TraceError(f"{path}: not a readable CSV or JSON file: {what}")
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(path, text)
    try:
        return _of_csv(text, is_header)
    except csv.Error as error:
        raise TraceError(f"{path}: not a readable CSV file: {error}") from error


def _text(content: bytes) -> str:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content[:1000]:
            raise
        return content.decode("cp1252")


def _of_csv(text: str, is_header: Callable[[Sequence[str]], bool]) -> Table:
    tried = ((delimiter, _rows(text, delimiter)) for delimiter in DELIMITERS)
    found = [(delimiter, rows, at) for delimiter, rows in tried if (at := _header_at(rows, is_header)) is not None]
    if not found:
        rows = _rows(text, _most_columns(text))
        return Table(rows[0][1] if rows else [], rows[1:])
    delimiter, rows, at = found[0]
    return Table(rows[at][1], rows[at + 1 :], delimiter != ",")


def _rows(text: str, delimiter: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [(reader.line_num, row) for row in reader if any(row) and not row[0].lstrip().startswith("#")]


def _header_at(rows: Sequence[Row], is_header: Callable[[Sequence[str]], bool]) -> int | None:
    return next((at for at, (_, row) in enumerate(rows[:HEADER_WITHIN]) if is_header(row)), None)


def _most_columns(text: str) -> str:
    first = text.partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _of_json(path: Path, text: str) -> Table:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path}: not readable JSON: {error}") from error
    entries = [dict(_flat(each)) for each in _entries(document)]
    header = list(dict.fromkeys(key for each in entries for key in each))
    rows = [(number, [each.get(key, "") for key in header]) for number, each in enumerate(entries, 1)]
    about = dict(_flat(document)) if isinstance(document, dict) else {}
    return Table(header, rows, about=about)


def _entries(document: Any) -> list[Mapping[str, Any]]:
    """The objects of an answer: its list, the first list in it, or lists side by side taken apart."""
    if isinstance(document, list):
        entries: list[Mapping[str, Any]] = [each for each in document if isinstance(each, dict)]
        # One region of several, its half-hours inside it, as NESO answers.
        return _entries(entries[0]) if len(entries) == 1 and _holds_entries(entries[0]) else entries
    if not isinstance(document, dict):
        return []
    for value in document.values():
        inner = _entries(value) if isinstance(value, list | dict) else []
        if inner:
            return inner
    if not any(isinstance(value, list | dict) for value in document.values()):
        return [document] if document else []
    columns = {key: value for key, value in document.items() if isinstance(value, list)}
    longest = max(map(len, columns.values()), default=0)
    alike = {key: value for key, value in columns.items() if len(value) == longest}
    return [dict(zip(alike, values, strict=True)) for values in zip(*alike.values(), strict=True)]


def _holds_entries(entry: Mapping[str, Any]) -> bool:
    return any(isinstance(value, list) and value and isinstance(value[0], dict) for value in entry.values())


def _flat(entry: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif not isinstance(value, list):
            yield f"{above}{key}", "" if value is None else str(value)
