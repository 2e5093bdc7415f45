"""The ledger on disk: Parquet by day, and the manifest that says which files count. Needs the extra ``fleet``.

::

    LEDGER/manifest.sqlite                          which files count; never glob
    LEDGER/records/day=2026-11-21/<name>.parquet    accepted rows by day (UTC) of time_us
    LEDGER/sums/day=2026-11-21/<name>.sums          hourly sums of the rows of that name, without devices; Parquet
    LEDGER/devices/day=2026-11-21/<name>.devices    sums of the same rows by device; Parquet
    LEDGER/quarantine/<name>.parquet                rejected rows with their reason
    LEDGER/quarantine/<sha256>.batch                what could not be read as rows, as it came

The rows of all quarantine's files, as the manifest tells them, sum to the counts ``rejected:<reason>``.

A commit writes files beside their place, syncs and renames them, then names them in the manifest in one transaction,
together with what has arrived of every log. A crash before that leaves files that do not count and that the next
opening removes; the devices, which had no answer, send again.
"""

import time
import uuid
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.closing import Closing
from autoscale.errors import InvalidInput
from autoscale.files import atomic_write, sync
from autoscale.fleet.ledger.arrow import arrow, merge_parquet, rejected_table_of, table_of, write_parquet
from autoscale.fleet.ledger.lock import FolderLock
from autoscale.fleet.ledger.manifest import FILE, Change, Entry, LedgerManifest, tier
from autoscale.fleet.ledger.rollup import sums_of
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.validation import REASONS, Reasons
from autoscale.fleet.ledger.view import is_as_written
from autoscale.units import SECONDS_PER_DAY, US_PER_DAY

GRACE_S: Final = 3600.0
"""How long a compacted file stays for reports that began before."""

SMALL_BYTES: Final = 64 << 20
MANY: Final = 16
"""So many files of one day, smaller than that and of about one size, are worth merging."""

ROLL_UP_ROWS: Final = 4096
"""Of so many rows and more in one file the sums are written beside it; fewer are as quick to read themselves."""

