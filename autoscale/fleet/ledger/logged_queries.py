"""The queries of a ledger, or of a file with its columns, as other policies are judged by them. Needs ``fleet``."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.ledger.considered_text import read_considered
from autoscale.fleet.ledger.manifest import FILE as MANIFEST_FILE
from autoscale.fleet.ledger.schema import BY_NAME, PARTS
from autoscale.fleet.ledger.view import read_ledger
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target

_SPLITS: Final = tuple(
    name.format(part) for name in ("energy_{}_uj", "operational_{}_ng", "embodied_{}_ng") for part in PARTS
)
_NEEDED: Final = ("model", "objective", "chosen", "probability_ppb", "latency_us", "considered")
_ANSWERED: Final = "selected"
_OPTIONAL: Final = (
    *("device_id", "log_id", "sequence", "goal_latency_us", "goal_accuracy_ppm", "accuracy_ppm"),
    *(*_SPLITS, _ANSWERED),
)
_MINIMISED: Final = {"energy": _SPLITS[:1], "carbon": _SPLITS[len(PARTS) :], "latency": ("latency_us",)}
"""Objective to the columns of which one must tell what came of it."""
_MOST: Final = 2.0**63
"""What the ledger's whole numbers stay below."""
_ORDER: Final = ("device_id", "log_id", "sequence")
_TEXTS: Final = ("model", "objective", "chosen", "considered")
_ROWS_AT_ONCE: Final = 1 << 12
_SAME: Final = 1 << 12
"""So many last texts of ``considered`` are read once: in a simulated ledger they repeat."""
_READERS: Final = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}


@dataclass(frozen=True, slots=True)
class LoggedQueries:
    """What a log holds for judging policies.

    Attributes:
        queries: in the order of their logs.
        rows: of the log in all.
        skipped: reason to rows that no policy can be judged by: ``considered`` was not kept, no ``probability``,
            nothing told of what the goal minimises (``energy``, ``carbon``), what they say cannot be read, or
            ``repeated``: of the same device, log and sequence number as one before.
    """

    queries: tuple[LoggedQuery, ...]
    rows: int
    skipped: Mapping[str, int]


def read_logged_queries(path: Path | str) -> LoggedQueries:
    """Read a ledger's folder, or a file (``.parquet``, ``.csv``, ``.jsonl``) with columns of the ledger.

    Raises:
        InvalidInput: neither, or columns are missing.
        MissingExtra: pyarrow is not installed.
        OSError: it cannot be read.
    """
    return logged_queries_of(_rows(Path(path)))


def logged_queries_of(rows: Iterable[Mapping[str, Any]]) -> LoggedQueries:
    """The queries of rows, each of which has the ledger's columns by name."""
    queries, skipped, count, last = [], dict[str, int](), 0, None
    for row in rows:
        count += 1
        place = tuple(row.get(name) for name in _ORDER)
        try:
            reason = "repeated" if place == last and None not in place else _unusable(row)
            last = place
            if reason is None:
                queries.append(_query(row))
                continue
        except AutoScaleError as error:
            reason = str(error).partition(" is ")[0].strip("'")
        skipped[reason] = skipped.get(reason, 0) + 1
    return LoggedQueries(tuple(queries), count, skipped)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_dir() and not (path / MANIFEST_FILE).exists() and any(path.glob("*.log")):
        raise InvalidInput(f"'{path}' is a device's log, no ledger: send it to a collector ('autoscale fleet collect')")
    if path.is_dir():
        tables = [_table(each) for each in read_ledger(path).files]
    elif path.is_file():
        tables = [_table(path)]
    else:
        raise InvalidInput(f"no ledger and no file at '{path}'")
    pa = arrow()
    if not tables:
        return iter(())
    table = pa.concat_tables(tables, promote_options="default")
    order = [(name, "ascending") for name in _ORDER if name in table.column_names]
    batches = (table.sort_by(order) if order else table).to_batches(_ROWS_AT_ONCE)
    return (row for batch in batches for row in batch.to_pylist())  # a row is larger here than in a file


