"""The analysis: SQL over the ledger's rows, the same for every engine but for its word for a division of whole numbers.

A table is a query, of which the next is made. Sums can neither round nor overflow: they are of 64 bits where the files'
own statistics say that this holds them, of decimals of 38 digits else. The rows are read into ``cells``, the finest
grouping that the report needs; most tables are then sums of its sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from autoscale.fleet.ledger.rollup import CARBON_NG, FIGURES, HOUR_US, SUMMED, WEIGHED, made
from autoscale.fleet.ledger.schema import COLUMNS, PARTS
from autoscale.fleet.ledger.span import Span
from autoscale.units import US_PER_DAY

DIMENSIONS: Final = ("network", "target", "device_model", "region", "far_region", "hour")
"""``region`` is where the query was asked, ``far_region`` where the remote machine stands (empty: none was asked);
``hour`` is that of the day, UTC."""

COLUMN_OF: Final = {
    "network": "model",
    "target": "selected",
    "device_model": "device_model",
    "region": "region_device",
    "far_region": "region_remote",
}
"""Dimensions that a row has a column for."""

KINDS: Final = tuple(f"intensity_{part}_kind" for part in PARTS)
"""Whether the carbon intensity of each part is ``average`` or ``marginal``; empty where not known, or not asked."""

JUDGED: Final = (*(name for name in FIGURES if name != "missed"), "time_us")
"""Columns whose numbers are checked again before they are summed."""

LOG: Final = ("device_id", "log_id")
"""What names a log."""


class Dialect(NamedTuple):
    """What engines say differently.

    Attributes:
        divided: the division of whole numbers, rounded down.
        wide: the type of whole numbers of 38 digits.
    """

    divided: str
    wide: str


_OPTIONAL: Final = ("region", "far_region", "methods", *KINDS)
_NARROW: Final = "BIGINT"
_TAKEN: Final = (*DIMENSIONS, "methods", *KINDS, "day", "inferences", "first_us", "last_us", *SUMMED, *WEIGHED)
"""Columns of rows, and of sums, as the report takes them."""


def counted_once(ledger: str, shared: str) -> str:
    """Rows of several ledgers, each of a log that is in more than one of them once, by its number.

    Args:
        ledger: a table of rows.
        shared: of the columns ``LOG``, the logs that are in more than one.
    """
    columns = ", ".join(each.name for each in COLUMNS)
    numbered = f"row_number() OVER (PARTITION BY {', '.join(LOG)}, sequence ORDER BY time_us) AS nth"
    first = f"SELECT {columns} FROM (SELECT {columns}, {numbered} FROM ({repeated(ledger, shared)})) WHERE nth = 1"
    return f"SELECT {columns} FROM ({ledger}) AS a WHERE NOT {_is_of(shared)} UNION ALL {first}"


def repeated(ledger: str, shared: str) -> str:
    """The rows of logs that are in more than one ledger."""
    return f"SELECT * FROM ({ledger}) AS a WHERE {_is_of(shared)}"


def _is_of(shared: str) -> str:
    same = " AND ".join(f"a.{name} = b.{name}" for name in LOG)
    return f"EXISTS (SELECT 1 FROM ({shared}) AS b WHERE {same})"


def plausible(ledger: str) -> str:
    """The rows in which no number is beyond what its column allows: an older collector took what this one would not."""
    limits = (f"{each.name} BETWEEN 0 AND {each.limit}" for each in COLUMNS if each.name in JUDGED)
    return f"SELECT * FROM ({ledger}) WHERE {' AND '.join(limits)}"


def within(ledger: str, span: Span) -> str:
    """The rows of a span."""
    return _between(ledger, "time_us", span)


def within_hours(sums: str, span: Span) -> str:
    """The hourly sums of a span: each whole, where its hour begins."""
    return _between(sums, "hour_us", span)


def _between(table: str, moment: str, span: Span) -> str:
    ends = [] if span.since_us is None else [f"{moment} >= {span.since_us}"]
    ends += [] if span.until_us is None else [f"{moment} < {span.until_us}"]
    return filtered(table, ends)


def filtered(table: str, conditions: Sequence[str]) -> str:
    """The rows of which all conditions hold."""
    return f"SELECT * FROM ({table}) WHERE {' AND '.join(conditions)}" if conditions else table


def accounted(ledger: str, is_wide: bool, dialect: Dialect) -> str:
    """Rows with the columns that the report takes, and dimensions by their names here; ``device_id`` too.

    Args:
        ledger: a table of its rows.
        is_wide: whether 64 bits may not hold the sums.
        dialect: the engine's.
    """
    kind, expressions = dialect.wide if is_wide else _NARROW, made(dialect.divided)
    taken = {
        **{name: _cast(expressions.get(name, name), kind) for name in SUMMED},
        **{name: _cast(expressions[name], dialect.wide) for name in WEIGHED},
        "inferences": _cast("1", kind),
        "first_us": "time_us",
        "last_us": "time_us",
        **_named_parts("time_us", dialect.divided),
        "device_id": "device_id",
    }
    return _selected(taken, ledger)


def summed(sums: str, is_wide: bool, dialect: Dialect) -> str:
    """Hourly sums with the columns that the report takes, as :func:`accounted` has them, but for the device."""
    kind = dialect.wide if is_wide else _NARROW
    taken = {
        **{name: _cast(name, kind) for name in (*SUMMED, "inferences")},
        **{name: _cast(name, dialect.wide) for name in WEIGHED},
        "first_us": "first_us",
        "last_us": "last_us",
        **_named_parts("hour_us", dialect.divided),
    }
    return _selected(taken, sums)


def _named_parts(moment: str, divided: str) -> dict[str, str]:
    """Dimensions, how figures are known, and the day."""
    return {
        **COLUMN_OF,
        "hour": f"({moment} % {US_PER_DAY}) {divided} {HOUR_US}",
        "methods": "methods",
        **{name: name for name in KINDS},
        "day": f"{moment} {divided} {US_PER_DAY}",
    }


def _cast(expression: str, kind: str) -> str:
    return f"CAST({expression} AS {kind})"


def _selected(columns: Mapping[str, str], table: str) -> str:
    return f"SELECT {', '.join(f'{each} AS {name}' for name, each in columns.items())} FROM ({table})"


def together(parts: Sequence[str]) -> str:
    """Rows and sums as one table, one of them at least."""
    return _united(parts, _TAKEN)


def _united(parts: Iterable[str], columns: Sequence[str]) -> str:
    return " UNION ALL ".join(f"SELECT {', '.join(columns)} FROM ({each})" for each in parts)


def cells(rows: str) -> str:
    """Sums for every combination of ``DIMENSIONS``; for an engine to keep."""
    return _grouped(rows, DIMENSIONS, _of((*SUMMED, *WEIGHED)))


def total(table: str) -> str:
    """One row: the sums of all."""
    return f"SELECT {', '.join(_of(('inferences', *SUMMED)))} FROM ({table})"


def by_each(cells: str) -> str:
    """Sums for each value of each of ``DIMENSIONS``, ``dimension`` saying of which: its place among them."""
    which = " ".join(f"WHEN grouping({name}) = 0 THEN {place}" for place, name in enumerate(DIMENSIONS))
    sets = ", ".join(f"({name})" for name in DIMENSIONS)
    columns = ", ".join((*DIMENSIONS, *_of(("inferences", *SUMMED))))
    return f"SELECT CASE {which} END AS dimension, {columns} FROM ({cells}) GROUP BY GROUPING SETS ({sets})"


def per_day(days: str) -> str:
    """Sums of each day, from what ``by_day`` makes."""
    return _grouped(days, ("day",), _of(SUMMED))


def by_scenario(cells: str, *dimensions: str) -> str:
    """Queries, their carbon, how many missed the goal, what they weigh: for each value of some of ``DIMENSIONS``."""
    return _grouped(cells, dimensions, [f"sum({CARBON_NG}) AS carbon_ng", *_of(("missed", *WEIGHED))])


def by_day(rows: str) -> str:
    """Sums, first and last time for each day (whole days since 1970), device model and pair of regions: what time
    series are made of.
    """
    ends = ["min(first_us) AS first_us", "max(last_us) AS last_us"]
    return _grouped(rows, ("day", "device_model", "region", "far_region"), [*ends, *_of(SUMMED)])


def by_device(parts: Sequence[str]) -> str:
    """For each device that reported: its busy microseconds, and the embodied carbon that its queries carry."""
    figures = ("latency_us", "embodied_device_ng")
    return f"SELECT device_id, {', '.join(_of(figures))} FROM ({_united(parts, ('device_id', *figures))}) GROUP BY 1"


def heaviest(rows: str, sums: Sequence[str], most: int, is_wide: bool, dialect: Dialect) -> str:
    """The devices whose queries emitted most, in order: how many queries, and their carbon everywhere; of how many
    devices, each counted once, they are.

    Args:
        rows: as :func:`accounted` has them.
        sums: of devices, none or one.
        most: so many.
        is_wide: whether 64 bits may not hold the sums.
        dialect: the engine's.
    """
    kind = dialect.wide if is_wide else _NARROW
    figures = "SELECT device_id, {} AS inferences, {} AS carbon_ng FROM ({})"
    inferences, carbon_ng = _cast("inferences", kind), _cast(CARBON_NG, kind)
    parts = [figures.format(inferences, carbon_ng, rows)]
    parts += [figures.format(inferences, _cast("carbon_ng", kind), each) for each in sums]
    summed = ", ".join(_of(("inferences", "carbon_ng")))
    by_device = f"SELECT device_id, {summed} FROM ({' UNION ALL '.join(parts)}) GROUP BY 1"
    counted = f"SELECT *, count(*) OVER () AS devices FROM ({by_device})"
    return f"{counted} ORDER BY carbon_ng DESC, device_id LIMIT {most}"


def by_method(rows: str) -> str:
    """How many queries' figures are known in which way."""
    return _grouped(rows, ("methods", *KINDS), ())


def _grouped(rows: str, names: Sequence[str], figures: Sequence[str]) -> str:
    """Rows by some columns. Texts that are not known become empty in what comes out, not in every row: DuckDB groups
    by the files' dictionaries as they are, and any change to a text unpacks them.
    """
    grouped = f"SELECT {', '.join((*names, *_of(('inferences',)), *figures))} FROM ({rows}) GROUP BY {', '.join(names)}"
    optional = [name for name in names if name in _OPTIONAL]
    if not optional:
        return grouped
    figured = [each.rpartition(" AS ")[2] for each in figures]
    keys = (f"coalesce({name}, '') AS {name}" if name in optional else name for name in names)
    return f"SELECT {', '.join((*keys, 'inferences', *figured))} FROM ({grouped})"


def _of(names: Iterable[str]) -> list[str]:
    return [f"sum({name}) AS {name}" for name in names]