_FOLDERS: Final = ("records", "quarantine", "sums", "devices")
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
    """

    rows: Rows
    reasons: Reasons | None = None
    unreadable: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)
    change: Change = field(default_factory=Change)
    is_summed: bool = False


class Ledger(Closing):
    """A ledger open for writing, by one process at a time; a context manager.

    Raises:
        InvalidInput: another process writes it, it is of a later version, it lost its manifest, or it is no folder.
        MissingExtra: pyarrow is not installed.
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path | str) -> None:
        arrow("parquet")
        self.folder = Path(folder)
        self._unmergeable: set[str] = set()
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
                self._write_rejected(intake.rows, intake.reasons, added)
            self._write_days(accepted, added, intake.is_summed)
            for name, (content, reported_rows) in intake.unreadable.items():
                self._write_unreadable(name, content, reported_rows, added)
            counts = {**intake.change.counts, "accepted": len(accepted)}
            self.manifest.commit(replace(intake.change, added=tuple(added), counts=counts), time.time())

    def write(self, rows: Rows) -> None:
        """Add rows that need no check, as a simulator's.

        Raises:
            OSError: the disk is full or fails.
        """
        self.commit(Intake(rows, is_summed=True))

    def has_unreadable(self, name: str) -> bool:
        """Whether something of this sha256 is in quarantine already."""
        return self.manifest.has(_unreadable_path(name))

    def crowded_days(self) -> list[str]:
        """Days with so many small files of about one size that merging them helps who reads."""
        days = self.manifest.crowded_days(SMALL_BYTES, MANY)
        return [each for each in days if each not in self._unmergeable]

    def compact(self, day: str) -> None:
        """Merge the small files of a day into one; the old ones go after ``GRACE_S``, damaged ones stay as they are.

        Raises:
            OSError: the disk is full or fails, and nothing has changed; or a file is damaged, the others are merged,
                and it is left alone from now on.
        """
        known = frozenset(self._damaged)
        small = self._like(day)
        if len(small) < 2:
            self._unmergeable.add(day)
            return
        with self.written() as added:
            path = self._new(self._day_folder("records", day))
            rows = sum(each.rows for each in small)
            sha256 = self._merge([self.folder / each.path for each in small], path, rows, day)
            self.add(added, path, day, rows, sha256)
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

    def roll_up(
        self,
        path: Path,
        day: str,
        rows: int,
        added: list[Entry],
        least: int | None = None,
        kinds: Collection[str] = ("sums", "devices"),
    ) -> None:
        """Write the sums of a file of rows beside it, if it has that many (``ROLL_UP_ROWS`` where it is not said).

        Raises:
            OSError: the disk is full or fails, or the file cannot be summed.
        """
        if rows < (ROLL_UP_ROWS if least is None else least):
            return
        for kind, table in zip(("sums", "devices"), sums_of(path), strict=True):
            if kind in kinds:
                beside = self._day_folder(kind, day) / f"{path.stem}.{kind}"
                self.add(added, beside, day, rows, write_parquet(table, beside))

    def new_beside(self, entry: Entry) -> Path:
        """The path of a new file in the folder of another one."""
        return self._new((self.folder / entry.path).parent)

    @contextmanager
    def written(self) -> Iterator[list[Entry]]:
        """Collects files that are written for a commit, and removes them where it fails."""
        added: list[Entry] = []
        try:
            yield added
        except BaseException:
            for each in added:
                with suppress(OSError):  # what cannot be removed does not count either
                    (self.folder / each.path).unlink()
            raise

    def _write_days(self, rows: Rows, added: list[Entry], is_summed: bool) -> None:
        numbers = rows.numbers["time_us"] // US_PER_DAY
        days = np.unique(numbers)
        for number in days.tolist():
            day = datetime.fromtimestamp(number * SECONDS_PER_DAY, UTC).date().isoformat()
            part = rows if len(days) == 1 else rows.take(numbers == number)
            path = self._new(self._day_folder("records", day))
            sha256 = write_parquet(table_of(part), path)
            self.add(added, path, day, len(part), sha256)
            if is_summed:
                self.roll_up(path, day, len(part), added)

    def _write_rejected(self, rows: Rows, reasons: Reasons, added: list[Entry]) -> None:
        is_rejected = reasons >= 0
        if np.any(is_rejected):
            texts = Texts(reasons[is_rejected].astype(np.int32), REASONS)
            path = self._new(self.folder / "quarantine")
            sha256 = write_parquet(rejected_table_of(rows.take(is_rejected), texts), path)
            self.add(added, path, "", len(texts.codes), sha256)

    def _write_unreadable(self, name: str, content: bytes, reported_rows: int, added: list[Entry]) -> None:
        path = self.folder / _unreadable_path(name)
        with atomic_write(path) as file:
            file.write(content)
        self.add(added, path, "", reported_rows, name)

    def _like(self, day: str) -> list[Entry]:
        """Files of a day to merge: the small ones up to the largest tier that is crowded, none that is damaged."""
        small = [each for each in self.manifest.entries(day) if each.is_rows and each.bytes < SMALL_BYTES]
        small = [each for each in small if each.path not in self._damaged]
        self._damaged |= {each.path for each in small if not is_as_written(self.folder / each.path, each)}
        small = [each for each in small if each.path not in self._damaged]
        counts = Counter(tier(each.bytes) for each in small)
        most = max((each for each, count in counts.items() if count >= MANY), default=-1)
        return [each for each in small if tier(each.bytes) <= most]

    def _merge(self, sources: list[Path], path: Path, rows: int, day: str) -> str:
        try:
            return merge_parquet(sources, path, rows)
        except OSError:
            self._unmergeable.add(day)
            raise

    def _day_folder(self, kind: str, day: str) -> Path:
        folder = self.folder / kind / f"day={day}"
        if not folder.is_dir():
            folder.mkdir()
            sync(folder.parent)
        return folder

    def _new(self, folder: Path) -> Path:
        return folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"

    def add(self, added: list[Entry], path: Path, day: str, rows: int, sha256: str) -> None:
        """Take note of a file that was written, durably."""
        added.append(Entry(path.relative_to(self.folder).as_posix(), day, rows, path.stat().st_size, sha256))
        sync(path.parent)

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


def _unreadable_path(name: str) -> str:
    return f"quarantine/{name}.batch"
