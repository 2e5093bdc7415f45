"""Any number of ledgers as one: what several collectors wrote, each for a part of the fleet.

A row's key is its device, log and number, so the same row in two ledgers is found: a file that is in both by its
digest, one whose rows were aged in a copy by its name, and rows of a log that both know by their numbers.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol, TypeVar

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.log_state import Gap, LogState
from autoscale.fleet.ledger.manifest import FILE, LedgerManifest, LogKey
from autoscale.fleet.ledger.view import LedgerView, read_ledger

_TRIES: Final = 5


def ledger_folder(address: Path | str) -> Path:
    """The folder of a ledger.

    Raises:
        InvalidInput: the address is one of object storage, which no ledger is written to or read from.
    """
    if "://" in str(address):
        raise InvalidInput(
            f"'{address}' is an address of object storage; allowed: a folder of this machine; 'autoscale fleet export' "
            "hands a copy on to such storage"
        )
    return Path(address)


def read_ledgers(addresses: Sequence[Path | str]) -> LedgerView:
    """Look at ledgers as one; a ledger that is given twice is looked at once.

    Raises:
        InvalidInput: none was given, one of them is none, or its manifest is damaged.
    """
    if not addresses:
        raise InvalidInput("no ledger is given; allowed: one or more folders")
    folders = [ledger_folder(each) for each in addresses]
    unlike = {each.resolve(): each for each in reversed(folders)}
    once = [each for each in dict.fromkeys(folders) if unlike[each.resolve()] == each]
    again = tuple(str(each) for each, many in Counter(each.resolve() for each in folders).items() if many > 1)
    views = [read_ledger(each) for each in once]
    if len(once) == 1:
        return replace(views[0], given_again=again)
    return replace(_joined(once, views), given_again=again)


class Seen(Protocol):
    """What was made of ledgers, with what was seen of them."""

    @property
    def ledger_view(self) -> LedgerView:
        """Damage that was met among it."""


Made = TypeVar("Made", bound=Seen)


def of_one_list(addresses: Sequence[Path | str], make: Callable[[LedgerView], Made]) -> Made:
    """What is made of ledgers as they are listed at one moment.

    Where a file was missed that ``retain``, ``forget`` or a collector took off the list meanwhile, nothing is damaged,
    and it is made anew.

    Raises:
        InvalidInput: as ``read_ledgers`` and ``make`` do; each time files were taken off the list meanwhile.
    """
    for _ in range(_TRIES):
        view = read_ledgers(addresses)
        try:
            made = make(view)
        except InvalidInput:
            if _is_listed(view, addresses):
                raise
            continue
        if not made.ledger_view.damaged or _is_listed(view, addresses):
            return made
    raise InvalidInput(f"files were rewritten in each of {_TRIES} readings; allowed: once that has ended")


def _is_listed(view: LedgerView, addresses: Sequence[Path | str]) -> bool:
    """Whether all that was listed is listed still."""
    then, now = (
        {each.path for each in (*view.entries.values(), *view.damaged)} for view in (view, read_ledgers(addresses))
    )
    return then <= now


def _joined(folders: Sequence[Path], views: Sequence[LedgerView]) -> LedgerView:
    counts: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    files: dict[Path, Entry] = {}
    damaged: list[Entry] = []
    covers: dict[str, frozenset[str]] = {}
    for folder, view in zip(folders, views, strict=True):
        counts.update(view.counts)
        lost.update(view.lost)
        files |= {path: _named(folder, each) for path, each in view.entries.items()}
        damaged += [_named(folder, each) for each in view.damaged]
        covers |= {f"{folder}/{path}": frozenset(f"{folder}/{each}" for each in of) for path, of in view.covers.items()}
    kept, copied = _unlike(files, damaged)
    shared = shared_logs(folders)
    missing, again = _together(folders, shared)
    counts["missing"] += missing
    return LedgerView(
        files=tuple(path for path, each in kept.items() if each.is_rows),
        damaged=tuple(damaged),
        counts=dict(counts),
        lost=dict(lost),
        entries=kept,
        covers=covers,
        is_sealed=all(each.is_sealed for each in views),
        shared=tuple(shared),
        copied_rows=copied,
        arrived_again=again,
    )


def _named(folder: Path, entry: Entry) -> Entry:
    return replace(entry, path=f"{folder}/{entry.path}")


def _unlike(files: dict[Path, Entry], damaged: Iterable[Entry]) -> tuple[dict[Path, Entry], int]:
    """Files of which none is of the same rows as another ledger's, and of how many rows the others are.

    Sums keep the name of their rows, so those of rows that were aged are known where a copy has the rows still.
    """
    listed = {each.path for each in (*files.values(), *damaged)}
    aged = {path for path, each in files.items() if each.folder == "sums" and each.beside("records") not in listed}
    first: dict[str, Path] = {}
    unlike = {path: each for path, each in files.items() if first.setdefault(each.sha256 or str(path), path) == path}
    with_rows = {(each.day, path.stem) for path, each in unlike.items() if each.is_rows}
    kept = {path: each for path, each in unlike.items() if path not in aged or (each.day, path.stem) not in with_rows}
    return kept, sum(each.rows for path, each in files.items() if path not in kept and (each.is_rows or path in aged))


def shared_logs(folders: Iterable[Path]) -> list[LogKey]:
    """Logs of which rows arrived in more than one ledger."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as base:
        for name in ("seen", "shared"):
            base.execute(f"CREATE TABLE {name}(device_id TEXT, log_id TEXT, PRIMARY KEY(device_id, log_id))")
        for folder in folders:
            base.execute("ATTACH ? AS ledger", (str(folder / FILE),))
            known = "SELECT device_id, log_id FROM ledger.logs"
            base.execute(f"INSERT OR IGNORE INTO shared {known} INTERSECT SELECT * FROM seen")
            base.execute(f"INSERT OR IGNORE INTO seen {known}")
            base.execute("DETACH ledger")
        return list(base.execute("SELECT * FROM shared ORDER BY device_id, log_id"))


def _together(folders: Sequence[Path], shared: Iterable[LogKey]) -> tuple[int, int]:
    """What to add to the sum of the logs' missing rows, so that only those count which no ledger has; and how many rows
    arrived that another ledger has too.
    """
    missing = again = 0
    with ExitStack() as stack:
        manifests = [stack.enter_context(closing(LedgerManifest(each, writes=False))) for each in folders]
        for key in shared:
            known = [state for each in manifests if (state := each.log(key)) is not None]
            union = _union(known)
            missing += union.missing - sum(each.missing for each in known)
            again += sum(each.arrived for each in known) - union.arrived
    return missing, again


def _union(known: Sequence[LogState]) -> LogState:
    last = max(each.high_water for each in known)
    gaps: list[list[Gap]] = [[*each.gaps, (each.high_water + 1, last)] for each in known]
    absent = reduce(_both, gaps)
    return LogState(last, tuple(absent))


def _both(one: list[Gap], other: list[Gap]) -> list[Gap]:
    """What lies in a gap of each.

    >>> _both([(0, 5), (8, 9)], [(4, 8)])
    [(4, 5), (8, 8)]
    """
    edges = sorted({edge for first, last in (*one, *other) for edge in (first, last + 1)})
    spans = [(first, end - 1) for first, end in pairwise(edges)]
    return [each for each in spans if _holds(one, each) and _holds(other, each)]


def _holds(gaps: list[Gap], span: Gap) -> bool:
    return any(first <= span[0] and span[1] <= last for first, last in gaps)
