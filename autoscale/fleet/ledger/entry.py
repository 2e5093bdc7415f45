"""One file of a ledger, as its manifest tells it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that counts.

    Attributes:
        path: from the ledger's folder.
        day: of its rows, as in ``2026-11-21``; of a month's sums the month; empty for what is in quarantine.
        rows: how many it has; for what cannot be read as rows, how many it was counted as.
        bytes: its size.
        sha256: of its content, hexadecimal; empty where it was written before digests were kept.
    """

    path: str
    day: str
    rows: int
    bytes: int
    sha256: str = ""

    @property
    def folder(self) -> str:
        """What it holds: ``records``, ``sums``, ``devices``, ``sent`` (sums from devices), ``days``, ``hours``,
        ``asking`` (sums of a month) or ``quarantine``.
        """
        return self.path.split("/")[-3 if self.day else -2]

    @property
    def is_counted(self) -> bool:
        """Whether its queries came from devices, as rows or as sums, and were accepted."""
        return self.folder in ("records", "sent")

    @property
    def is_rows(self) -> bool:
        """Whether it has accepted rows; all else is in quarantine, or holds sums of them."""
        return self.folder == "records"

    def beside(self, folder: str) -> str:
        """The path of what belongs to it in another folder, whether or not there is any."""
        head, day, name = self.path.rsplit("/", 2)
        suffix = "parquet" if folder == "records" else folder
        return f"{head.removesuffix(self.folder)}{folder}/{day}/{name.rpartition('.')[0]}.{suffix}"
