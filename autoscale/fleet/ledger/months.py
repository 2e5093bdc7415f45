"""Sums of whole months, made of the hourly ones: what a report of a year reads in their place.

A month has two files: ``days/`` by day, network, device model, regions and how figures are known; and ``hours/`` by
hour of the day, network, target, device model and regions. Each of a report's tables is made of one of the two. They
are made once a month is over, anew where many hourly sums came later, and go with the first of the hourly ones that
does; what came since is read beside them.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from autoscale.fleet.ledger.arrow import write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.rollup import DROPPED, month_sums
from autoscale.fleet.ledger.span import microseconds
from autoscale.fleet.ledger.store import MANY, Ledger
from autoscale.fleet.ledger.view import is_as_written

HOURLY = ("sums", "sent")
"""Folders of hourly sums."""


def roll_up_months(ledger: Ledger, today: datetime | None = None) -> list[str]:
    """Make the sums of months that are over; the months that were made.

    Args:
        ledger: open.
        today: UTC; None for now. A month is over two days after its last, since devices send late.

    Raises:
        OSError: the disk is full or fails, or a file of hourly sums is damaged; months before it are done.
    """
    month = ((today or datetime.now(UTC)) - timedelta(days=2)).strftime("%Y-%m")
    made = []
    for name, hourly, stale in _due(ledger, month):
        _roll_up(ledger, name, hourly, stale)
        made.append(name)
    return made


def _due(ledger: Ledger, before: str) -> Iterator[tuple[str, Sequence[Entry], Sequence[str]]]:
    """Months before one that have no sums yet, or many hourly ones beside them: the hourly ones, and what is stale."""
    by_month: dict[str, list[Entry]] = defaultdict(list)
    made: dict[str, list[str]] = defaultdict(list)
    for entry in ledger.manifest.entries():
        if entry.folder in HOURLY:
            by_month[entry.day[:7]].append(entry)
        elif entry.folder in DROPPED:
            made[entry.day].append(entry.path)
    covers = ledger.manifest.covers()
    for month, hourly in sorted(by_month.items()):
        covered = {path for each in made[month] for path in covers.get(each, ())}
        beside = sum(each.path not in covered for each in hourly)
        if month < before and beside and (not made[month] or beside >= MANY):
            yield month, hourly, made[month]


def _roll_up(ledger: Ledger, month: str, hourly: Sequence[Entry], stale: Sequence[str]) -> None:
    for each in hourly:
        if not is_as_written(ledger.folder / each.path, each):
            raise OSError(f"'{each.path}' is damaged; the sums of {month} are not made of it")
    paths, inferences = [ledger.folder / each.path for each in hourly], sum(each.rows for each in hourly)
    covered = frozenset(each.path for each in hourly)
    with ledger.written() as added:
        for folder in DROPPED:
            path = ledger.new(ledger.part_folder(folder, f"month={month}"), ".sums")
            table = month_sums(paths, inferences, folder, microseconds(f"{month}-01"))
            ledger.add(added, path, month, inferences, write_parquet(table, path))
        covers = {each.path: covered for each in added}
        ledger.manifest.commit(Change(added=tuple(added), retired=tuple(stale), covers=covers), time.time())
