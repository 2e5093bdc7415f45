"""Countries, grid zones and cloud regions as facts: a yearly average with year, range and source for each.

>>> germany = Places.shipped().find("Germany")
>>> germany.code, germany.year, germany.g_per_kwh.mid
('DEU', 2023, 380.9)
>>> Places.shipped().find("aws:eu-west-1").code
'IRL'
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from autoscale.errors import ProfileError, UnknownName, nearest
from autoscale.interval import Interval
from autoscale.profiles.folder import devices_folder
from autoscale.profiles.toml_table import TomlTable, read_toml

VERSION: Final = 1
WORLD: Final = "WORLD"
"""The code of the world's average."""

_FIELDS: Final = ("name", "g_per_kwh", "low", "high", "year", "source")
_LIKE_FIELDS: Final = ("name", "like", "source")
_OPTIONAL: Final = ("code2", "also", "zone")


@dataclass(frozen=True, slots=True)
class Place:
    """A place and the yearly average of its grid.

    Attributes:
        code: ISO 3166-1 alpha-3, Electricity Maps' zone, or a cloud's region.
        name: what people call it; a cloud region's has its provider before it, as in ``aws:eu-west-1``.
        g_per_kwh: gCO2e/kWh, average and location-based.
        year: which the average is of.
        source: the citation, in full.
        zone: as Electricity Maps calls its grid; None where it is not known.
    """

    code: str
    name: str
    g_per_kwh: Interval
    year: int
    source: str
    zone: str | None


class Places:
    """Places by code, ISO 3166-1 alpha-2 code or name, in any case and with or without accents.

    Args:
        paths: ``.toml`` files; a later one may say ``like = "code"`` of a place of an earlier one.

    Raises:
        ProfileError: a file that cannot be read, an unknown field, a missing source, a range without its value.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._by_spelling: dict[str, Place] = {}
        self._entries: dict[str, tuple[str, Place]] = {}
        for path in paths:
            self._read(path)

    @classmethod
    @cache
    def shipped(cls) -> "Places":
        """Those that come with AutoScale: countries, grid zones, regions of AWS, Azure and Google Cloud."""
        folder = devices_folder() / "grids"
        return cls(folder / f"{name}.toml" for name in ("countries", "zones", "clouds"))

    def get(self, spelling: str) -> Place | None:
        """The place of a code or name, or None: a thousand times faster than to look for the nearest."""
        return self._by_spelling.get(_plain(spelling))

    def find(self, spelling: str) -> Place:
        """The place of a code or name.

        Raises:
            UnknownName: none; the message names the nearest.
        """
        place = self.get(spelling)
        if place is None:
            hint = nearest(_plain(spelling), self._by_spelling)
            kinds = "a country by ISO 3166-1 code or name, a zone of Electricity Maps, or a cloud region"
            raise UnknownName(f"unknown place '{spelling}'{hint}; allowed: {kinds}")
        return place

    def zone_of(self, spelling: str) -> str:
        """Electricity Maps' zone that a place lies in; the spelling itself where it is not known.

        >>> [Places.shipped().zone_of(place) for place in ("Germany", "aws:us-east-1", "gcp:us-east1", "CAISO_NORTH")]
        ['DE', 'US-MIDA-PJM', 'US-CAR-SC', 'CAISO_NORTH']
        """
        place = self.get(spelling)
        return (place and place.zone) or spelling

    def entries(self) -> list[tuple[str, str, Place]]:
        """Code and name as the files have them, and the place they stand for: another's where the entry is like it."""
        return [(code, name, place) for code, (name, place) in self._entries.items()]

    def all(self) -> list[Place]:
        """Every place once, in the order of code."""
        return sorted(set(self._by_spelling.values()), key=lambda place: place.code)

    def _read(self, path: Path) -> None:
        entries, sources = read_grid_file(path, "places")
        for code, entry in entries.items():
            place, name = self._place(code, entry, sources), entry.text("name")
            spellings = (code, name, entry.text("code2") if "code2" in entry else code, *entry.texts("also"))
            self._by_spelling |= dict.fromkeys(map(_plain, spellings), place)
            self._entries[code] = (name, place)

    def _place(self, code: str, entry: TomlTable, sources: Mapping[str, str]) -> Place:
        entry.check_keys(_LIKE_FIELDS if "like" in entry else _FIELDS, _OPTIONAL)
        source = sources[entry.one_of("source", sources)]
        if "like" in entry:
            return self._like(entry)
        zone = entry.content.get("zone", entry.content.get("code2", code if "-" in code and code.isupper() else None))
        return Place(code, entry.text("name"), entry.interval("g_per_kwh"), entry.whole("year"), source, zone)

    def _like(self, entry: TomlTable) -> Place:
        try:
            return self.find(entry.text("like"))
        except UnknownName as error:
            raise ProfileError(f"{entry.path}: {entry.name}.like: {error}") from error


def read_grid_file(path: Path, table: str) -> tuple[dict[str, TomlTable], dict[str, str]]:
    """The entries and the citations of a file of ``devices/grids``.

    Raises:
        ProfileError: it cannot be read, is of another schema or kind, lacks a key or adds one.
    """
    document = read_toml(path)
    document.schema(VERSION)
    document.check_keys(("schema", "kind", "sources", table), ("title",))
    document.one_of("kind", ("average",))
    return document.table(table).tables(), document.sources()


def _plain(spelling: str) -> str:
    letters = unicodedata.normalize("NFKD", spelling.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
