"""How intensity typically goes through the year and the day, as facts: ``devices/grids/hours.toml``.

>>> july = read_shapes()["US-CAL-CISO"].factors[6]
>>> noon, evening = july[20], july[4]  # on the Pacific
>>> f"{noon:.2f} {evening:.2f}"
'0.72 1.20'
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import ProfileError, listing, one_of
from autoscale.interval import Interval
from autoscale.profiles.folder import devices_folder

VERSION: Final = 1
DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Of each month."""
HOURS: Final = 24

ROUNDED: Final = 0.006
"""How far factors of two decimals may be from 1 on average; what is left is divided out."""

_TABLES: Final = {"schema", "title", "kind", "sources", "shapes"}
_FIELDS: Final = {"months", "hours", "low", "high", "years", "source"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The typical shape of a zone.

    Attributes:
        factors: on the yearly average, by month and hour of the day in UTC, shape (12, 24); 1 on average over a year of
            365 days.
        spread: factors on what is typical that four of five hours lie between.
        source: the citation, in full, with the years it is of.
    """

    factors: NDArray[np.float64]
    spread: Interval
    source: str


def read_shapes(path: Path | None = None) -> dict[str, Shape]:
    """The shapes of a file by Electricity Maps' zones, as ``Place.zone`` has them; the file that ships where None.

    Raises:
        ProfileError: it cannot be read, lacks a field or adds one; factors that are not positive, too few, or far from
            1 on average; a spread that does not hold 1.
    """
    path = path or devices_folder() / "grids" / "hours.toml"
    document = _document(path)
    return {zone: _shape(f"{path}: {zone}", entry, document["sources"]) for zone, entry in document["shapes"].items()}


def _shape(at: str, entry: Any, sources: Mapping[str, str]) -> Shape:
    if not isinstance(entry, dict) or (set(entry) ^ _FIELDS):
        extra = sorted(set(entry) ^ _FIELDS) if isinstance(entry, dict) else [repr(entry)]
        raise ProfileError(f"{at} lacks or adds {listing(extra)}; allowed: {listing(sorted(_FIELDS))}")
    one_of(f"source of {at}:", str(entry["source"]), sources, ProfileError)
    months = _factors(f"{at}: months", entry["months"], DAYS)
    hours = _factors(f"{at}: hours", entry["hours"], np.ones(HOURS))
    try:
        spread = Interval(float(entry["low"]), 1.0, float(entry["high"]))
        years = ", ".join(str(int(year)) for year in entry["years"])
    except (TypeError, ValueError) as error:
        raise ProfileError(f"{at}: {error}; allowed: low up to 1, high from 1, a list of years") from error
    return Shape(np.outer(months, hours), spread, f"{years}: {sources[entry['source']]}")


def _factors(at: str, listed: Any, weights: NDArray[Any]) -> NDArray[np.float64]:
    """A row of factors, 1 on average."""
    try:
        factors = np.array([float(each) for each in listed])
    except (TypeError, ValueError) as error:
        raise ProfileError(f"{at}: {error}; allowed: {len(weights)} numbers") from error
    if len(factors) != len(weights) or not all(0.0 < each < math.inf for each in factors):
        raise ProfileError(f"{at} are {listed}; allowed: {len(weights)} numbers above 0")
    mean = float(np.average(factors, weights=weights))
    if abs(mean - 1.0) > ROUNDED:
        raise ProfileError(f"{at} are {mean:.3f} on average; allowed: 1, as far as two decimals go")
    return factors / mean


def _document(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as TOML: {error}") from error
    expected = {"schema": VERSION, "kind": "average"}
    tables = all(isinstance(document.get(table), dict) for table in ("sources", "shapes"))
    if {key: document.get(key) for key in expected} != expected or not tables:
        raise ProfileError(f'{path}: allowed: schema = {VERSION}, kind = "average", [sources] and [shapes]')
    if extra := set(document) - _TABLES:
        raise ProfileError(f"{path} adds {listing(sorted(extra))}; allowed: {listing(sorted(_TABLES))}")
    return document
