"""Numbers as spreadsheets write them: whether a point or a comma is before the decimals, by all that a file holds.

``1.278`` alone is a server's kilograms in one country and a phone's in another. Another number of the file tells: one
that only a decimal comma makes (``0,5``), or only a decimal point (``0.5``). Where none does, it is refused.

>>> read = number_reading([("0,5", 1.0), ("1.278", 1e6)], is_of_commas=True)
>>> read("1.278"), read("1.278,5"), read("3,6E+03")
(1278.0, 1278.5, 3600.0)
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

NumberReading = Callable[[str], float]
"""A cell to its number; ValueError, in words, where it is none or may be two."""

_GROUPS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
"""Thousands by points, or decimals."""
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)?,\d+(?:[eE][+-]?\d+)?")
_SPACED: Final = re.compile(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3}(?!\d))")
"""Between thousands, whatever else stands for what."""


def number_reading(cells: Iterable[tuple[str, float]], is_of_commas: bool) -> NumberReading:
    """How to read the numbers of a file.

    Args:
        cells: all of them, each with the most that it can be: what is beyond as thousands is of decimals.
        is_of_commas: whether commas may be decimal ones, since others separate the cells.
    """
    if not is_of_commas:
        return _with_points
    plain = [(_plain(cell), most) for cell, most in cells]
    if any(_DECIMAL_COMMA.fullmatch(cell) for cell, _ in plain):
        return _with_commas
    if any(_is_of_points(cell, most) for cell, most in plain):
        return _with_points
    return _either


def _plain(cell: str) -> str:
    return _SPACED.sub("", cell.strip())


def _is_of_points(cell: str, most: float) -> bool:
    """Whether a number can only be one with a decimal point."""
    if "." not in cell or not _is_number(cell):
        return False
    return not _GROUPS.fullmatch(cell) or float(cell.replace(".", "")) > most


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def _with_points(cell: str) -> float:
    plain = _plain(cell)
    if "_" in plain:  # Python's own, and nobody's number
        raise ValueError(f"'{cell}'; allowed: a number")
    try:
        return float(plain)
    except ValueError:
        raise ValueError(f"'{cell}'; allowed: a number") from None


def _with_commas(cell: str) -> float:
    plain = _plain(cell)
    if _GROUPS.fullmatch(plain) or _DECIMAL_COMMA.fullmatch(plain):
        return float(plain.replace(".", "").replace(",", "."))
    if "." in plain and _is_number(plain):
        raise ValueError(f"'{cell}' has a decimal point, and others a comma; allowed: one of them in a file")
    return _with_points(cell)


def _either(cell: str) -> float:
    if _GROUPS.fullmatch(_plain(cell)):
        raise ValueError(f"'{cell}' may be thousands or decimals; allowed: figures without a point between")
    return _with_points(cell)
