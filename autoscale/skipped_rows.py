"""Rows of a file that cannot be used: left out with one warning that counts them and names the first."""

import logging
from pathlib import Path

from autoscale.errors import AutoScaleError


class SkippedRows:
    """What was left out of one file while it was read.

    Args:
        path: the file.
        log: where the warning goes.
    """

    def __init__(self, path: str | Path, log: logging.Logger) -> None:
        self._path = Path(path)
        self._log = log
        self.errors: list[AutoScaleError] = []

    def add(self, error: AutoScaleError) -> None:
        """Take note of a row, by the error that says its file, line, value and what is allowed."""
        self.errors.append(error)

    def warn(self, what: str = "rows") -> None:
        """Say how many were left out, and the first; nothing where there are none.

        Args:
            what: was left out.
        """
        if self.errors:
            self._log.warning(
                "%s: left out %d %s; the first: %s", self._path.name, len(self.errors), what, self.errors[0]
            )

    def first_or(self, otherwise: AutoScaleError) -> AutoScaleError:
        """Why nothing is left: the first row's error, or that of a file without rows."""
        return self.errors[0] if self.errors else otherwise
