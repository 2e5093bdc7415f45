"""The folder of a device's log: its files, who the device is, and how far the collector has it.

::

    FOLDER/device_id                        random name of this installation
    FOLDER/00000000000000004096.log         a segment, named by the first sequence number that may be in it
    FOLDER/acknowledged.json                the last row that the collector has said it keeps
    FOLDER/full                             how many records a full disk took

Sequence numbers go on through the folder, whichever log they are of. A log goes on only where it was begun: a copy of
the folder, on a cloned machine or from a backup, would number other records alike.
    FOLDER/lock  FOLDER/upload/lock         one writer, one uploader
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.files import atomic_write
from autoscale_runtime.fleet.segment import Segment, read_segment

SUFFIX: Final = ".log"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""On Linux and Android."""


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One segment: where it is, and the first sequence number that may be in it."""

    path: Path
    first: int


class LogFolder:
    """A device's log on disk.

    Raises:
        InvalidInput: the path is not a folder and cannot be made one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"'{self.path}' cannot hold a log: {error.strerror}") from error

    def segments(self) -> list[SegmentFile]:
        """All segments, the oldest first; the last one may be being written."""
        names = sorted(each for each in self.path.glob(f"*{SUFFIX}") if each.stem.isdigit())
        return [SegmentFile(each, int(each.stem)) for each in names]

    def path_of(self, first: int) -> Path:
        """Where the segment that begins at a sequence number belongs."""
        return self.path / f"{first:020d}{SUFFIX}"

    def acknowledged(self) -> int:
        """The last row that the collector keeps; -1 for none."""
        try:
            return int(json.loads((self.path / "acknowledged.json").read_bytes())["sequence"])
        except (OSError, ValueError, KeyError, TypeError):  # sent again, and known there as duplicates
            return -1

    def acknowledge(self, sequence: int) -> None:
        """Remember durably that the collector keeps all rows up to one.

        Raises:
            OSError: the disk is full or fails.
        """
        with atomic_write(self.path / "acknowledged.json") as file:
            file.write(json.dumps({"sequence": sequence}).encode())

    def device_id(self, last: Segment | None) -> str:
        """The installation's name: as kept, else as its last segment says, else a new one.

        Raises:
            OSError: it cannot be kept.
        """
        path = self.path / "device_id"
        if path.is_file() and (kept := path.read_text(errors="replace").strip()):
            return kept
        device_id = uuid.uuid4().hex if last is None else last.header.device_id
        with atomic_write(path) as file:
            file.write(device_id.encode())
        return device_id

    def place(self) -> str:
        """What tells this folder from any copy: the kernel's boot, and which file ``device_id`` is to the system.

        Where no kernel tells its boot, every call has another answer.

        Raises:
            OSError: there is no ``device_id``.
        """
        try:
            boot = BOOT_ID.read_text().strip()
        except OSError:
            boot = uuid.uuid4().hex
        status = (self.path / "device_id").stat()
        return f"{boot}/{status.st_dev}/{status.st_ino}"

    def recover(self) -> tuple[Segment | None, int]:
        """The last segment that can be read, made whole, and how many rows may have been cut off its end.

        Raises:
            OSError: a file cannot be read or cut.
        """
        for each in reversed(self.segments()):
            found = read_segment(each.path)
            if found is None:
                each.path.unlink()  # it never got a header, so neither a row
                continue
            cut_bytes = each.path.stat().st_size - found.good_bytes
            if cut_bytes:
                with each.path.open("r+b") as file:
                    file.truncate(found.good_bytes)
            return found, -(-cut_bytes // found.header.row_dtype.itemsize)
        return None, 0
