"""Reads a TOML file by a schema: every figure checked, every unknown key named with the nearest right one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import ProfileError
from autoscale.profiles.figure import Figure, read_figure, unit_of
from autoscale.profiles.schema import VERSION, AllowedTable, Schema
from autoscale.profiles.toml_table import TomlTable, read_toml


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says, flat: dotted key to text or figure."""

    path: Path
    texts: Mapping[str, Any]
    figures: Mapping[str, Figure]

    def has(self, table: str) -> bool:
        """Whether the file holds that table."""
        return any(key.startswith(f"{table}.") for key in self.figures)

    def number(self, key: str) -> float:
        """A figure that is one number."""
        value = self.figures[key].value
        return value[0] if isinstance(value, tuple) else value

    def array(self, key: str) -> Floats:
        """A figure as an array, shape (entries,); one number is an array of one."""
        values = np.atleast_1d(np.asarray(self.figures[key].value, dtype=np.float64))
        values.flags.writeable = False
        return values


def read_facts(path: Path, schema: Schema) -> Facts:
    """Read and check one file.

    Raises:
        ProfileError: not TOML, another schema version, or anything in it that the schema does not allow.
    """
    document = read_toml(path)
    document.schema(VERSION)
    return facts_of(document, schema, ignored=("schema",))


def facts_of(document: TomlTable, schema: Schema, ignored: Collection[str] = ()) -> Facts:
    """Check a file that is read already.

    Args:
        document: the file's top.
        schema: what it may hold.
        ignored: keys at its top that are somebody else's.

    Raises:
        ProfileError: anything in it that the schema does not allow.
    """
    reading = _Reading(schema, document.sources())
    rest = {key: entry for key, entry in document.content.items() if key not in {*ignored, "sources"}}
    reading.table(TomlTable(document.path, rest))
    return Facts(Path(document.path), reading.texts, reading.figures)


@dataclass(frozen=True, slots=True)
class _Reading:
    schema: Schema
    sources: dict[str, str]
    texts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def table(self, table: TomlTable) -> None:
        allowed, children = self.schema[table.name], _children(table.name, self.schema)
        known = [*allowed.texts, *allowed.optional_texts, *allowed.figures, *children]
        for key, entry in table.content.items():
            self._entry(table, known, key, entry)
        needed = [*allowed.texts, *((allowed.along,) if allowed.along else ()), *allowed.arrays, *allowed.needed]
        for key in (*needed, *(each for each in children if self.schema[table.dotted(each)].is_needed)):
            table.check_there(key)
        _check_lengths(table.path, table.name, allowed, self.figures)

    def _entry(self, table: TomlTable, known: list[str], key: str, entry: Any) -> None:
        dotted, allowed = table.dotted(key), self.schema[table.name]
        if dotted in self.schema:
            self.table(table.table(key))
        elif key in (*allowed.texts, *allowed.optional_texts):
            self.texts[dotted] = _text(table, key, entry)
        elif key in allowed.figures:
            self.figures[dotted] = read_figure(table.path, dotted, entry, self.sources)
        else:
            hint = "" if unit_of(key) or not _is_figure(entry) else "; a number's key ends in its unit"
            raise ProfileError(f"{table.unknown(key, known)}{hint}")


def _is_figure(entry: Any) -> bool:
    return isinstance(entry, int | float) or (isinstance(entry, dict) and "value" in entry)


def _text(table: TomlTable, key: str, entry: Any) -> Any:
    several = entry if isinstance(entry, list) else [entry]
    if not several or not all(isinstance(each, str) and each for each in several):
        raise table.fault(key, "text")
    return tuple(entry) if isinstance(entry, list) else entry


def _children(name: str, schema: Schema) -> list[str]:
    prefix = f"{name}." if name else ""
    return [
        each.removeprefix(prefix)
        for each in schema
        if each and each.startswith(prefix) and "." not in each.removeprefix(prefix)
    ]


def _check_lengths(path: str, name: str, table: AllowedTable, figures: Mapping[str, Figure]) -> None:
    stepped = {table.along, *table.arrays} - {""}
    for key in table.figures:
        figure = figures.get(f"{name}.{key}")
        if figure is not None and isinstance(figure.value, tuple) != (key in stepped):
            shape = "an array" if key in stepped else "one number"
            raise ProfileError(f"{path}: {figure.key} is {figure.value}; allowed: {shape}")
    if table.along:
        _check_along(path, figures[f"{name}.{table.along}"], [figures[f"{name}.{key}"] for key in table.arrays])


def _check_along(path: str, along: Figure, arrays: list[Figure]) -> None:
    steps = np.atleast_1d(along.value)
    if not (np.diff(steps) > 0).all():
        raise ProfileError(f"{path}: {along.key} is {along.value}; allowed: rising from entry to entry")
    for figure in arrays:
        length = np.atleast_1d(figure.value).size
        if length != steps.size:
            raise ProfileError(
                f"{path}: {figure.key} has {length} numbers; allowed: {steps.size}, as many as {along.key}"
            )
