"""Keeps what follows from the grids alone, since they change once a minute and are asked for with every query."""

from collections.abc import Callable
from typing import Generic, TypeVar

from autoscale_runtime.grid.watch import Grids

T = TypeVar("T")


class PerGrids(Generic[T]):
    """What follows from the grids alone, made anew when they change. Thread-safe: what is known is replaced whole.

    Args:
        make: of the grids, what is wanted.
    """

    def __init__(self, make: Callable[[Grids], T]) -> None:
        self._make = make
        self._known: tuple[Grids, T] | None = None

    def at(self, grids: Grids) -> T:
        """What follows from these grids."""
        known = self._known
        if known is None or known[0] is not grids:
            known = self._known = grids, self._make(grids)
        return known[1]
