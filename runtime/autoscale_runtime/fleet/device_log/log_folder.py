"""The folder of a device's log: its files, who the device is, and how far the collector has it.

::

    FOLDER/device_id                        random name of this installation
    FOLDER/00000000000000004096.log         a segment, named by the first sequence number that may be in it
    FOLDER/acknowledged.json                the last row that the collector has acknowledged
    FOLDER/attempted.json                   the last row that was on its way to a collector
    FOLDER/upload/sums.json                 the sums that are, or were last (outgoing_sums.py)
    FOLDER/full                             how many records a full disk took
    FOLDER/lock  FOLDER/upload/lock         one writer, one uploader

Sequence numbers go on through the folder, whichever log they are of. A log goes on only where it was begun: a copy of
the folder, on a cloned machine or from a backup, would number other records alike.
"""

import json
import os
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from autoscale.errors import InvalidInput
from autoscale.files import BINARY, write_file
from autoscale_runtime.fleet.device_log.segment import Segment, read_segment

SUFFIX: Final = ".log"
_ACKNOWLEDGED: Final = "acknowledged.json"
_ATTEMPTED: Final = "attempted.json"
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
        with suppress(OSError):  # without it a disk that is full now will have to forget what was sent
            for name in (_ACKNOWLEDGED, _ATTEMPTED):
                _reserve(self.path / name)

    @property
    def upload(self) -> Path:
        """Where the uploader keeps what is its own."""
        return self.path / "upload"

    def segments(self) -> list[SegmentFile]:
        """All segments, the oldest first; the last one may be being written."""
        names = sorted(each for each in self.path.glob(f"*{SUFFIX}") if each.stem.isdigit())
        return [SegmentFile(each, int(each.stem)) for each in names]

    def path_of(self, first: int) -> Path:
        """Where the segment that begins at a sequence number belongs."""
        return self.path / f"{first:020d}{SUFFIX}"

    def acknowledged(self) -> int:
        """The last row that the collector keeps; -1 for none."""
        return self._kept(_ACKNOWLEDGED)  # forgotten: sent again, and known there as duplicates

    def acknowledge(self, sequence: int) -> None:
        """Remember durably that the collector keeps all rows up to one, on a full disk too.

        Raises:
            OSError: the disk fails, or was full before there was a log.
        """
        self._keep(_ACKNOWLEDGED, sequence)

    def attempted(self) -> int:
        """The last row that was sent as one, whether or not it arrived; -1 for none."""
        return self._kept(_ATTEMPTED)

    def attempt(self, sequence: int) -> None:
        """Remember likewise that rows up to one may arrive as rows: they are never sent as sums.

        Raises:
            OSError: likewise.
        """
        self._keep(_ATTEMPTED, sequence)

    def _kept(self, name: str) -> int:
        try:
            kept = json.loads((self.path / name).read_bytes())
            return int(kept["sequence"]) if kept["check"] == _check(kept["sequence"]) else -1
        except (OSError, ValueError, KeyError, TypeError):
            return -1

    def _keep(self, name: str, sequence: int) -> None:
        content = _numbered(sequence)
        try:
            write_file(self.path / name, content)
        except OSError as error:  # a full disk has no room for a new file, but takes the bytes of the old one
            try:
                _overwrite(self.path / name, content)
            except OSError:
                raise error from None

    def device_id(self, last: Segment | None) -> str:
        """The installation's name: as kept, else as its last segment says, else a new one.

        Raises:
            OSError: it cannot be kept.
        """
        path = self.path / "device_id"
        if path.is_file() and (kept := path.read_text(errors="replace").strip()):
            return kept
        device_id = uuid.uuid4().hex if last is None else last.header.device_id
        write_file(path, device_id)
        return device_id

    def place(self) -> str:
        """What tells this folder from any copy: this boot, and which file ``device_id`` is to the system.

        A boot that the kernel does not name is known by its time, to the second.

        Raises:
            OSError: there is no ``device_id``.
        """
        try:
            boot = BOOT_ID.read_text().strip()
        except OSError:
            boot = f"{psutil.boot_time():.0f}"
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


def _numbered(sequence: int) -> bytes:
    """Of one length whatever the number, so that one can be written over another; half of it does not check."""
    return f'{{"sequence": {sequence:20d}, "check": {_check(sequence):10d}}}\n'.encode()


def _check(sequence: int) -> int:
    return zlib.crc32(b"%d" % sequence)


def _reserve(path: Path) -> None:
    """Take the bytes of a number while the disk has them."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | BINARY, 0o644)
    try:
        if os.fstat(handle).st_size == 0:
            os.write(handle, _numbered(-1))
    finally:
        os.close(handle)


def _overwrite(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | BINARY)
    try:
        if os.write(handle, content) < len(content):
            raise OSError("the disk is full")
        os.fsync(handle)
    finally:
        os.close(handle)
