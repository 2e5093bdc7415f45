"""Queries of which a ledger has hourly sums alone: how many are in a span, and what becomes of hours that it cuts.

A part of an hour cannot be told from its sum. So an hour counts whole in the span in which it begins: spans that follow
each other still add up to the whole, and a report says which hours its own ends cut.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.rollup import HOUR_US
from autoscale.fleet.ledger.span import Span, microseconds
from autoscale.fleet.report.reading import Reading
from autoscale.units import US_PER_DAY


@dataclass(frozen=True, slots=True)
class CutHour:
    """An hour in which the span begins or ends, and of which there are sums.

    Attributes:
        hour_us: when it begins, since 1970.
        queries: that its sums are of.
        is_counted: whether all of them are in the report; else none is.
    """

    hour_us: int
    queries: int
    is_counted: bool


@dataclass(frozen=True, slots=True)
class SumsAlone:
    """Queries of a span that are sums and no rows.

    Attributes:
        aged: they had rows once, and no device is named any more.
        sent: devices sent them as sums: nobody but they knows which device.
        cut: hours that the span cuts.
    """

    aged: int = 0
    sent: int = 0
    cut: tuple[CutHour, ...] = ()


def sums_alone(read: Reading, entries: Mapping[Path, Entry], span: Span) -> SumsAlone:
    """Count them.

    Args:
        read: what a report reads.
        entries: of its files.
        span: that is asked for.

    Raises:
        OSError: a file cannot be read.
    """
    edges = [each for each in (span.since_us, span.until_us) if each is not None]
    days = {each - each % US_PER_DAY for each in edges}
    parts = {path: _by_hour(path) for path in (*read.aged, *read.sent) if microseconds(entries[path].day) in days}

    def counted(files: Iterable[Path]) -> int:
        return sum(_within(parts[path], span) if path in parts else entries[path].rows for path in files)

    hours = sorted({each - each % HOUR_US for each in edges if each % HOUR_US})
    cut = [CutHour(hour, sum(each.get(hour, 0) for each in parts.values()), _begins_in(hour, span)) for hour in hours]
    return SumsAlone(counted(read.aged), counted(read.sent), tuple(each for each in cut if each.queries))


def _by_hour(path: Path) -> dict[int, int]:
    table: Any = arrow("parquet").read_table(path, columns=["hour_us", "inferences"], partitioning=None)
    summed = table.group_by("hour_us").aggregate([("inferences", "sum")])
    return dict(zip(summed["hour_us"].to_pylist(), summed["inferences_sum"].to_pylist(), strict=True))


def _within(by_hour: Mapping[int, int], span: Span) -> int:
    return sum(queries for hour, queries in by_hour.items() if _begins_in(hour, span))


def _begins_in(hour_us: int, span: Span) -> bool:
    is_late_enough = span.since_us is None or span.since_us <= hour_us
    return is_late_enough and (span.until_us is None or hour_us < span.until_us)
