"""What a caller gives and a server answers, taken apart and checked."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from autoscale.carbon.intensity.series import time_from_iso
from autoscale.errors import InvalidInput


class Unusable(Exception):
    """A document that does not have the shape its server promises."""


def from_environment(variable: str, given: str | None, purpose: str) -> str:
    """What the caller gave, else what the environment holds.

    Raises:
        InvalidInput: neither, or not printable ASCII.
    """
    found = (given or os.environ.get(variable, "")).strip()
    if not found or not found.isprintable() or not found.isascii():
        wrong = "is missing" if not found else "holds characters that no header can"
        raise InvalidInput(f"{purpose} {wrong}; allowed: in the environment as {variable}, or given to the source")
    return found


def time_of(text: Any) -> float:
    """An ISO 8601 time as seconds since 1970; UTC where it names no zone.

    Raises:
        Unusable: not one.
    """
    try:
        return time_from_iso(text)
    except (TypeError, ValueError) as error:
        raise Unusable(f"time is {text!r}; allowed: ISO 8601") from error


def iso(time_s: float) -> str:
    """A time as servers take it, to the second: ``2024-05-01T12:00:00Z``."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entries_of(document: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The list of objects under the first of some keys that a document has.

    Raises:
        Unusable: none of them, or something else there.
    """
    found = next((document[key] for key in keys if isinstance(document, dict) and key in document), None)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Unusable(f"the answer has no list '{keys[0]}'")
    return found


def figure_of(row: Mapping[str, Any], key: str) -> float | None:
    """A figure of a row; None where the server has none.

    Raises:
        Unusable: something that is no number.
    """
    value = row.get(key)
    if value is None:
        return None
    # Python reads any number of digits from JSON, and NaN, which JSON does not have.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise Unusable(f"{key} is {value!r}; allowed: a number")
    return float(value)
