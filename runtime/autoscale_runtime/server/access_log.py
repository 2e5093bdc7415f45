"""A line of JSON for each query, in a file that may be full or gone: that is told once, and holds no query up."""

import errno
import json
import logging
import os
import time
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput

_LOG: Final = logging.getLogger("autoscale.server")


class AccessLog:
    """Lines at the end of a file. For one thread.

    Args:
        path: of the file, which is made where there is none.

    Raises:
        InvalidInput: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lost, self._is_torn = 0, False
        try:
            # Without a buffer, which would grow while nothing can be written.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise InvalidInput(f"the access log '{path}' cannot be written: {error.strerror}") from error

    def write(self, **facts: object) -> None:
        """One more line, with the time."""
        line = json.dumps({"time_s": round(time.time(), 6), **facts}) + "\n"
        try:
            self._append(line.encode())
        except OSError as error:
            if not self._lost:
                _LOG.error("the access log '%s' cannot be written, lines are lost: %s", self._path, error.strerror)
            self._lost += 1
        else:
            if self._lost:
                _LOG.warning("the access log '%s' is written again; %d lines were lost", self._path, self._lost)
            self._lost = 0

    def _append(self, line: bytes) -> None:
        line = b"\n" + line if self._is_torn else line
        written = self._file.write(line)
        self._is_torn = written != len(line)
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Write no more."""
        self._file.close()
