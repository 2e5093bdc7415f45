"""How many records a full disk took, noted where a full disk still lets one write: over bytes that are there."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from autoscale.files import BINARY

_BYTES: Final = 64


class LossNote:
    """A small file of one length for as long as it is there; thread-safe as its writer is.

    Args:
        path: made where there is none, if the disk has room for it.
    """

    def __init__(self, path: Path) -> None:
        self._handle = -1
        with suppress(OSError):  # without it a loss is known until the process ends
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o644)

    def read(self, log_id: str) -> int:
        """Records of a log that were noted; 0 where nothing is, or it is of another log or damaged."""
        try:
            os.lseek(self._handle, 0, os.SEEK_SET)
            noted_log, _, rows = os.read(self._handle, _BYTES).decode().partition(" ")
            return int(rows) if noted_log == log_id else 0
        except (OSError, ValueError):
            return 0

    def write(self, log_id: str, rows: int) -> None:
        """Note them; what cannot be written is lost with the process."""
        with suppress(OSError):
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, f"{log_id} {rows}".ljust(_BYTES).encode())

    def close(self) -> None:
        """Let the file go."""
        with suppress(OSError):
            os.close(self._handle)
        self._handle = -1
