"""Figures of queries, kept for all environments where a step finds them side by side."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from autoscale.arrays import Indices


class Kept:
    """The next queries' figures: those a query has once, then those it has of each link, all of one precision.

    Args:
        alone: how many it has once.
        per_link: how many it has of each link.
        links: how many there are.
        queries: of each environment.
        environments: how many. Queries come before them: a step of all reads one query of each.
        array: makes one of zeros, of a shape and a type.
        precision: that type.
    """

    def __init__(
        self,
        alone: int,
        per_link: int,
        links: int,
        queries: int,
        environments: int,
        array: Callable[..., Any],
        precision: type[np.floating[Any]],
    ) -> None:
        self._alone = array((alone, queries, environments), precision)
        self._per_link = array((per_link, links, queries, environments), precision)

    @property
    def arrays(self) -> list[Any]:
        """Of shapes (alone, queries, environments) and (per_link, links, queries, environments)."""
        return [self._alone, self._per_link]

    def put(self, where: Indices | slice, figures: Sequence[Any]) -> None:
        """Keep those of some environments, each of shape (queries, n), or of that for each link."""
        alone = len(self._alone)
        mine = chain(self._alone, *self._per_link)
        for kept, values in zip(mine, chain(figures[:alone], *figures[alone:]), strict=True):
            kept[:, where] = values

    def of_all(self, position: Indices | int, environments: Indices | slice) -> list[Any]:
        """The figures of one query of each environment, of shape (n,), or (links, n)."""
        found = self._alone[:, position, environments], self._per_link[:, :, position, environments]
        return [each for some in found for each in some.astype(np.float64)]

    def of_one(self, position: int, environment: int) -> list[Any]:
        """The figures of one query as numbers, or as a list of one for each link."""
        return [*self._alone[:, position, environment].tolist(), *self._per_link[:, :, position, environment].tolist()]
