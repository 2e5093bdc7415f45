"""The ledger on disk: Parquet by day, and the manifest that says which files count. Needs the extra ``fleet``.

::

    LEDGER/manifest.sqlite                          which files count; never glob
    LEDGER/records/day=2026-11-21/<name>.parquet    accepted rows by day (UTC) of time_us
    LEDGER/sums/day=2026-11-21/<name>.sums          hourly sums of the rows of that name, without devices; Parquet
    LEDGER/devices/day=2026-11-21/<name>.devices    sums of the same rows by device; Parquet
    LEDGER/sent/day=2026-11-21/<name>.sums          hourly sums that devices sent in place of rows; Parquet
    LEDGER/days/month=2026-11/<name>.sums           sums of a month by day (months.py); Parquet
    LEDGER/hours/month=2026-11/<name>.sums          the same by hour of the day; Parquet
    LEDGER/asking/month=2026-11/<name>.devices      sums of a month by device; Parquet
    LEDGER/quarantine/<name>.parquet                rejected rows with their reason
    LEDGER/quarantine/<name>.sums                   rejected sums with their reason; Parquet
    LEDGER/quarantine/<sha256>.batch                what could not be read as rows, as it came

The rows of all quarantine's files, as the manifest tells them, sum to the counts ``rejected:<reason>``.

A commit writes files beside their place, syncs and renames them, then names them in the manifest in one transaction,
together with what has arrived of every log. A crash before that leaves files that do not count and that the next
opening removes; the devices, which had no answer, send again.
"""

import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.closing import Closing
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.arrow import arrow, merge_parquet, write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.hourly import HourlySums
from autoscale.fleet.ledger.lock import FolderLock
from autoscale.fleet.ledger.manifest import FILE, Change, LedgerManifest, tier
from autoscale.fleet.ledger.new_files import NewFiles, unreadable_path
from autoscale.fleet.ledger.rollup import merged_sums
from autoscale.fleet.ledger.rows import Rows
from autoscale.fleet.ledger.validation import Reasons
from autoscale.fleet.ledger.view import is_as_written
from autoscale.units import SECONDS_PER_HOUR

GRACE_S: Final = SECONDS_PER_HOUR
"""How long a compacted file stays for reports that began before."""

SMALL_BYTES: Final = 64 << 20
MANY: Final = 16
"""So many files of one day, smaller than that and of about one size, are worth merging."""

_FOLDERS: Final = ("records", "quarantine", "sums", "devices", "sent", "days", "hours", "asking")
_SUFFIXES: Final = (".parquet", ".batch", ".part", ".sums", ".devices")


@dataclass(frozen=True, slots=True)
class Intake:
    """Rows to commit together.

    Attributes:
        rows: of any days.
        reasons: why each is rejected, as ``validate`` says; None for all accepted.
        unreadable: sha256 to what could not be read as rows, and as how many it is counted.
        change: what else becomes true with them.
        is_summed: whether the sums of large files are written, too; a collector leaves them to its merges.
        sums: hourly sums in place of rows.
        rejected_sums: those that are not taken, and why, as ``validate_sums`` says.
    """

    rows: Rows
    reasons: Reasons | None = None
    unreadable: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)
    change: Change = field(default_factory=Change)
    is_summed: bool = False
    sums: HourlySums | None = None
    rejected_sums: tuple[HourlySums, Reasons] | None = None


