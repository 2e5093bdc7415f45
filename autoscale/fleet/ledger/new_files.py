"""The files of a ledger as they are written, before a commit names them and they count."""

import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.files import sync, write_file
from autoscale.fleet.ledger.arrow import rejected_table_of, sums_table_of, table_of, write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.hourly import HourlySums, counted
from autoscale.fleet.ledger.rollup import sums_of
from autoscale.fleet.ledger.rows import Ints, Mask, Rows, Texts
from autoscale.fleet.ledger.validation import REASONS, Reasons
from autoscale.units import SECONDS_PER_DAY, US_PER_DAY

ROLL_UP_ROWS: Final = 4096
"""Of so many rows and more in one file the sums are written beside it; fewer are as quick to read themselves."""


class NewFiles:
    """Writes into the folder of a ledger; each method adds what it wrote to a list, for ``written`` and a commit.

    Args:
        folder: the ledger's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
                beside = self.day_folder(kind, day) / f"{path.stem}.{kind}"
                self.add(added, beside, day, rows, write_parquet(table, beside))

    def new_beside(self, entry: Entry) -> Path:
        """The path of a new file in the folder of another one."""
        return self.new((self.folder / entry.path).parent)

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

    def write_days(self, rows: Rows, added: list[Entry], is_summed: bool) -> None:
        """Rows by day, with the sums of large files if that is asked for."""
        for day, which in _days(rows.numbers["time_us"]):
            part = rows if which is None else rows.take(which)
            path = self.new(self.day_folder("records", day))
            sha256 = write_parquet(table_of(part), path)
            self.add(added, path, day, len(part), sha256)
            if is_summed:
                self.roll_up(path, day, len(part), added)

    def write_sent(self, sums: HourlySums, added: list[Entry]) -> None:
        """Sums that devices sent, by day."""
        for day, which in _days(sums.numbers["hour_us"]):
            part = sums if which is None else sums.take(which)
            path = self.new(self.day_folder("sent", day), ".sums")
            sha256 = write_parquet(sums_table_of(part.numbers, part.texts), path)
            self.add(added, path, day, part.inferences, sha256)

    def write_rejected_sums(self, sums: HourlySums, reasons: Reasons, added: list[Entry]) -> None:
        """Rejected sums with the index into ``REASONS`` of why."""
        path = self.new(self.folder / "quarantine", ".sums")
        sha256 = write_parquet(sums_table_of(sums.numbers, sums.texts, Texts(reasons.astype(np.int32), REASONS)), path)
        self.add(added, path, "", counted(sums), sha256)

    def write_rejected(self, rows: Rows, reasons: Reasons, added: list[Entry]) -> None:
        """The rejected ones among some rows (index into ``REASONS``, or -1)."""
        is_rejected = reasons >= 0
        if np.any(is_rejected):
            texts = Texts(reasons[is_rejected].astype(np.int32), REASONS)
            path = self.new(self.folder / "quarantine")
            sha256 = write_parquet(rejected_table_of(rows.take(is_rejected), texts), path)
            self.add(added, path, "", len(texts.codes), sha256)

    def write_unreadable(self, name: str, content: bytes, reported_rows: int, added: list[Entry]) -> None:
        """What came and cannot be read, by its sha256."""
        path = self.folder / unreadable_path(name)
        write_file(path, content)
        self.add(added, path, "", reported_rows, name)

    def day_folder(self, kind: str, day: str) -> Path:
        """The folder of a day, which is there from now on."""
        return self.part_folder(kind, f"day={day}")

    def part_folder(self, kind: str, part: str) -> Path:
        """The folder of a part of a kind, which is there from now on."""
        folder = self.folder / kind / part
        if not folder.is_dir():
            folder.mkdir()
            sync(folder.parent)
        return folder

    def new(self, folder: Path, suffix: str = ".parquet") -> Path:
        """A path that nothing has."""
        return folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}{suffix}"

    def add(self, added: list[Entry], path: Path, day: str, rows: int, sha256: str) -> None:
        """Take note of a file that was written, durably."""
        added.append(Entry(path.relative_to(self.folder).as_posix(), day, rows, path.stat().st_size, sha256))
        sync(path.parent)


def _days(time_us: Ints) -> Iterator[tuple[str, Mask | None]]:
    """Each day that there is, and which are of it; None for all."""
    numbers = time_us // US_PER_DAY
    days = np.unique(numbers)
    for number in days.tolist():
        day = datetime.fromtimestamp(number * SECONDS_PER_DAY, UTC).date().isoformat()
        yield day, None if len(days) == 1 else numbers == number


def unreadable_path(name: str) -> str:
    """Where what cannot be read lies, by its sha256."""
    return f"quarantine/{name}.batch"
