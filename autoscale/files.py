"""Writing a file so that a reader never meets half of it, and so that it is there after a power cut."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

BINARY: Final = getattr(os, "O_BINARY", 0)
"""What ``os.open`` needs on Windows, lest it writes two bytes for each end of a line."""

_OPENS_FOLDERS: Final = hasattr(os, "O_DIRECTORY")


@contextmanager
def atomic_write(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends well, and leaves nothing when it does not.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Make a file's content durable, or a folder's names, which the fsync of a file in it leaves out.

    Windows opens no folder and keeps its names by itself; there, a file is synced only by one who may write it.

    Raises:
        OSError: there is none, or the disk fails.
    """
    if path.is_dir() and not _OPENS_FOLDERS:
        return
    handle = os.open(path, os.O_RDONLY if _OPENS_FOLDERS else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
