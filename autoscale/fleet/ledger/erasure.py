"""Taking rows out of a ledger because somebody asked, or because they are old enough: retired, rewritten, and counted.

One transaction changes the ledger: before it nothing has happened, after it the rows are gone from what counts. What
held them is removed at once, without the grace that a compaction leaves to reports which are under way; where that is
interrupted, when the ledger is next opened for writing. What a file system or a copy keeps beyond that is not in the
ledger's hands.
"""

import time
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.arrow import arrow, write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.store import Ledger, with_sums
from autoscale.fleet.ledger.view import is_as_written

TAKEN_DAYS: Final = 400
"""So long it is known which messages of sums came: one that a device sends again later than that counts again."""


@dataclass(slots=True)
class _Plan:
    """What one transaction will do."""

    added: list[Entry]
    known: Container[str]
    retired: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was taken out.

    Attributes:
        rows: accepted rows.
        quarantined: rejected rows, those of batches that could not be read with them.
        files: that were removed or written anew.
        damaged: files that could not be looked into, and may hold more.
    """

    rows: int
    quarantined: int
    files: int
    damaged: tuple[str, ...] = ()


def forget(ledger: Ledger, device_id: str) -> Erasure:
    """Take out every row of a device, what is known of its logs, and what lies in quarantine.

    Hourly sums of rows that were aged, and those that a device sent itself, stay: they name no device, and hold
    nothing by which it could be found.

    Raises:
        InvalidInput: an empty name.
        OSError: the disk is full or fails; nothing has changed.
    """
    if not device_id:
        raise InvalidInput("device_id is ''; allowed: the name of one, as in the rows")
    with ledger.written() as added:
        plan = _Plan(added, ledger.manifest.known())
        for entry in ledger.manifest.entries():
            if entry.folder in ("records", "quarantine"):
                _without(ledger, entry, device_id, plan)
        _commit(ledger, plan, device_id)
    _remove(ledger)
    return _told(plan)


def retain(ledger: Ledger, days: int, today: datetime | None = None) -> Erasure:
    """Age what is older than some days: of rows the hourly sums stay, devices and quarantine go.

    Args:
        ledger: open.
        days: that are kept, before today's.
        today: UTC; None for now.

    Raises:
        InvalidInput: no days.
        OSError: the disk is full or fails; nothing has changed.
    """
    if days < 1:
        raise InvalidInput(f"days is {days}; allowed: 1 or more")
    before = ((today or datetime.now(UTC)) - timedelta(days=days)).date().isoformat()
    with ledger.written() as added:
        entries = ledger.manifest.entries()
        plan = _Plan(added, {each.path for each in entries})
        for entry in entries:
            if entry.is_rows and entry.day < before:
                _age(ledger, entry, plan)
            elif entry.folder == "quarantine" and _written_on(ledger, entry) < before:
                plan.retired.append(entry.path)
                plan.counts["quarantine_aged"] += entry.rows
        _commit(ledger, plan, untold_days=max(days, TAKEN_DAYS))
    _remove(ledger)
    return _told(plan)


def _age(ledger: Ledger, entry: Entry, plan: _Plan) -> None:
    path = ledger.folder / entry.path
    if not is_as_written(path, entry):
        plan.damaged.append(entry.path)
        return
    if entry.beside("sums") not in plan.known:
        ledger.roll_up(path, entry.day, entry.rows, plan.added, least=1, kinds=("sums",))
    plan.retired += [each for each in with_sums(entry, plan.known) if each != entry.beside("sums")]
    plan.counts["aged"] += entry.rows


def _without(ledger: Ledger, entry: Entry, device_id: str, plan: _Plan) -> None:
    path = ledger.folder / entry.path
    if not is_as_written(path, entry):
        plan.damaged.append(entry.path)
    elif path.suffix == ".sums":
        return  # names no device
    elif path.suffix == ".batch":
        if device_id.encode() in path.read_bytes():
            plan.retired.append(entry.path)
            plan.counts.update({"rejected:truncated": -entry.rows, "quarantine_forgotten": entry.rows})
    elif gone := _rows_of(path, device_id):
        _rewrite(ledger, entry, device_id, gone, plan)


def _rows_of(path: Any, device_id: str) -> int:
    """How many rows of a file are of a device."""
    column = arrow("parquet").ParquetFile(path).read(columns=["device_id"])["device_id"]
    return int(arrow("compute").sum(arrow("compute").equal(column, device_id)).as_py() or 0)


def _rewrite(ledger: Ledger, entry: Entry, device_id: str, gone: int, plan: _Plan) -> None:
    table = arrow("parquet").ParquetFile(ledger.folder / entry.path).read()
    is_kept = arrow("compute").not_equal(table["device_id"], device_id)
    kept = table.filter(is_kept)
    if kept.num_rows:
        path = ledger.new_beside(entry)
        ledger.add(plan.added, path, entry.day, kept.num_rows, write_parquet(kept, path))
        if entry.is_rows:
            ledger.roll_up(path, entry.day, kept.num_rows, plan.added)
    plan.retired += with_sums(entry, plan.known)
    if entry.is_rows:
        plan.counts["forgotten"] += gone
    else:
        reasons = Counter(table.filter(arrow("compute").invert(is_kept))["reason"].to_pylist())
        plan.counts.update({f"rejected:{reason}": -count for reason, count in reasons.items()})
        plan.counts["quarantine_forgotten"] += gone


def _written_on(ledger: Ledger, entry: Entry) -> str:
    """The day on which something came into quarantine: by its name, or by its file's time."""
    stamp = entry.path.rpartition("/")[2].partition("-")[0]
    written_s = int(stamp) / 1e9 if stamp.isdecimal() else (ledger.folder / entry.path).stat().st_mtime
    return datetime.fromtimestamp(written_s, UTC).date().isoformat()


def _commit(ledger: Ledger, plan: _Plan, forgotten: str = "", untold_days: int = 0) -> None:
    change = Change(
        added=tuple(plan.added),
        retired=tuple(plan.retired),
        is_erased=True,
        counts=plan.counts,
        forgotten=forgotten,
        untold_days=untold_days,
    )
    ledger.manifest.commit(change, time.time())


def _remove(ledger: Ledger) -> None:
    """What went, with the sums of months that went along: those by device name some."""
    ledger.remove(ledger.manifest.retired(before_s=1.0))


def _told(plan: _Plan) -> Erasure:
    rows = sum(plan.counts[name] for name in ("aged", "forgotten"))
    quarantined = sum(plan.counts[name] for name in ("quarantine_aged", "quarantine_forgotten"))
    return Erasure(rows, quarantined, len(plan.retired), tuple(plan.damaged))
