"""Names to classes: ``"module:Class"`` strings imported when asked for, and other packages' entry points."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from autoscale.errors import one_of


class Registry:
    """Named things that may be plugged in.

    Args:
        what: what the names stand for, as a message says it (``"agent"``).
        builtin: name to ``"module:attribute"``.
        group: the entry-point group in which other packages register theirs.
    """

    def __init__(self, what: str, builtin: Mapping[str, str], group: str) -> None:
        self.what = what
        self.group = group
        self._builtin = dict(builtin)

    @property
    def builtin(self) -> tuple[str, ...]:
        """The names that ship, in the order in which they were given."""
        return tuple(self._builtin)

    def names(self) -> list[str]:
        """All names, sorted, built-in and plugged in."""
        return sorted({*self._builtin, *(point.name for point in entry_points(group=self.group))})

    def get(self, name: str) -> Any:
        """What the name stands for.

        Raises:
            UnknownName: nothing is registered under it; the message names the nearest.
        """
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return getattr(import_module(module), attribute)
        one_of(self.what, name, self.names())
        return next(point for point in entry_points(group=self.group) if point.name == name).load()
