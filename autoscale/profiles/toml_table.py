"""The one reader of TOML: tables that know where they stand, so that every file's faults are named in the same words.

>>> table = TomlTable("mine.toml", {"parts": [{"name": "CPU", "count": -1}]})
>>> table.rows("parts")[0].whole("count")
Traceback (most recent call last):
    ...
autoscale.errors.ProfileError: mine.toml: parts 1.count is -1; allowed: a whole number, 0 or more
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscale.errors import InvalidInput, ProfileError, listing, nearest
from autoscale.interval import Interval


def read_toml(path: Path | str) -> "TomlTable":
    """A file as its topmost table.

    Raises:
        ProfileError: it cannot be read, or is not TOML.
    """
    try:
        return TomlTable(str(path), tomllib.loads(Path(path).read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not TOML: {error}") from error


@dataclass(frozen=True, slots=True)
class TomlTable:
    """One table of a file. Every method that reads raises ``ProfileError`` for a key that is missing or wrong.

    Attributes:
        path: the file, as messages name it.
        content: key to what the file holds there.
        name: the table's dotted name; empty for the file's own top.
    """

    path: str
    content: Mapping[str, Any]
    name: str = ""

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def dotted(self, key: str) -> str:
        """A key as messages name it."""
        return f"{self.name}.{key}" if self.name else key

    def fault(self, key: str, allowed: str) -> ProfileError:
        """The error of a key whose value is not what is allowed."""
        return ProfileError(f"{self.path}: {self.dotted(key)} is {self.content[key]!r}; allowed: {allowed}")

    def check_keys(self, needed: Iterable[str], optional: Iterable[str] = ()) -> None:
        """Refuse a key that is none of these, and the lack of a needed one."""
        needed = list(needed)
        allowed = [*needed, *optional]
        for key in self.content:
            if key not in allowed:
                raise ProfileError(self.unknown(key, allowed))
        for key in needed:
            self.check_there(key)

    def unknown(self, key: str, allowed: Iterable[str]) -> str:
        """The message of a key that is none of the allowed."""
        allowed, place = list(allowed), f"[{self.name}]" if self.name else "the file"
        return f"{self.path}: unknown key '{key}' in {place}{nearest(key, allowed)}; allowed: {listing(allowed)}"

    def check_there(self, key: str) -> None:
        """Refuse the lack of a key."""
        if key not in self.content:
            raise ProfileError(f"{self.path}: '{self.dotted(key)}' is missing; it is needed")

    def schema(self, *versions: int) -> int:
        """The version that the file says it is of, under ``schema``."""
        if self.whole("schema") not in versions:
            raise self.fault("schema", " or ".join(map(str, versions)))
        return self.whole("schema")

    def sources(self) -> dict[str, str]:
        """The table of citations."""
        table = self.content.get("sources")
        if not isinstance(table, dict) or not all(isinstance(text, str) and text for text in table.values()):
            raise ProfileError(f'{self.path}: [sources] is missing or holds more than texts; allowed: key = "citation"')
        return table

    def table(self, key: str) -> "TomlTable":
        """The table of a key."""
        self.check_there(key)
        if not isinstance(self.content[key], dict):
            raise self.fault(key, f"a table [{self.dotted(key)}]")
        return TomlTable(self.path, self.content[key], self.dotted(key))

    def tables(self) -> dict[str, "TomlTable"]:
        """Every key's table; nothing else may be here."""
        return {key: self.table(key) for key in self.content}

    def rows(self, key: str) -> list["TomlTable"]:
        """The tables of an array; none where the key is absent."""
        rows = self.content.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise self.fault(key, f"tables [[{self.dotted(key)}]]")
        return [TomlTable(self.path, each, f"{self.dotted(key)} {number}") for number, each in enumerate(rows, start=1)]

    def text(self, key: str) -> str:
        """A text; it may be empty."""
        self.check_there(key)
        value = self.content[key]
        if not isinstance(value, str):
            raise self.fault(key, "text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; none where the key is absent."""
        values = self.content.get(key, [])
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise self.fault(key, "a list of texts")
        return tuple(values)

    def one_of(self, key: str, allowed: Iterable[str]) -> str:
        """A text that is one of these."""
        value, allowed = self.text(key), list(allowed)
        if value not in allowed:
            hint = nearest(value, allowed)
            raise ProfileError(f"{self.path}: {self.dotted(key)} is '{value}'{hint}; allowed: {listing(allowed)}")
        return value

    def number(self, key: str, least: float = 0.0, most: float = math.inf) -> float:
        """A finite number in a range, ends included."""
        self.check_there(key)
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_in(value, least, most):
            raise self.fault(key, f"a number, {_range(least, most)}")
        return float(value)

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number from ``least`` on."""
        self.check_there(key)
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.fault(key, f"a whole number, {least} or more")
        return value

    def interval(self, mid: str | float, low: str = "low", high: str = "high") -> Interval:
        """Three keys as an interval; ``mid`` may be a number that the file need not say."""
        middle = mid if isinstance(mid, float) else self.number(mid)
        ends = [self.number(key) if key in self.content else middle for key in (low, high)]
        try:
            return Interval(ends[0], middle, ends[1])
        except InvalidInput as error:
            raise ProfileError(f"{self.path}: {self.name or 'the file'}: {error}") from error


def _is_in(value: float, least: float, most: float) -> bool:
    return math.isfinite(value) and least <= value <= most


def _range(least: float, most: float) -> str:
    return f"{least:g} to {most:g}" if math.isfinite(most) else f"{least:g} or more"
