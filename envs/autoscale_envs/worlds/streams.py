"""The queries of some environments, one after the other: blocks are made when the last one is used up."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autoscale.agents.features import ABSENT, FEATURES, scaled
from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.draws import AT_ONCE, QUERIES, Draws
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.blocks import ProcessState, QueryBlock, begin, next_block
from autoscale_envs.worlds.kept import Kept
from autoscale_envs.worlds.observe import SENSED, Rows, network_rows, put_sensed, sensed_features
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import ALONE, PER_LINK, Sensed, SimulatedQuery

LARGEST_BYTES: Final = 2**24


class Streams:
    """What every environment meets now, and next.

    Args:
        parameters: of the world.
        seeds: one for each environment; None for entropy of the system's.
        keeps_sensed: whether ``sensed_at`` will be asked.

    Attributes:
        hidden: the factors of each environment's episode.
    """

    def __init__(self, parameters: WorldParameters, seeds: Sequence[int | None], *, keeps_sensed: bool) -> None:
        # glibc gives memory back to the system, to be cleared and mapped anew, above a threshold that rises to the
        # largest block it has seen freed. Blocks of queries are made in memory freed a moment ago: a third faster.
        np.empty(LARGEST_BYTES, dtype=np.uint8)
        self.parameters = parameters
        self.count = len(seeds)
        self._keeps_sensed = keeps_sensed
        self.hidden = parameters.nominal_of(self.count)
        self._draws = Draws(seeds, parameters.counts.processes, parameters.uniforms)
        self._memory = ProcessState(*_blanks(self.count, (parameters.counts.processes,), int, int, (), (), (2,), int))
        self._about = network_rows(parameters.networks, parameters.goals)
        self._networks = np.zeros((QUERIES, self.count), dtype=np.intp)
        links = len(parameters.remotes)
        self._asked = Kept(ALONE, PER_LINK, links, QUERIES, self.count)
        self._sensed = Kept(4, 4, links, QUERIES, self.count if keeps_sensed else 0)
        self._features = np.full((len(FEATURES[SENSED]), QUERIES, self.count), ABSENT, dtype=np.float32)
        self._is_up = np.ones((QUERIES, self.count), dtype=np.bool_)
        self._position = np.zeros(self.count, dtype=np.intp)
        self._everyone = np.arange(self.count)

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's random numbers anew; its next episode is drawn from them."""
        self._draws.reseed(environment, seed)

    def restart(self, environments: Indices) -> Floats:
        """Begin episodes; uniforms for what else they draw, shape (n,)."""
        hidden, memory, uniforms = begin(self.parameters, self._draws, environments)
        _put(self.hidden, environments, hidden)
        _put(self._memory, environments, memory)
        self._fill(environments)
        return uniforms

    def advance(self, where: Flags | bool = True) -> None:
        """Go to the next query in the environments marked, shape (n,)."""
        self._position += where
        if self._position.max() == QUERIES:
            self._fill(np.flatnonzero(self._position == QUERIES))

    def advance_at(self, environment: int) -> None:
        """Go to the next query in one."""
        self._position[environment] += 1
        if self._position[environment] == QUERIES:
            self._fill(np.array([environment]))

    def now(self) -> SimulatedQuery:
        """The query every environment meets, arrays of shape (n,)."""
        at = self._at()
        return SimulatedQuery(self._networks[at], *self._asked.of_all(*at))

    def rows(self) -> Rows:
        """These as rows of features, shape (n, 24)."""
        at = self._at()
        rows = self._about.take(self._networks[at], axis=0)
        put_sensed(rows, self._features[:, *at])
        return rows

    def now_at(self, environment: int) -> SimulatedQuery:
        """The query that one environment meets, as numbers."""
        at = self._position[environment], environment
        return SimulatedQuery(int(self._networks[at]), *self._asked.of_one(*at))

    def row_at(self, environment: int) -> Rows:
        """Its row of features, shape (24,)."""
        at = self._position[environment], environment
        row: Rows = self._about[self._networks[at]].copy()
        put_sensed(row, self._features[:, *at])
        return row

    def sensed_at(self, environment: int) -> Sensed:
        """What one environment can sense of it."""
        return Sensed(*self._sensed.of_one(self._position[environment], environment))

    def links_up(self) -> Flags:
        """Whether the links to the cloud are up, shape (n,)."""
        up: Flags = self._is_up[self._at()]
        return up

    def is_up_at(self, environment: int) -> bool:
        """Whether the links to the cloud are up in one."""
        return bool(self._is_up[self._position[environment], environment])

    def _at(self) -> tuple[Indices, Indices] | tuple[int, slice]:
        """Where the present queries are; in step with each other, they need no gathering."""
        first = int(self._position[0])
        return (first, slice(None)) if (self._position == first).all() else (self._position, self._everyone)

    def _fill(self, environments: Indices) -> None:
        self._position[environments] = 0
        for start in range(0, len(environments), AT_ONCE):
            self._fill_some(environments[start : start + AT_ONCE])

    def _fill_some(self, some: Indices) -> None:
        hidden, memory = Hidden(*_of(self.hidden, some)), ProcessState(*_of(self._memory, some))
        block, memory = next_block(self.parameters, hidden, memory, *self._draws.block(some))
        _put(self._memory, some, memory)
        self._store(some, block)

    def _store(self, some: Indices, block: QueryBlock) -> None:
        # A slice is written in place, many times faster than an array of indices.
        where = slice(some[0], some[-1] + 1) if some[-1] - some[0] == len(some) - 1 else some
        self._networks[:, where] = block.query.network
        self._asked.put(where, block.query[1:])
        for name, values in sensed_features(self.parameters, block.sensed).items():
            self._features[FEATURES.index(name) - SENSED.start, :, where] = scaled(name, values)
        if self._keeps_sensed:
            self._sensed.put(where, block.sensed)
        self._is_up[:, where] = block.is_up


def _blanks(count: int, *kinds: tuple[int, ...] | type[int]) -> list[Any]:
    """Arrays over environments: floats of a shape each, or one index."""
    return [np.zeros((count, *kind)) if isinstance(kind, tuple) else np.zeros(count, np.intp) for kind in kinds]


def _put(into: Hidden | ProcessState, environments: Indices, values: Hidden | ProcessState) -> None:
    for mine, value in zip(into, values, strict=True):
        mine[environments] = value


def _of(arrays: Hidden | ProcessState, environments: Indices) -> list[Any]:
    return [each[environments] for each in arrays]
