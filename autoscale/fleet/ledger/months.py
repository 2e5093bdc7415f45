"""Sums of whole months, made of the hourly ones: what a report of a year reads in their place.

A month has two files: ``days/`` by day, network, device model, regions and how figures are known; and ``hours/`` by
hour of the day, network, target, device model and regions. Each of a report's tables is made of one of the two. A
third, ``asking/``, has the sums of its files of devices. They are made once a month is over, anew where many others
came later, and go with the first of those that does; what came since is read beside them.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from autoscale.fleet.ledger.arrow import write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.rollup import ASKING, DROPPED, month_devices, month_sums
from autoscale.fleet.ledger.span import microseconds
from autoscale.fleet.ledger.store import MANY, Ledger
from autoscale.fleet.ledger.view import is_as_written

HOURLY: Final = ("sums", "sent")
"""Folders of hourly sums."""

_MADE_OF: Final = {tuple(DROPPED): HOURLY, (ASKING,): ("devices",)}
"""Folders of sums of a month that are made together to those of what they are of."""


@dataclass(frozen=True, slots=True)
class _Due:
    """Sums of a month to make: for which folders, of which files, and what they stand in the place of."""

    month: str
    folders: tuple[str, ...]
    sources: Sequence[Entry]
    stale: Sequence[str]


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
    for due in _due(ledger, month):
        _roll_up(ledger, due)
        made.append(due.month)
    return list(dict.fromkeys(made))


def _due(ledger: Ledger, before: str) -> Iterator[_Due]:
    """Months before one that have no sums yet, or many files beside them: what they are of, and what is stale."""
    of: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in ledger.manifest.entries():
        of[entry.day[:7], entry.folder].append(entry)
    covers = ledger.manifest.covers()
    for month in sorted({month for month, _ in of if month and month < before}):
        for folders, kinds in _MADE_OF.items():
            sources = [each for kind in kinds for each in of[month, kind]]
            made = [each.path for folder in folders for each in of[month, folder]]
            covered = {path for each in made for path in covers.get(each, ())}
            beside = sum(each.path not in covered for each in sources)
            if beside and (not made or beside >= MANY):
                yield _Due(month, folders, sources, made)


def _roll_up(ledger: Ledger, due: _Due) -> None:
    for each in due.sources:
        if not is_as_written(ledger.folder / each.path, each):
            raise OSError(f"'{each.path}' is damaged; the sums of {due.month} are not made of it")
    covered = frozenset(each.path for each in due.sources)
    with ledger.written() as added:
        for folder in due.folders:
            suffix = ".devices" if folder == ASKING else ".sums"
            path = ledger.new(ledger.part_folder(folder, f"month={due.month}"), suffix)
            inferences = sum(each.rows for each in due.sources)
            ledger.add(added, path, due.month, inferences, write_parquet(_table(ledger, due, folder, inferences), path))
        covers = {each.path: covered for each in added}
        ledger.manifest.commit(Change(added=tuple(added), retired=tuple(due.stale), covers=covers), time.time())


def _table(ledger: Ledger, due: _Due, folder: str, inferences: int) -> Any:
    paths = [ledger.folder / each.path for each in due.sources]
    if folder == ASKING:
        return month_devices(paths, inferences)
    return month_sums(paths, inferences, folder, microseconds(f"{due.month}-01"))
