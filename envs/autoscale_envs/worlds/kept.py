"""Figures of queries, kept for all environments where a step finds them side by side."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from autoscale.arrays import Indices


class Kept:
    """The next queries' figures: those a query has once, then those it has of each link.

    Args:
        alone: how many it has once.
        per_link: how many it has of each link.
        links: how many there are.
        queries: of each environment.
        environments: how many. Queries come before them: a step of all reads one query of each.
    """

    def __init__(self, alone: int, per_link: int, links: int, queries: int, environments: int) -> None:
        self._alone = np.zeros((alone, queries, environments))
        self._per_link = np.zeros((per_link, links, queries, environments))

    def put(self, where: Indices | slice, figures: Sequence[Any]) -> None:
        """Keep those of some environments, each of shape (queries, n), or of that for each link."""
        alone = len(self._alone)
        mine = chain(self._alone, *self._per_link)
        for kept, values in zip(mine, chain(figures[:alone], *figures[alone:]), strict=True):
            kept[:, where] = values

    def of_all(self, position: Indices | int, environments: Indices | slice) -> list[Any]:
        """The figures of one query of each environment, of shape (n,), or (links, n)."""
        return [*self._alone[:, position, environments], *self._per_link[:, :, position, environments]]

    def of_one(self, position: int, environment: int) -> list[Any]:
        """The figures of one query as numbers, or as a list of one for each link."""
        return [*self._alone[:, position, environment].tolist(), *self._per_link[:, :, position, environment].tolist()]
