"""``autoscale serve --config FILE``: options in ``[server]``, and how each model is served in ``[models.NAME]``.

::

    [server]
    host = "0.0.0.0"
    drain_s = 20

    [models.resnet]
    threads = 2
    instances = 1
    max_queue = 32
    max_batch_size = 8          # the model's first dimension is the batch: requests may run together
    batch_delay_ms = 2          # how long one waits for others
    group = "small"             # models of one group share a process
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, listing, nearest
from autoscale_runtime.server.repository.scan import Entry, Found
from autoscale_runtime.server.scheduling.scheduler import Batching

_MODEL_KEYS: Final = ("threads", "instances", "max_queue", "max_batch_size", "batch_delay_ms", "group")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says.

    Attributes:
        server: options of the command, by their names in Python.
        models: by name, what is said of each.
    """

    server: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def applied(self, found: Found) -> Found:
        """The repository's entries, served as is said here; over what their own files say."""
        entries = {name: _applied(each, self.models.get(name, {})) for name, each in found.entries.items()}
        return Found(entries, found.refused)


def read_configuration(path: Path, options: Collection[str] | None = None) -> Configuration:
    """Read a file.

    Args:
        path: the file.
        options: of the command; None does not look.

    Raises:
        InvalidInput: it cannot be read, or says what there is not.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the configuration '{path}' cannot be read: {error}") from error
    _only(f"'{path}'", tables, ("server", "models"))
    server, models = _table(path, tables, "server"), _table(path, tables, "models")
    _only(f"'{path}', [server]", server, server if options is None else options)
    for name, table in models.items():
        where = f"'{path}', [models.{name}]"
        if not isinstance(table, dict):
            raise InvalidInput(f"{where} is {table!r}; allowed: a table")
        _only(where, table, _MODEL_KEYS)
        for key, value in table.items():
            _check(where, key, value)
    return Configuration(server, models)


def _applied(entry: Entry, said: Mapping[str, Any]) -> Entry:
    if not said:
        return entry
    config = entry.config
    most = said.get("max_batch_size", config.max_batch_size)
    delay_s = said.get("batch_delay_ms", 1e3 * config.batching.delay_s) / 1e3
    batching = config.batching
    if {"max_batch_size", "batch_delay_ms"} & {*said} and most > 1:
        batching = Batching(most, most, delay_s)
    changed = replace(
        config,
        max_batch_size=most,
        threads=said.get("threads", config.threads),
        instances=said.get("instances", config.instances),
        max_waiting=said.get("max_queue", config.max_waiting),
        batching=batching,
        group=said.get("group", config.group),
    )
    sources = tuple(replace(each, threads=changed.threads or each.threads) for each in entry.sources)
    return replace(entry, config=changed, sources=sources)


def _table(path: Path, tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise InvalidInput(f"'{path}': {name} is {table!r}; allowed: a table")
    return table


def _only(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise InvalidInput(f"{where}: unknown key '{key}'{nearest(key, known)}; allowed: {listing(known)}")


def _check(where: str, key: str, value: object) -> None:
    if key == "group":
        if not isinstance(value, str):
            raise InvalidInput(f"{where}: group is {value!r}; allowed: a text")
    elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InvalidInput(f"{where}: {key} is {value!r}; allowed: a number of 0 or more")
    elif key != "batch_delay_ms" and not isinstance(value, int):
        raise InvalidInput(f"{where}: {key} is {value!r}; allowed: a whole number")
