"""One process at a time: a lock that goes with the process that held it, however it ends."""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from autoscale.closing import Closing
from autoscale.errors import InvalidInput
from autoscale.files import BINARY

_LOCKED_BYTE: Final = 1 << 30
"""On Windows nobody else can read what is locked, so a byte beyond the holder's number is."""


class FolderLock(Closing):
    """Holds a folder until it is closed or the process ends.

    Args:
        folder: which; it exists.
        what: what the folder is, for the message (``"ledger"``).
        holders: who may hold it once (``"collector"``).

    Raises:
        InvalidInput: another process, or another part of this one, holds it.
    """

    def __init__(self, folder: Path, what: str, holders: str) -> None:
        self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | BINARY, 0o644)
        try:
            _lock(self._handle)
        except (BlockingIOError, PermissionError):  # as POSIX and as Windows say it
            holder = os.read(self._handle, 32).decode(errors="replace").strip()
            os.close(self._handle)
            held = f"the {what} '{folder}' is in use by process {holder or 'unknown'}"
            raise InvalidInput(f"{held}; allowed: one {holders} for each {what}") from None
        with suppress(OSError):  # on a full disk the lock holds as well, and nobody learns whose it is
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        """Let it go; the file stays, since to delete it would let two hold it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _lock(handle: int) -> None:
    """Lock a file until the handle is closed.

    Raises:
        BlockingIOError, PermissionError: another handle has it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        windows: Any = import_module("msvcrt")
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            windows.locking(handle, windows.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
