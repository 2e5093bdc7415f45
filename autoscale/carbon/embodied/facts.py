"""The files of ``devices/embodied``: figures with their sources, by table and key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.errors import ProfileError, listing, one_of
from autoscale.interval import Interval
from autoscale.profiles.folder import devices_folder

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Sourced:
    """A figure with its range and where it comes from; the unit is in the key it is read by."""

    range: Interval
    source: str


@dataclass(frozen=True, slots=True)
class EmbodiedFacts:
    """One file.

    Attributes:
        path: the file.
        tables: table to its entries.
        sources: key to citation.
    """

    path: Path
    tables: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, str]

    def table(self, name: str) -> Mapping[str, Any]:
        """The entries of a table.

        Raises:
            UnknownName: no such table; the message names the nearest.
        """
        one_of(f"table of {self.path.name}", name, self.tables)
        return self.tables[name]

    def number(self, table: str, key: str) -> float:
        """One number of a table whose figures share a source.

        Raises:
            UnknownName: no such table or key.
        """
        entries = {name: value for name, value in self.table(table).items() if name != "source"}
        one_of(f"entry of {table} in {self.path.name}", key, entries)
        return float(entries[key])

    def sourced(self, table: str, key: str) -> Sourced:
        """A figure ``{ value, low, high, source }``; without low and high it has no range.

        Raises:
            UnknownName: no such table or key.
            ProfileError: a range that does not hold the value, an unknown source.
        """
        entries = self.table(table)
        one_of(f"entry of {table} in {self.path.name}", key, entries)
        entry = entries[key]
        if not isinstance(entry, dict) or "value" not in entry:
            raise ProfileError(f"{self.path}: {table}.{key} is {entry!r}; allowed: {{ value = ..., source = ... }}")
        one_of(f"source in {self.path}: {table}.{key}:", str(entry.get("source")), self.sources, ProfileError)
        try:
            ends = [entry[end if end in entry else "value"] for end in ("low", "value", "high")]
            return Sourced(Interval(*map(float, ends)), self.sources[entry["source"]])
        except (TypeError, ValueError) as error:
            raise ProfileError(f"{self.path}: {table}.{key}: {error}; allowed: numbers") from error


def read_embodied_facts(name_or_path: str | Path) -> EmbodiedFacts:
    """A file that ships (``act``, ``products``, ``network``) or one of your own.

    Raises:
        ProfileError: it cannot be read, or is of another schema.
    """
    path = name_or_path if isinstance(name_or_path, Path) else devices_folder() / "embodied" / f"{name_or_path}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as TOML: {error}") from error
    if document.pop("schema", None) != VERSION or not isinstance(document.get("sources"), dict):
        raise ProfileError(f"{path}: allowed: schema = {VERSION} and a table [sources]")
    document.pop("title", None)
    sources = document.pop("sources")
    if loose := [key for key, entry in document.items() if not isinstance(entry, dict)]:
        raise ProfileError(f"{path}: {listing(loose)} outside a table")
    return EmbodiedFacts(path, document, sources)
