"""Which files of a ledger a report reads: rows, or the hourly sums that were made of them, never both of one file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.rollup import HOUR_US
from autoscale.fleet.ledger.span import Span, microseconds, when
from autoscale.fleet.ledger.view import LedgerView, verified
from autoscale.units import US_PER_DAY


@dataclass(frozen=True, slots=True)
class Reading:
    """Files to read.

    Attributes:
        rows: of rows.
        sums: of hourly sums, of other rows than those.
        devices: of sums by device, of the same rows as the hourly ones.
        aged_rows: rows of which there are the hourly sums alone, and no device is named any more.
        sent_queries: queries that devices sent as hourly sums, and that never had a row.
    """

    rows: tuple[Path, ...]
    sums: tuple[Path, ...]
    devices: tuple[Path, ...]
    aged_rows: int
    sent_queries: int

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.rows, *self.sums, *self.devices)


def verified_reading(view: LedgerView, span: Span, from_sums: bool) -> tuple[LedgerView, Reading]:
    """What to read, each file of it compared with its digest, and the view without those that are damaged.

    Where sums are damaged their rows are read in their place, and compared in turn.
    """
    looked_at: set[Path] = set()
    while new := set((read := reading(view, span, from_sums)).files) - looked_at:
        view, looked_at = verified(view, sorted(new)), looked_at | new
    return view, read


def reading(view: LedgerView, span: Span, from_sums: bool) -> Reading:
    """What to read of a ledger for a span: sums where rows were aged, or where they are asked for and tell as much.

    Rows of logs that are in several ledgers are read themselves, since a sum does not say whose rows are in it.
    """
    by_path = {each.path: path for path, each in view.entries.items()}
    damaged = {each.path for each in view.damaged}
    rows, sums, devices, aged, sent = [], [], [], 0, 0
    for entry in _touching(view, span):
        path, beside = by_path[entry.path], {name: entry.beside(name) for name in ("records", "sums", "devices")}
        if entry.is_rows:
            is_summed = beside["sums"] in by_path and beside["devices"] in by_path
            if not (from_sums and is_summed and not view.shared and _is_of_hours(span, entry.day)):
                rows.append(path)
        elif entry.folder == "sent":
            sums.append(path)
            sent += entry.rows
        elif entry.folder == "sums" and beside["records"] not in damaged:
            has_rows = beside["records"] in by_path
            if not has_rows:
                sums.append(path)
                aged += entry.rows
            elif from_sums and not view.shared and beside["devices"] in by_path and _is_of_hours(span, entry.day):
                sums.append(path)
                devices.append(by_path[beside["devices"]])
    return Reading(tuple(rows), tuple(sums), tuple(devices), aged, sent)


def _touching(view: LedgerView, span: Span) -> Iterator[Entry]:
    """Entries of days that touch the span."""
    since = "" if span.since_us is None else when(span.since_us)[:10]
    until = "9999" if span.until_us is None else when(span.until_us)[:10]
    return (each for each in view.entries.values() if each.day and since <= each.day <= until)


def _is_of_hours(span: Span, day: str) -> bool:
    """Whether a span takes whole hours of a day."""
    begins = microseconds(day)
    edges = (each for each in (span.since_us, span.until_us) if each is not None)
    return all(each % HOUR_US == 0 for each in edges if begins <= each < begins + US_PER_DAY)