def _table(path: Path) -> Any:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput(f"'{path}' is a '{path.suffix}' file; allowed: a ledger's folder, {', '.join(_READERS)}")
    pa, module = arrow(), arrow(reader)
    try:
        table = getattr(module, f"read_{'table' if reader == 'parquet' else reader}")(path)
    except pa.ArrowException as error:
        raise InvalidInput(f"'{path}' cannot be read as {reader}: {error}") from error
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing == ["considered"] and path.suffix == ".parquet":  # of a schema before it was kept
        table, missing = table.append_column("considered", pa.nulls(table.num_rows, pa.string())), []
    if missing:
        raise InvalidInput(f"'{path}' lacks the columns {missing}; a file of records has those of the ledger")
    return _checked(table.select([name for name in (*_NEEDED, *_OPTIONAL) if name in table.column_names]), path)


def _checked(table: Any, path: Path) -> Any:
    """The table, whose columns hold text or numbers as the ledger's do.

    Raises:
        InvalidInput: one does not.
    """
    types = arrow().types
    for name, kind in zip(table.schema.names, table.schema.types, strict=True):
        is_number, is_none = types.is_integer(kind) or types.is_floating(kind), types.is_null(kind)
        if name in (*_TEXTS, _ANSWERED) and (is_number or types.is_nested(kind)):
            told = "objects" if types.is_nested(kind) else kind
            raise InvalidInput(
                f"'{path}' has {told} in the column '{name}'; allowed: text, of 'considered' that of JSON"
            )
        if name not in (*_TEXTS, _ANSWERED) and not (is_number or is_none or name in _ORDER):
            raise InvalidInput(f"'{path}' has {kind} in the column '{name}'; allowed: numbers")
    return table


def _unusable(row: Mapping[str, Any]) -> str | None:
    """The column for which a row cannot judge a policy. A probability is counted in 10^-9: below 1 it is none."""
    if any(not row.get(name) for name in _TEXTS):  # a log of an older schema has no 'considered' at all
        return next(name for name in reversed(_TEXTS) if not row.get(name))
    if not (row["probability_ppb"] or 0) >= 1:
        return "probability"
    if row["objective"] not in _MINIMISED:
        return "objective"
    if _figure(row, "latency_us") is None:
        return "latency_us"
    told = [_figure(row, name) for name in _MINIMISED[row["objective"]]]
    return row["objective"] if told.count(None) == len(told) else None


def _query(row: Mapping[str, Any]) -> LoggedQuery:
    limit_s, floor = _figure(row, "goal_latency_us"), _figure(row, "goal_accuracy_ppm")
    goal = Goal(row["objective"], math.inf if limit_s is None else limit_s, floor)
    chosen = Target.parse(row["chosen"])
    considered = _read_considered(row["considered"], row["model"], goal, chosen)
    if chosen not in considered.targets:
        raise InvalidInput(f"chosen is {chosen}; allowed: one of {[str(each) for each in considered.targets]}")
    energy_j, operational_g, embodied_g = (
        Split(*(_figure(row, name) or 0.0 for name in _SPLITS[first : first + len(PARTS)]))
        for first in range(0, len(_SPLITS), len(PARTS))
    )
    outcome = Outcome(
        row["latency_us"] / BY_NAME["latency_us"].per_unit,
        energy_j,
        operational_g,
        embodied_g,
        _figure(row, "accuracy_ppm"),
    )
    probability = row["probability_ppb"] / BY_NAME["probability_ppb"].per_unit
    index, answered = considered.targets.index(chosen), row.get(_ANSWERED)
    return LoggedQuery(
        considered.targets,
        considered.context,
        index,
        probability,
        outcome,
        considered,
        Target.parse(answered) if answered else None,
    )


_read_considered: Final = lru_cache(_SAME)(read_considered)


def _figure(row: Mapping[str, Any], name: str) -> float | None:
    """A figure in SI units; None where the row or the file does not have it, or it is none that a ledger can hold."""
    value = row.get(name)
    return None if value is None or not 0 <= value < _MOST else value / BY_NAME[name].per_unit
