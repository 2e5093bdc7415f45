"""The files of ``devices/embodied``: figures with their sources, by table and key."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from autoscale.errors import one_of
from autoscale.interval import Interval
from autoscale.profiles.shipped import devices_folder
from autoscale.profiles.toml_table import TomlTable, read_toml

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
        one_of(f"entry of {table} in {self.path.name}", key, self.table(table))
        entry = TomlTable(str(self.path), self.tables[table], table).table(key)
        entry.check_keys(("value", "source"), ("low", "high"))
        return Sourced(entry.interval("value"), self.sources[entry.one_of("source", self.sources)])


def read_embodied_facts(name_or_path: str | Path) -> EmbodiedFacts:
    """A file that ships (``act``, ``products``, ``network``) or one of your own.

    Raises:
        ProfileError: it cannot be read, or is of another schema.
    """
    if isinstance(name_or_path, Path):
        return _read(name_or_path)
    return _shipped(devices_folder() / "embodied" / f"{name_or_path}.toml")


@cache
def _shipped(path: Path) -> EmbodiedFacts:
    """Read once: a report asks for a product of each device model, and a file takes as long as all its sums."""
    return _read(path)


def _read(path: Path) -> EmbodiedFacts:
    document = read_toml(path)
    document.schema(VERSION)
    rest = {key: entry for key, entry in document.content.items() if key not in ("schema", "title", "sources")}
    tables = {name: table.content for name, table in TomlTable(document.path, rest).tables().items()}
    return EmbodiedFacts(path, tables, document.sources())
