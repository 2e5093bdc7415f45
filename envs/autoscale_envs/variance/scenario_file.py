"""Scenarios by name, from a TOML file of one's own, or as the object itself."""

from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, ProfileError, check_type, one_of
from autoscale.profiles.shipped import is_file
from autoscale.profiles.toml_table import TomlTable, read_toml
from autoscale_envs.variance.scenarios import SCENARIOS, CoRunner, Outages, Scenario, Signal

VERSION: Final = 1
TABLES: Final = {"cloud": Signal, "edge": Signal, "outages": Outages}

ScenarioLike = str | Path | Scenario
"""A scenario's name, its ``.toml`` file, or the scenario itself."""


def load_scenario(scenario: ScenarioLike) -> Scenario:
    """The scenario that is meant: by name, in either case; by its file; itself.

    Raises:
        UnknownName: no such scenario; the message names the nearest.
        ProfileError: a file that cannot be read, or does not follow the schema.
        InvalidInput: none of these.
    """
    if isinstance(scenario, Scenario):
        return scenario
    check_type("scenario", scenario, (str, Path), f"one of {', '.join(SCENARIOS)}, a .toml file, or a Scenario")
    if is_file(scenario):
        return _read(Path(scenario))
    one_of("scenario", str(scenario).upper(), SCENARIOS)
    return SCENARIOS[str(scenario).upper()]


def _read(path: Path) -> Scenario:
    table = read_toml(path)
    keys = [each.name for each in fields(Scenario)]
    table.check_keys(("schema", "name"), [key for key in keys if key != "name"])
    table.schema(VERSION)
    given: dict[str, Any] = {key: table.content[key] for key in keys if key in table}
    given |= {key: _made(table.table(key), kind) for key, kind in TABLES.items() if key in table}
    if "co_runners" in table:
        given["co_runners"] = tuple(_made(row, CoRunner) for row in table.rows("co_runners"))
    if "change_queries" in table:
        given["change_queries"] = _two(table, "change_queries")
    given |= {"name": table.text("name"), "title": table.text("title") if "title" in table else ""}
    scenario: Scenario = _checked(path, Scenario, given)
    return scenario


def _made(table: TomlTable, kind: type[Any]) -> Any:
    names = [each.name for each in fields(kind)]
    table.check_keys(("share",) if kind is Outages else (), names)
    return _checked(Path(table.path), kind, table.content)


def _two(table: TomlTable, key: str) -> tuple[int, int]:
    values = table.content[key]
    if not isinstance(values, list) or len(values) != 2 or not all(type(each) is int for each in values):
        raise table.fault(key, "two whole numbers, as [100, 160]")
    return values[0], values[1]


def _checked(path: Path, kind: type[Any], given: Any) -> Any:
    try:
        return kind(**given)
    except InvalidInput as error:
        raise ProfileError(f"{path}: {error}") from error
