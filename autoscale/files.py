"""Writing a file so that a reader never meets half of it, and so that it is there after a power cut."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

BINARY: Final = getattr(os, "O_BINARY", 0)
"""What ``os.open`` needs on Windows, lest it writes two bytes for each end of a line."""

_OPENS_FOLDERS: Final = hasattr(os, "O_DIRECTORY")


@contextmanager
def atomic_write(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends well, and leaves nothing when it does not.

    What is there and holds no content (a terminal, a pipe, ``/dev/null``) is written to as it is: nothing may take its
    place.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    path = Path(path)
    if is_stream(path):
        with path.open("wb") as stream:
            yield stream
        return
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:  # names the file that people know
        raise type(error)(error.errno, error.strerror, str(path)) from error
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


def write_file(path: Path | str, content: str | bytes) -> None:
    """Bytes, or text in UTF-8, written as ``atomic_write`` does.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(path: Path) -> None:
    """Refuse a name that nothing can be written to, before the hours that make its content.

    Raises:
        OSError: it is a folder, or its folder is missing, read-only or full.
    """
    if path.is_dir():
        raise IsADirectoryError(f"cannot write '{path}': it is a folder")
    if is_stream(path):
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write '{path}': the folder '{path.parent}' does not exist")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:  # names the file that people know
        raise type(error)(f"cannot write '{path}': its folder takes no file ({error.strerror})") from error


def is_stream(path: Path) -> bool:
    """Whether a name is there, and is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_arrays(path: Path | str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A compressed ``.npz`` that ``numpy.load`` reads without pickle, written as ``atomic_write`` does.

    It is ``numpy.savez_compressed``, which in older releases pickles such objects unasked, and takes no array ``file``.

    Raises:
        ValueError: an array of Python's objects.
        OSError: the folder is missing, read-only or full.
    """
    from zipfile import ZIP_DEFLATED, ZipFile  # here: most files are no archives

    with atomic_write(path) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


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
