"""A ledger looked at file by file: whether each is what was written, and the counts fit what there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.ledgers import ledger_folder
from autoscale.fleet.ledger.view import LedgerView, read_ledger, verified

GONE_ON_PURPOSE: tuple[str, ...] = ("aged", "forgotten")
"""Counts of accepted rows that the ledger has no more since somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        ledger: its folder.
        files: that should be there, those in quarantine too.
        rows: accepted rows in files that are as they were written.
        bytes: of those files.
        damaged: files that are not, or are gone.
        without_digest: files from before digests were kept; all of their pages were read instead.
        is_sealed: whether the manifest's list of files and its counts are what was last committed.
        unaccounted: accepted rows that are in no file of the manifest's, and were not taken out on purpose.
    """

    ledger: str
    files: int
    rows: int
    bytes: int
    damaged: Sequence[Entry]
    without_digest: int
    is_sealed: bool
    unaccounted: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is amiss."""
        return not self.damaged and self.is_sealed and not self.unaccounted


def verify(ledger: Path | str) -> Verification:
    """Read every file of a ledger, also beside its collector.

    Raises:
        InvalidInput: it is none, or its manifest cannot be read.
    """
    before = read_ledger(ledger_folder(ledger))
    view = verified(before, before.entries)
    return Verification(
        str(ledger),
        len(view.entries) + len(view.damaged),
        sum(each.rows for each in view.entries.values() if each.is_counted),
        sum(each.bytes for each in view.entries.values()),
        view.damaged,
        view.undigested,
        view.is_sealed,
        _unaccounted(view),
    )


def _unaccounted(view: LedgerView) -> int:
    here = sum(each.rows for each in (*view.entries.values(), *view.damaged) if each.is_counted)
    return view.counts.get("accepted", 0) - here - sum(view.counts.get(name, 0) for name in GONE_ON_PURPOSE)
