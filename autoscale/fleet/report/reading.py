"""Which files of a ledger a report reads: rows, or the hourly sums that were made of them, never both of one file."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.rollup import ASKING, DROPPED, HOUR_US, MONTHS
from autoscale.fleet.ledger.span import Span, microseconds, when
from autoscale.fleet.ledger.view import LedgerView, verified
from autoscale.units import US_PER_DAY


@dataclass(frozen=True, slots=True)
class Reading:
    """Files to read.

    Attributes:
        rows: of rows.
        sums: of hourly sums, of other rows than those.
        days: of sums by day, of whole months, of other rows than those.
        hours: of sums by hour of the day, of the same rows as ``days``.
        devices: of sums by device, of whole months or not, of the same rows as the sums that are read.
        aged: of hourly sums of rows that are no more, so that no device is named; among ``sums``, or in a month's.
        sent: of hourly sums that devices sent, of queries that never had a row; likewise.
    """

    rows: tuple[Path, ...]
    sums: tuple[Path, ...]
    days: tuple[Path, ...]
    hours: tuple[Path, ...]
    devices: tuple[Path, ...]
    aged: tuple[Path, ...]
    sent: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.rows, *self.sums, *self.days, *self.hours, *self.devices)


def verified_reading(
    view: LedgerView, span: Span, from_sums: bool, only: Collection[str] = ()
) -> tuple[LedgerView, Reading]:
    """What to read, each file of it compared with its digest, and the view without those that are damaged.

    Where sums are damaged their rows are read in their place, or the hourly ones in that of a month's, and compared in
    turn.
    """
    looked_at: set[Path] = set()
    while new := set((read := reading(view, span, from_sums, only)).files) - looked_at:
        view, looked_at = verified(view, sorted(new)), looked_at | new
    return view, read


def reading(view: LedgerView, span: Span, from_sums: bool, only: Collection[str] = ()) -> Reading:
    """What to read of a ledger for a span: sums where rows were aged, or where they are asked for and tell as much.

    Rows of logs that are in several ledgers are read themselves, since a sum does not say whose rows are in it.

    Args:
        view: of the ledger.
        span: that is asked for.
        from_sums: whether sums are read where there are rows, too.
        only: dimensions of which one value is asked for.
    """
    by_path = {each.path: path for path, each in view.entries.items()}
    damaged = {each.path for each in view.damaged}
    is_free = from_sums and not view.shared
    rows, sums, devices, aged, sent = [], [], [], list[Path](), list[Path]()
    for entry in _touching(view, span):
        path, beside = by_path[entry.path], {name: entry.beside(name) for name in ("records", "sums", "devices")}
        if entry.is_rows:
            is_summed = beside["sums"] in by_path and beside["devices"] in by_path
            if not (is_free and is_summed and _is_of_hours(span, entry.day)):
                rows.append(path)
        elif entry.folder == "sent":
            sums.append(entry.path)
            sent.append(path)
        elif entry.folder == "sums" and beside["records"] not in damaged:
            has_rows = beside["records"] in by_path
            if not has_rows:
                sums.append(entry.path)
                aged.append(path)
            elif is_free and beside["devices"] in by_path and _is_of_hours(span, entry.day):
                sums.append(entry.path)
                devices.append(beside["devices"])
    months = [] if _BY_HOUR.intersection(only) else list(_months(view, frozenset(sums), span, tuple(DROPPED)))
    days, hours = ([each for each in months if view.entries[by_path[each]].folder == folder] for folder in DROPPED)
    hourly = _beside(view, sums, months)
    asking = list(_months(view, frozenset(devices), span, (ASKING,)))
    named = [*asking, *_beside(view, devices, asking)]
    of_sums, of_days, of_hours = (tuple(by_path[each] for each in which) for which in (hourly, days, hours))
    return Reading(
        tuple(rows), of_sums, of_days, of_hours, tuple(by_path[each] for each in named), tuple(aged), tuple(sent)
    )


_BY_HOUR: Final = frozenset(("target", "hour"))
"""Dimensions that the sums of a month by day do not have."""


def _beside(view: LedgerView, paths: Sequence[str], months: Sequence[str]) -> list[str]:
    """The files that are not in those of some months."""
    covered = frozenset[str]().union(*(view.covers[each] for each in months))
    return [each for each in paths if each not in covered]


def _months(view: LedgerView, others: frozenset[str], span: Span, folders: Sequence[str]) -> Iterator[str]:
    """The files in some folders of each month that is whole in a span, and of which all others would be read else."""
    found: dict[frozenset[str], list[str]] = {}
    for entry in view.entries.values():
        covered = view.covers.get(entry.path, frozenset())
        if entry.folder in folders and covered and covered <= others and _has_month(span, entry.day):
            found.setdefault(covered, []).append(entry.path)
    return (path for paths in found.values() if len(paths) == len(folders) for path in paths)


def _has_month(span: Span, month: str) -> bool:
    begins = f"{month}-01"
    ends = (datetime.fromisoformat(begins) + timedelta(days=31)).replace(day=1).date().isoformat()
    is_in = span.since_us is None or span.since_us <= microseconds(begins)
    return is_in and (span.until_us is None or span.until_us >= microseconds(ends))


def _touching(view: LedgerView, span: Span) -> Iterator[Entry]:
    """Entries of days that touch the span."""
    since = "" if span.since_us is None else when(span.since_us)[:10]
    until = "9999" if span.until_us is None else when(span.until_us)[:10]
    dated = (each for each in view.entries.values() if each.day and each.folder not in MONTHS)
    return (each for each in dated if since <= each.day <= until)


def _is_of_hours(span: Span, day: str) -> bool:
    """Whether a span takes whole hours of a day."""
    begins = microseconds(day)
    edges = (each for each in (span.since_us, span.until_us) if each is not None)
    return all(each % HOUR_US == 0 for each in edges if begins <= each < begins + US_PER_DAY)