class Ledger(NewFiles, Closing):
    """A ledger open for writing, by one process at a time; a context manager.

    Raises:
        InvalidInput: another process writes it, it is of a later version, it lost its manifest, or it is no folder.
        MissingExtra: pyarrow is not installed.
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path | str) -> None:
        arrow("parquet")
        super().__init__(Path(folder))
        self._unmergeable: set[tuple[str, str]] = set()
        self._damaged: set[str] = set()
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInput(f"'{self.folder}' is a file; allowed: a folder, which is made where there is none")
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder, "ledger", "collector")
        try:
            self._check_manifest()
            self.manifest = LedgerManifest(self.folder)
            self._clean()
        except BaseException:
            self._lock.close()
            raise

    def commit(self, intake: Intake) -> None:
        """Add rows; when this returns they are on disk and count, when it raises nothing has changed.

        Raises:
            OSError: the disk is full or fails.
        """
        with self.written() as added:
            if intake.reasons is None:
                accepted = intake.rows
            else:
                accepted = intake.rows.take(intake.reasons < 0) if bool(np.any(intake.reasons >= 0)) else intake.rows
                self.write_rejected(intake.rows, intake.reasons, added)
            self.write_days(accepted, added, intake.is_summed)
            for name, (content, reported_rows) in intake.unreadable.items():
                self.write_unreadable(name, content, reported_rows, added)
            if intake.sums is not None:
                self.write_sent(intake.sums, added)
            if intake.rejected_sums is not None:
                self.write_rejected_sums(*intake.rejected_sums, added)
            in_sums = 0 if intake.sums is None else intake.sums.inferences
            counts = {**intake.change.counts, "accepted": len(accepted) + in_sums}
            self.manifest.commit(replace(intake.change, added=tuple(added), counts=counts), time.time())

    def write(self, rows: Rows) -> None:
        """Add rows that need no check, as a simulator's.

        Raises:
            OSError: the disk is full or fails.
        """
        self.commit(Intake(rows, is_summed=True))

    def has_unreadable(self, name: str) -> bool:
        """Whether something of this sha256 is in quarantine already."""
        return self.manifest.has(unreadable_path(name))

    def crowded_days(self, kind: str = "records") -> list[str]:
        """Days with so many small files of rows, or of ``sent`` sums, of one size that merging them helps who reads."""
        days = self.manifest.crowded_days(kind, SMALL_BYTES, MANY)
        return [each for each in days if (kind, each) not in self._unmergeable]

    def compact(self, day: str, kind: str = "records") -> None:
        """Merge the small files of a day into one; the old ones go after ``GRACE_S``, damaged ones stay as they are.

        Raises:
            OSError: the disk is full or fails, and nothing has changed; or a file is damaged, the others are merged,
                and it is left alone from now on.
        """
        known = frozenset(self._damaged)
        small = self._like(day, kind)
        if len(small) < 2:
            self._unmergeable.add((kind, day))
            return
        with self.written() as added:
            path = self.new(self.day_folder(kind, day), Path(small[0].path).suffix)
            rows = sum(each.rows for each in small)
            sha256 = self._merge([self.folder / each.path for each in small], path, rows, (kind, day))
            self.add(added, path, day, rows, sha256)
            if kind == "records":
                self.roll_up(path, day, rows, added)
            here = self.manifest.known()
            retired = tuple(path for each in small for path in with_sums(each, here))
            self.manifest.commit(Change(added=tuple(added), retired=retired), time.time())
        self.remove(self.manifest.retired(time.time() - GRACE_S))
        if found := self._damaged - known:
            raise OSError(f"{', '.join(sorted(found))} is damaged, and stays as it is; the others are merged")

    def close(self) -> None:
        """Let others write."""
        self.manifest.close()
        self._lock.close()

    def _like(self, day: str, kind: str) -> list[Entry]:
        """Files of a day to merge: the small ones up to the largest tier that is crowded, none that is damaged."""
        small = [each for each in self.manifest.entries(day) if each.folder == kind and each.bytes < SMALL_BYTES]
        small = [each for each in small if each.path not in self._damaged]
        self._damaged |= {each.path for each in small if not is_as_written(self.folder / each.path, each)}
        small = [each for each in small if each.path not in self._damaged]
        counts = Counter(tier(each.bytes) for each in small)
        most = max((each for each, count in counts.items() if count >= MANY), default=-1)
        return [each for each in small if tier(each.bytes) <= most]

    def _merge(self, sources: list[Path], path: Path, rows: int, which: tuple[str, str]) -> str:
        try:
            if which[0] == "records":
                return merge_parquet(sources, path, rows)
            return write_parquet(merged_sums(sources, rows), path)
        except OSError:
            self._unmergeable.add(which)
            raise

    def _clean(self) -> None:
        """Remove what a crash left over: files that no manifest names, whole or half-written."""
        known = self.manifest.known()
        here = [path.relative_to(self.folder).as_posix() for path in self._files()]
        self.remove(each for each in here if each not in known)
        self.remove(self.manifest.retired(time.time() - GRACE_S))

    def _files(self) -> list[Path]:
        """Whatever is of a kind that a ledger writes; all else is somebody's own."""
        here = (path for name in _FOLDERS for path in (self.folder / name).rglob("*"))
        return [path for path in here if path.suffix in _SUFFIXES and path.is_file()]

    def _check_manifest(self) -> None:
        """Without its manifest a ledger's files would all be leftovers."""
        path = self.folder / FILE
        if not (path.is_file() and path.stat().st_size) and self._files():
            raise InvalidInput(
                f"'{self.folder}' has files in {' or '.join(_FOLDERS[:2])} but no {FILE}, which says what they are; "
                "allowed: a ledger with its manifest (bring it back), or a new folder"
            )

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that do not count any more, and what the manifest knew of them."""
        removed = list(paths)
        for each in removed:
            (self.folder / each).unlink(missing_ok=True)
        self.manifest.forget(removed)


def with_sums(entry: Entry, known: Container[str]) -> list[str]:
    """The path of a file, and if it is of rows those of its sums, of all that a ledger has."""
    if not entry.is_rows:
        return [entry.path]
    return [entry.path, *(path for kind in ("sums", "devices") if (path := entry.beside(kind)) in known)]
