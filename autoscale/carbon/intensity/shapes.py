"""How intensity typically goes through the year and the day, as facts: ``devices/grids/hours.toml``.

>>> july = read_shapes()["US-CAL-CISO"].factors[6]
>>> noon, evening = july[20], july[4]  # on the Pacific
>>> f"{noon:.2f} {evening:.2f}"
'0.69 1.21'
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.carbon.intensity.places import read_grid_file
from autoscale.errors import ProfileError
from autoscale.interval import Interval
from autoscale.profiles.shipped import devices_folder
from autoscale.profiles.toml_table import TomlTable

DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Of each month."""
HOURS: Final = 24

ROUNDED: Final = 0.006
"""How far factors of two decimals may be from 1 on average; what is left is divided out."""

_FIELDS: Final = ("months", "hours", "low", "high", "years", "source")


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
    entries, sources = read_grid_file(path or devices_folder() / "grids" / "hours.toml", "shapes")
    return {zone: _shape(entry, sources) for zone, entry in entries.items()}


def _shape(entry: TomlTable, sources: Mapping[str, str]) -> Shape:
    entry.check_keys(_FIELDS)
    months, hours = _factors(entry, "months", DAYS), _factors(entry, "hours", np.ones(HOURS))
    years = entry.content["years"]
    if not isinstance(years, list) or not all(type(each) is int for each in years):
        raise entry.fault("years", "a list of years")
    source = f"{', '.join(map(str, years))}: {sources[entry.one_of('source', sources)]}"
    return Shape(np.outer(months, hours), entry.interval(1.0), source)


def _factors(entry: TomlTable, key: str, weights: NDArray[Any]) -> NDArray[np.float64]:
    """A row of factors, 1 on average."""
    listed = entry.content[key]
    if not isinstance(listed, list) or len(listed) != len(weights) or not all(map(_is_factor, listed)):
        raise entry.fault(key, f"{len(weights)} numbers above 0")
    mean = float(np.average(listed, weights=weights))
    if abs(mean - 1.0) > ROUNDED:
        at = f"{entry.path}: {entry.dotted(key)}"
        raise ProfileError(f"{at} are {mean:.3f} on average; allowed: 1, as far as two decimals go")
    return np.array(listed, dtype=np.float64) / mean


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and 0.0 < value < math.inf
