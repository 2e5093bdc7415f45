"""Countries, grid zones and cloud regions as facts: a yearly average with year, range and source for each.

>>> germany = Places.shipped().find("Germany")
>>> germany.code, germany.year, germany.g_per_kwh.mid
('DEU', 2025, 342.0)
>>> Places.shipped().find("aws:eu-west-1").code
'IRL'
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from autoscale.carbon.embodied.facts import Sourced
from autoscale.carbon.intensity.basis import ACCOUNTINGS, EMISSIONS, Basis
from autoscale.errors import ProfileError, UnknownName, nearest
from autoscale.interval import Interval
from autoscale.profiles.shipped import devices_folder
from autoscale.profiles.toml_table import TomlTable, read_toml

VERSION: Final = 1
WORLD: Final = "WORLD"
"""The code of the world's average."""

_FIELDS: Final = ("name", "g_per_kwh", "low", "high", "year", "source")
_LIKE: Final = ("like", "grid")
"""Another name of a place; or a place of its own that has another's figures."""
_OPTIONAL: Final = ("code2", "also", "zone", "before", "emissions", "accounting")
_LIKE_OPTIONAL: Final = ("code2", "also", "pue", "pue_source", "direct_g_per_kwh")


@dataclass(frozen=True, slots=True)
class Place:
    """A place and the yearly average of its grid.

    Attributes:
        code: ISO 3166-1 alpha-3, Electricity Maps' zone, or a cloud's region.
        name: what people call it; a cloud region's has its provider before it, as in ``aws:eu-west-1``.
        g_per_kwh: gCO2e/kWh of the newest year, average and location-based.
        year: that year.
        source: the citation, in full.
        zone: as Electricity Maps calls its grid; None where it is not known.
        basis: what the figure counts.
        by_year: the averages of all years that are known, the newest with them.
    """

    code: str
    name: str
    g_per_kwh: Interval
    year: int
    source: str
    zone: str | None
    basis: Basis
    by_year: Mapping[int, float] = field(hash=False)

    def in_year(self, year: int) -> tuple[Interval, int]:
        """The average of a year, as wide in proportion, and its year: the newest where that year's is not known.

        >>> france = Places.shipped().find("FR")
        >>> [france.in_year(year)[0].mid for year in (2022, 2025, 2030)]
        [91.0, 31.0, 31.0]
        """
        if year == self.year or year not in self.by_year:
            return self.g_per_kwh, self.year
        span, mid = self.g_per_kwh, self.by_year[year]
        factor = mid / span.mid if span.mid else 1.0
        return Interval(span.low * factor, mid, span.high * factor), year


@dataclass(frozen=True, slots=True)
class CloudRegion:
    """What a provider publishes of a region.

    Attributes:
        name: with its provider, as in ``aws:eu-west-1``.
        pue: power usage effectiveness; None where it publishes none.
        direct: gCO2e/kWh of its grid by its own account, the stack's emissions alone; None likewise.
    """

    name: str
    pue: Sourced | None
    direct: Sourced | None


