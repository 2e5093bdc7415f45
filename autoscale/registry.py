"""Names to classes: ``"module:Class"`` strings imported when asked for, and other packages' entry points."""

import logging
import sys
import warnings
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autoscale.errors import one_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

_LOG: Final = logging.getLogger("autoscale")


def entry_points(*, group: str) -> "EntryPoints":
    """What installed packages register in a group; what they say is read again once one was added or removed."""
    folders = tuple((folder, _changed_ns(folder)) for folder in sys.path)
    registered: EntryPoints = _installed(folders).select(group=group)
    return registered


@lru_cache(maxsize=1)
def _installed(folders: tuple[tuple[str, int], ...]) -> Any:
    """Of all groups, as long as the folders are the same: it takes a hundredth of a second and more."""
    from importlib.metadata import entry_points  # here: it takes as long as half of numpy

    return entry_points()


def _changed_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


class Registry:
    """Named things that may be plugged in.

    Args:
        what: what the names stand for, as a message says it (``"agent"``).
        builtin: name to ``"module:attribute"``.
        group: the entry-point group in which other packages register theirs.
        renamed: names that are no longer, to those that took their place; they are still understood, with a warning.
    """

    def __init__(
        self, what: str, builtin: Mapping[str, str], group: str, renamed: Mapping[str, str] | None = None
    ) -> None:
        self.what = what
        self.group = group
        self._builtin = dict(builtin)
        self._renamed = dict(renamed or {})
        self._shadowed: set[str] = set()

    @property
    def builtin(self) -> tuple[str, ...]:
        """The names that ship, in the order in which they were given."""
        return tuple(self._builtin)

    def names(self) -> list[str]:
        """All names, sorted, built-in and plugged in; a plug-in under the name of one that ships is warned of, once."""
        plugged_in = {point.name for point in entry_points(group=self.group)}
        for name in sorted(plugged_in & self._builtin.keys() - self._shadowed):
            _LOG.warning(
                "a plug-in calls itself %s '%s': that name is of the one that ships, which is used", self.what, name
            )
            self._shadowed.add(name)
        return sorted(plugged_in | self._builtin.keys())

    def current(self, name: str, *, quiet: bool = False) -> str:
        """The name that took another's place, with a warning unless it is ``quiet``; else the name itself."""
        if name not in self._renamed:
            return name
        if not quiet:
            warnings.warn(f"{self.what} '{name}' is now '{self._renamed[name]}'", DeprecationWarning, stacklevel=3)
        return self._renamed[name]

    def get(self, name: str) -> Any:
        """What the name stands for.

        Raises:
            UnknownName: nothing is registered under it; the message names the nearest.
        """
        name = self.current(name)
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return getattr(import_module(module), attribute)
        points = {point.name: point for point in entry_points(group=self.group)}
        one_of(self.what, name, [*self._builtin, *points])
        return points[name].load()
