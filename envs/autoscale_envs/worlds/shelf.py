"""The next block of queries of all environments, as a step reads it: one row of each array is one query of each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from autoscale.agents.features import ABSENT
from autoscale.arrays import Indices, in_place
from autoscale_envs.variance.draws import queries_of
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.blocks import QueryBlock
from autoscale_envs.worlds.kept import Kept
from autoscale_envs.worlds.observe import SENSED, Rows, network_rows, sensed_columns
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import ALONE, Sensed, SimulatedQuery, per_link


class Shelf:
    """Room for a block of every environment.

    Args:
        parameters: of the world.
        count: how many environments.
        keeps_sensed: whether ``sensed_at`` will be asked.
        array: makes one of zeros, of a shape and a type.

    Attributes:
        length: how many queries of each environment a block has.
    """

    def __init__(
        self, parameters: WorldParameters, count: int, *, keeps_sensed: bool, array: Callable[..., Any] = np.zeros
    ) -> None:
        self.parameters = parameters
        self.length = queries_of(count)
        self._keeps_sensed = keeps_sensed
        self._about = network_rows(parameters.networks, parameters.goals)
        self._networks = array((self.length, count), np.intp)
        self._elapsed_s = array((self.length, count), np.float64)
        links = len(parameters.remotes)
        self._asked = Kept(ALONE, per_link(parameters.parts), links, self.length, count, array, np.float32)
        self._sensed = Kept(4, 4, links, self.length, count if keeps_sensed else 0, array, np.float64)
        # By feature: a step makes rows of one query of each environment, which a block of rows would all lie apart.
        self._seen = array((SENSED.stop - SENSED.start, self.length, count), np.float32)
        self._seen[:] = ABSENT
        self._is_up = array((self.length, count), np.bool_)
        self._is_up[:] = True

    def put(self, some: Indices, block: QueryBlock) -> None:
        """Keep the block of some environments."""
        where = in_place(some)
        self._networks[:, where] = block.query.network
        self._elapsed_s[:, where] = block.query.elapsed_s
        self._asked.put(where, block.query[2:])
        for kept, values in zip(self._seen, sensed_columns(self.parameters, block.sensed), strict=True):
            kept[:, where] = values
        if self._keeps_sensed:
            self._sensed.put(where, block.sensed)
        self._is_up[:, where] = block.is_up

    def queries(self, at: tuple[Indices, Indices] | tuple[int, slice]) -> SimulatedQuery:
        """Of several environments, arrays of shape (n,)."""
        return SimulatedQuery(self._networks[at], self._elapsed_s[at], *self._asked.of_all(*at))

    @property
    def arrays(self) -> list[Any]:
        """Networks, times, ``Kept.arrays`` of the queries, whether links to the cloud are up, and features sensed."""
        return [self._networks, self._elapsed_s, *self._asked.arrays, self._is_up, self._seen]

    def rows(self, at: tuple[Indices, Indices] | tuple[int, slice]) -> Rows:
        """These as rows of features, shape (n, 24)."""
        rows: Rows = self._about.take(self._networks[at], axis=0)
        rows[:, SENSED] = self._seen[:, *at].T
        return rows

    def are_up(self, at: tuple[Indices, Indices] | tuple[int, slice]) -> Flags:
        """Whether the links to the cloud are, shape (n,)."""
        up: Flags = self._is_up[at]
        return up

    def query(self, position: int, environment: int) -> SimulatedQuery:
        """Of one, as numbers."""
        at = position, environment
        return SimulatedQuery(self._networks.item(at), self._elapsed_s.item(at), *self._asked.of_one(*at))

    def row(self, position: int, environment: int) -> Rows:
        """Of one, shape (24,)."""
        row: Rows = self._about[self._networks[position, environment]].copy()
        row[SENSED] = self._seen[:, position, environment]
        return row

    def sensed(self, position: int, environment: int) -> Sensed:
        """Of one."""
        return Sensed(*self._sensed.of_one(position, environment))

    def is_up(self, position: int, environment: int) -> bool:
        """Of one."""
        return bool(self._is_up[position, environment])
