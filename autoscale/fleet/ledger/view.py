"""A ledger as a report reads it, also while a collector writes it."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoscale.fleet.ledger.arrow import is_readable
from autoscale.fleet.ledger.digest import sha256_of
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import LogKey, is_whole, read_ledger_manifest
from autoscale.fleet.ledger.rollup import MONTHS


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What counts in a ledger at one moment.

    Attributes:
        files: Parquet files of the accepted rows, and only they: never glob the folder, where a file that a crash or
            a compaction left over would count twice.
        damaged: files that should be there, and are missing, of another size or, where that was looked at, of another
            content than was written, with the rows they held.
        counts: ``accepted``, ``duplicate``, ``reordered``, ``rejected:<reason>``, ``clock_set_back`` (accepted rows
            that are over a minute earlier than the row before them in their batch), and ``missing``: rows that devices
            numbered and that never came, most of which ``lost`` explains. What a simulator wrote was never sent by
            anybody, so nothing of it can be missing.
        lost: cause to rows that devices say they had to drop before they could send them.
        entries: what the manifest says of each of ``files``, and of those in quarantine.
        covers: path of each file of a month's sums to those of the hourly ones that are in it, as entries have them.
        is_sealed: whether the manifest's list of files and its counts are what was last committed.
        shared: logs of which rows are in several of the ledgers that are looked at as one.
        copied_rows: rows of files that are left out since another of the ledgers has the same, or sums of the same.
        arrived_again: rows of ``shared`` that arrived in one ledger when another had them, by the logs' numbers.
        given_again: ledgers that were given more than once, and are looked at once.
    """

    files: tuple[Path, ...]
    damaged: tuple[Entry, ...]
    counts: dict[str, int]
    lost: dict[str, int]
    entries: Mapping[Path, Entry] = field(default_factory=dict)
    covers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_sealed: bool = True
    shared: tuple[LogKey, ...] = ()
    copied_rows: int = 0
    arrived_again: int = 0
    given_again: tuple[str, ...] = ()

    def has_rows_of(self, damaged: Entry) -> bool:
        """Whether a damaged file holds sums of rows, or of other sums, that are there."""
        if damaged.folder in MONTHS:
            return True
        if damaged.folder not in ("sums", "devices"):
            return False
        records = damaged.beside("records")
        return any(each.path == records for each in self.entries.values())

    @property
    def twice(self) -> int:
        """At most so many of ``arrived_again`` are in the files of more than one of the ledgers, as rows or in sums."""
        return max(self.arrived_again - self.copied_rows, 0)

    @property
    def undigested(self) -> int:
        """Files that were written before digests were kept."""
        return sum(not each.sha256 for each in self.entries.values() if each.path.endswith(".parquet"))


def read_ledger(folder: Path | str) -> LedgerView:
    """Look at a ledger; :func:`verified` looks into its files, too.

    Raises:
        InvalidInput: there is none, or its manifest is damaged.
    """
    folder = Path(folder)
    read = read_ledger_manifest(folder)
    damaged = tuple(each for each in read.entries if not is_whole(folder, each))
    gone = {each.path for each in damaged}
    there = {folder / each.path: each for each in read.entries if each.path not in gone}
    files = tuple(path for path, each in there.items() if each.is_rows)
    return LedgerView(files, damaged, read.counts, read.lost, there, read.covers, read.is_sealed)


def verified(view: LedgerView, files: Iterable[Path]) -> LedgerView:
    """A view after some of its files were read: those of another content than was written are among the damaged.

    A file from before digests were kept is damaged where a page cannot be read or rows lack.
    """
    listed = list(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets other threads run
        as_written = pool.map(lambda path: is_as_written(path, view.entries[path]), listed)
        wrong = {path for path, is_good in zip(listed, as_written, strict=True) if not is_good}
    if not wrong:
        return view
    return replace(
        view,
        files=tuple(each for each in view.files if each not in wrong),
        damaged=(*view.damaged, *(view.entries[each] for each in sorted(wrong))),
        entries={path: entry for path, entry in view.entries.items() if path not in wrong},
    )


def is_as_written(path: Path, entry: Entry) -> bool:
    """Whether a file has the content that was written; of one without a digest, whether all of it can be read."""
    try:
        if entry.sha256:
            return path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256
    except OSError:
        return False
    return path.suffix != ".parquet" or is_readable(path, entry.rows)