class Places:
    """Places by code, ISO 3166-1 alpha-2 code or name, in any case and with or without accents.

    Args:
        paths: ``.toml`` files; a later one may say ``like = "code"`` of a place of an earlier one, or ``grid = "code"``
            of one whose figures another place has.

    Raises:
        ProfileError: a file that cannot be read, an unknown field, a missing source, a range without its value.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._by_spelling: dict[str, Place] = {}
        self._entries: dict[str, tuple[str, Place]] = {}
        self._regions: dict[str, CloudRegion] = {}
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

    def region(self, spelling: str) -> CloudRegion | None:
        """What is known of a cloud region beside its grid; None where it is none.

        >>> Places.shipped().region("aws:eu-west-3").pue.range.mid
        1.35
        """
        return self._regions.get(_plain(spelling))

    def entries(self) -> list[tuple[str, str, Place]]:
        """Code and name as the files have them, and the place they stand for: another's where the entry is like it."""
        return [(code, name, place) for code, (name, place) in self._entries.items()]

    def all(self) -> list[Place]:
        """Every place once, in the order of code."""
        return sorted(set(self._by_spelling.values()), key=lambda place: place.code)

    def _read(self, path: Path) -> None:
        document, entries, sources = _grid_document(path, "places")
        for code, entry in entries.items():
            place, name = self._place(code, entry, sources, document), entry.text("name")
            spellings = (code, name, entry.text("code2") if "code2" in entry else code, *entry.texts("also"))
            self._by_spelling |= dict.fromkeys(map(_plain, spellings), place)
            self._entries[code] = (name, place)
            if ":" in name:
                self._regions |= dict.fromkeys(map(_plain, spellings), _region(entry, sources))

    def _place(self, code: str, entry: TomlTable, sources: Mapping[str, str], document: TomlTable) -> Place:
        like = next((key for key in _LIKE if key in entry), None)
        if like:
            entry.check_keys(("name", like, "source"), _LIKE_OPTIONAL)
            entry.one_of("source", sources)
            other = self._like(entry, like)
            return other if like == "like" else replace(other, code=code, name=entry.text("name"))
        entry.check_keys(_FIELDS, _OPTIONAL)
        source, year = sources[entry.one_of("source", sources)], entry.whole("year")
        zone = entry.content.get("zone", entry.content.get("code2", code if "-" in code and code.isupper() else None))
        figure = entry.interval("g_per_kwh")
        by_year = {**_before(entry, year), year: figure.mid}
        return Place(code, entry.text("name"), figure, year, source, zone, _basis(entry, document, year), by_year)

    def _like(self, entry: TomlTable, key: str) -> Place:
        try:
            return self.find(entry.text(key))
        except UnknownName as error:
            raise ProfileError(f"{entry.path}: {entry.name}.{key}: {error}") from error


def read_grid_file(path: Path, table: str) -> tuple[dict[str, TomlTable], dict[str, str]]:
    """The entries and the citations of a file of ``devices/grids``.

    Raises:
        ProfileError: it cannot be read, is of another schema or kind, lacks a key or adds one.
    """
    return _grid_document(path, table)[1:]


def _grid_document(path: Path, table: str) -> tuple[TomlTable, dict[str, TomlTable], dict[str, str]]:
    document = read_toml(path)
    document.schema(VERSION)
    document.check_keys(("schema", "kind", "sources", table), ("title", "emissions", "accounting"))
    document.one_of("kind", ("average",))
    return document, document.table(table).tables(), document.sources()


def _basis(entry: TomlTable, document: TomlTable, year: int) -> Basis:
    """As the entry says, else as its file does."""

    def word(key: str, allowed: tuple[str, ...]) -> Any:
        said = next((each for each in (entry, document) if key in each), None)
        return said.one_of(key, allowed) if said else "unknown"

    return Basis(word("emissions", EMISSIONS), word("accounting", ACCOUNTINGS), year)


def _before(entry: TomlTable, year: int) -> dict[int, float]:
    listed = entry.content.get("before", [])
    if not isinstance(listed, list) or not all(isinstance(each, int | float) and each >= 0.0 for each in listed):
        raise entry.fault("before", "the averages of the years before, the oldest first")
    return {year - len(listed) + number: float(each) for number, each in enumerate(listed)}


def _region(entry: TomlTable, sources: Mapping[str, str]) -> CloudRegion:
    pue = direct = None
    if "pue" in entry:
        pue_source = sources[entry.one_of("pue_source", sources)]
        pue = Sourced(Interval.exactly(entry.number("pue", least=1.0)), pue_source)
    if "direct_g_per_kwh" in entry:
        direct = Sourced(Interval.exactly(entry.number("direct_g_per_kwh")), sources.get("google_direct", ""))
    return CloudRegion(entry.text("name"), pue, direct)


def _plain(spelling: str) -> str:
    letters = unicodedata.normalize("NFKD", spelling.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
