"""A ledger as a report reads it, also while a collector writes it."""

from dataclasses import dataclass
from pathlib import Path

from autoscale.fleet.ledger.manifest import Entry, is_whole, read_ledger_manifest


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What counts in a ledger at one moment.

    Attributes:
        files: Parquet files of the accepted rows, and only they: never glob the folder, where a file that a crash or
            a compaction left over would count twice.
        damaged: files that should be there, and are missing or of another size, with the rows they held.
        counts: ``accepted``, ``duplicate``, ``reordered``, ``rejected:<reason>``, ``clock_set_back`` (accepted rows
            that are over a minute earlier than the row before them in their batch), and ``missing``: rows that devices
            numbered and that never came, most of which ``lost`` explains. What a simulator wrote was never sent by
            anybody, so nothing of it can be missing.
        lost: cause to rows that devices say they had to drop before they could send them.
    """

    files: tuple[Path, ...]
    damaged: tuple[Entry, ...]
    counts: dict[str, int]
    lost: dict[str, int]


def read_ledger(folder: Path | str) -> LedgerView:
    """Look at a ledger.

    Raises:
        InvalidInput: there is none.
    """
    folder = Path(folder)
    entries, counts, lost = read_ledger_manifest(folder)
    damaged = tuple(each for each in entries if not is_whole(folder, each))
    gone = {each.path for each in damaged}
    files = tuple(folder / each.path for each in entries if each.day and each.path not in gone)
    return LedgerView(files, damaged, counts, lost)
