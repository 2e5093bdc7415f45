"""Reads a TOML file by a schema: every figure checked, every unknown key named with the nearest right one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autoscale.errors import ProfileError, listing, nearest
from autoscale.profiles.figure import Figure, read_figure, unit_of
from autoscale.profiles.schema import VERSION, Schema, Table

Floats = npt.NDArray[np.float64]


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
    document = _parse(path)
    if document.pop("schema", None) != VERSION:
        raise ProfileError(f"{path}: schema is not {VERSION}; the file begins with 'schema = {VERSION}'")
    sources = _sources(path, document.pop("sources", None))
    reading = _Reading(path, schema, sources)
    reading.table("", document)
    return Facts(path, reading.texts, reading.figures)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not TOML: {error}") from error


def _sources(path: Path, table: Any) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(text, str) and text for text in table.values()):
        raise ProfileError(f'{path}: [sources] is missing or holds more than texts; allowed: key = "citation"')
    return table


@dataclass(frozen=True, slots=True)
class _Reading:
    path: Path
    schema: Schema
    sources: dict[str, str]
    texts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def table(self, name: str, content: dict[str, Any]) -> None:
        for key, entry in content.items():
            self._entry(name, key, entry)
        _check_complete(self.path, name, content, self.schema)
        _check_lengths(self.path, name, self.schema[name], self.figures)

    def _entry(self, name: str, key: str, entry: Any) -> None:
        dotted = f"{name}.{key}" if name else key
        if dotted in self.schema:
            if not isinstance(entry, dict):
                raise ProfileError(f"{self.path}: {dotted} is {entry!r}; allowed: a table [{dotted}]")
            self.table(dotted, entry)
        elif key in self.schema[name].texts:
            self.texts[dotted] = _text(self.path, dotted, entry)
        elif key in self.schema[name].figures:
            self.figures[dotted] = read_figure(str(self.path), dotted, entry, self.sources)
        else:
            hint = "" if unit_of(key) or not _is_figure(entry) else "; a number's key ends in its unit"
            raise ProfileError(_unknown(self.path, name, key, self.schema) + hint)


def _is_figure(entry: Any) -> bool:
    return isinstance(entry, int | float) or (isinstance(entry, dict) and "value" in entry)


def _text(path: Path, key: str, entry: Any) -> Any:
    several = entry if isinstance(entry, list) else [entry]
    if not several or not all(isinstance(each, str) and each for each in several):
        raise ProfileError(f"{path}: {key} is {entry!r}; allowed: text")
    return tuple(entry) if isinstance(entry, list) else entry


def _children(name: str, schema: Schema) -> list[str]:
    prefix = f"{name}." if name else ""
    return [
        each.removeprefix(prefix)
        for each in schema
        if each and each.startswith(prefix) and "." not in each.removeprefix(prefix)
    ]


def _unknown(path: Path, name: str, key: str, schema: Schema) -> str:
    table = schema[name]
    allowed = [*table.texts, *table.figures, *_children(name, schema)]
    place = f"[{name}]" if name else "the file"
    return f"{path}: unknown key '{key}' in {place}{nearest(key, allowed)}; allowed: {listing(allowed)}"


def _check_complete(path: Path, name: str, content: dict[str, Any], schema: Schema) -> None:
    table = schema[name]
    prefix = f"{name}." if name else ""
    needed = [*table.texts, *((table.along,) if table.along else ()), *table.arrays, *table.needed]
    tables = [each for each in _children(name, schema) if schema[f"{prefix}{each}"].is_needed]
    for key in (*needed, *tables):
        if key not in content:
            raise ProfileError(f"{path}: '{prefix}{key}' is missing; it is needed")


def _check_lengths(path: Path, name: str, table: Table, figures: Mapping[str, Figure]) -> None:
    stepped = {table.along, *table.arrays} - {""}
    for key in table.figures:
        figure = figures.get(f"{name}.{key}")
        if figure is not None and isinstance(figure.value, tuple) != (key in stepped):
            shape = "an array" if key in stepped else "one number"
            raise ProfileError(f"{path}: {figure.key} is {figure.value}; allowed: {shape}")
    if table.along:
        _check_along(path, figures[f"{name}.{table.along}"], [figures[f"{name}.{key}"] for key in table.arrays])


def _check_along(path: Path, along: Figure, arrays: list[Figure]) -> None:
    steps = np.atleast_1d(along.value)
    if not (np.diff(steps) > 0).all():
        raise ProfileError(f"{path}: {along.key} is {along.value}; allowed: rising from entry to entry")
    for figure in arrays:
        length = np.atleast_1d(figure.value).size
        if length != steps.size:
            raise ProfileError(
                f"{path}: {figure.key} has {length} numbers; allowed: {steps.size}, as many as {along.key}"
            )
