"""The queries of some environments, one after the other: blocks are made when the last one is used up.

What queries meet does not depend on what is chosen, so of many environments in step the next block is made on another
core while this one is used (``ahead``). It changes nothing of what they meet: numbers that were drawn for a block that
is not used after all, because an episode ended, are those of the block that is.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.draws import AT_ONCE, QUERIES, Draws
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds import ahead
from autoscale_envs.worlds.blocks import ProcessState, begin, next_block
from autoscale_envs.worlds.observe import Rows
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.shelf import Shelf

At = tuple[Indices, Indices] | tuple[int, slice]
"""Positions in the block and environments, as arrays' indices."""

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
        self.hidden = parameters.nominal_of(self.count)
        self._draws = Draws(seeds, parameters.counts.processes, parameters.uniforms)
        self._memory = ProcessState(*_blanks(self.count, (parameters.counts.processes,), int, int, (), (), (2,), int))
        shelves = 2 if ahead.is_worth_it(self.count) else 1
        self._shelf, *self._spare = (Shelf(parameters, self.count, keeps_sensed=keeps_sensed) for _ in range(shelves))
        self._ahead: Future[ProcessState] | None = None
        self._position = np.zeros(self.count, dtype=np.intp)
        self._where: At | None = None
        self._everyone = np.arange(self.count)

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return self.__dict__

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's random numbers anew; its next episode is drawn from them."""
        self._settle()
        self._draws.reseed(environment, seed)

    def restart(self, environments: Indices) -> Floats:
        """Begin episodes; uniforms for what else they draw, shape (n,)."""
        self._settle()
        hidden, memory, uniforms = begin(self.parameters, self._draws, environments)
        _put(self.hidden, environments, hidden)
        _put(self._memory, environments, memory)
        self._fill(environments)
        return uniforms

    def advance(self, where: Flags | bool = True) -> None:
        """Go to the next query in the environments marked, shape (n,)."""
        first = self._at()[0]
        self._position += where
        self._where = None
        if where is True and isinstance(first, int):  # all go on together
            self._where = first + 1, slice(None)
        first = self._at()[0]
        if (first if isinstance(first, int) else first.max()) == QUERIES:
            self._fill(np.flatnonzero(self._position == QUERIES))

    def advance_at(self, environment: int) -> None:
        """Go to the next query in one."""
        self._position[environment] += 1
        self._where = None
        if self._position[environment] == QUERIES:
            self._fill(np.array([environment]))

    def now(self) -> SimulatedQuery:
        """The query every environment meets, arrays of shape (n,)."""
        return self._shelf.queries(self._at())

    def rows(self) -> Rows:
        """These as rows of features, shape (n, 24)."""
        return self._shelf.rows(self._at())

    def links_up(self) -> Flags:
        """Whether the links to the cloud are up, shape (n,)."""
        return self._shelf.are_up(self._at())

    def now_at(self, environment: int) -> SimulatedQuery:
        """The query that one environment meets, as numbers."""
        return self._shelf.query(self._position[environment], environment)

    def row_at(self, environment: int) -> Rows:
        """Its row of features, shape (24,)."""
        return self._shelf.row(self._position[environment], environment)

    def sensed_at(self, environment: int) -> Sensed:
        """What one environment can sense of it."""
        return self._shelf.sensed(self._position[environment], environment)

    def is_up_at(self, environment: int) -> bool:
        """Whether the links to the cloud are up in one."""
        return self._shelf.is_up(self._position[environment], environment)

    def _at(self) -> At:
        """Where the present queries are; in step with each other, they need no gathering."""
        if self._where is None:
            first = int(self._position[0])
            is_in_step = (self._position == first).all()
            self._where = (first, slice(None)) if is_in_step else (self._position, self._everyone)
        return self._where

    def _fill(self, environments: Indices) -> None:
        self._position[environments] = 0
        self._where = None
        if self._ahead is not None and len(environments) == self.count:
            self._memory, self._ahead = self._ahead.result(), None
            self._shelf, self._spare = self._spare[0], [self._shelf]
        else:
            self._settle()
            self._make(environments, self._memory, self._shelf)
        if self._spare and not self._position.any():
            memory = ProcessState._make([each.copy() for each in self._memory])
            self._ahead = ahead.submit(self._make, self._everyone, memory, self._spare[0])

    def _settle(self) -> None:
        """Give up the block that was made ahead; its random numbers are used for the next one that is made."""
        if self._ahead is not None:
            self._ahead.result()
            self._ahead = None
            self._draws.take_back()

    def _make(self, environments: Indices, memory: ProcessState, shelf: Shelf) -> ProcessState:
        """Make the next block of some environments, and move on the memory of all, which is given back."""
        for start in range(0, len(environments), AT_ONCE):
            some = environments[start : start + AT_ONCE]
            # Computing strays in steps alone, and its factors are many.
            hidden = Hidden(self.hidden.computing[:0], *_of(self.hidden[1:], some))
            block, moved = next_block(
                self.parameters, hidden, ProcessState(*_of(memory, some)), *self._draws.block(some)
            )
            _put(memory, some, moved)
            shelf.put(some, block)
        return memory


def _blanks(count: int, *kinds: tuple[int, ...] | type[int]) -> list[Any]:
    """Arrays over environments: floats of a shape each, or one index."""
    return [np.zeros((count, *kind)) if isinstance(kind, tuple) else np.zeros(count, np.intp) for kind in kinds]


def _put(into: Hidden | ProcessState, environments: Indices, values: Hidden | ProcessState) -> None:
    for mine, value in zip(into, values, strict=True):
        mine[environments] = value


def _of(arrays: Sequence[Any], environments: Indices) -> list[Any]:
    return [each[environments] for each in arrays]
