"""The queries of some environments, one after the other: blocks are made when the last one is used up.

What queries meet does not depend on what is chosen, so of many environments in step the next block is made by another
process while this one is used (``ahead``). It changes nothing of what they meet: numbers that were drawn for a block
that is not used after all, because an episode ended, are those of the block that is.
"""

import copy
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet, finalize

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.draws import Draws
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds import ahead
from autoscale_envs.worlds.blocks import begin
from autoscale_envs.worlds.making import blank, keep_what_is_freed, make, put
from autoscale_envs.worlds.observe import Rows
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.shelf import Shelf

At = tuple[Indices, Indices] | tuple[int, slice]
"""Positions in the block and environments, as arrays' indices."""


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
        keep_what_is_freed()
        self.parameters = parameters
        self.count = len(seeds)
        self.hidden = parameters.nominal_of(self.count)
        self._draws = Draws(seeds, parameters.counts.processes, parameters.uniforms)
        self._memory = blank(parameters, self.count)
        self._shelf = Shelf(parameters, self.count, keeps_sensed=keeps_sensed)
        self._keeps_sensed = keeps_sensed
        self._maker: ahead.Maker | None = None
        self._has_tried = self._has_asked = False
        self._position = np.zeros(self.count, dtype=np.intp)
        self._where: At | None = None
        self._everyone = np.arange(self.count)

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return self.__dict__ | {"_maker": None, "_has_tried": False}

    def close(self) -> None:
        """End the process that makes blocks ahead; another one is started where it pays."""
        self._settle()
        if self._maker is not None:
            self._shelf = copy.deepcopy(self._shelf, {id(self.parameters): self.parameters})  # out of shared memory
            self._maker.close()
            self._maker, self._has_tried = None, False
            _with_maker.discard(self)

    def is_ahead(self) -> bool:
        """Whether a process makes blocks ahead; it takes a moment to start, once a block was used up."""
        return self._maker is not None and self._maker.is_ready()

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's random numbers anew; its next episode is drawn from them."""
        self._settle()
        self._draws.reseed(environment, seed)

    def restart(self, environments: Indices) -> Floats:
        """Begin episodes; uniforms for what else they draw, shape (n,)."""
        self._settle()
        hidden, memory, uniforms = begin(self.parameters, self._draws, environments)
        put(self.hidden, environments, hidden)
        put(self._memory, environments, memory)
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
        if (first if isinstance(first, int) else first.max()) == self._shelf.length:
            if not self._has_tried:
                self._start_maker()
            self._fill(np.flatnonzero(self._position == self._shelf.length))

    def advance_at(self, environment: int) -> None:
        """Go to the next query in one."""
        self._position[environment] += 1
        self._where = None
        if self._position[environment] == self._shelf.length:
            self._fill(np.array([environment]))

    @property
    def queries(self) -> int:
        """Of each environment, in a block."""
        return self._shelf.length

    def now(self) -> SimulatedQuery:
        """The query every environment meets, arrays of shape (n,)."""
        return self._shelf.queries(self._at())

    def block(self) -> list[Any]:
        """Which query of the block is now asked in each environment, shape (n,), and ``Shelf.arrays``."""
        return [self._position, *self._shelf.arrays]

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
        if not (len(environments) == self.count and self._take_made()):
            self._settle()
            first = self._draws.take(environments)
            make(self.parameters, self.hidden, self._memory, first, environments, self._shelf)
        if self._maker is not None and not self._position.any():
            self._has_asked = self._maker.submit(self.hidden, self._memory, self._draws.take(self._everyone))
            if not self._has_asked:
                self._draws.take_back()

    def _take_made(self) -> bool:
        """Go on with the block that was made ahead; whether there was one."""
        made = self._maker.take() if self._has_asked and self._maker is not None else None
        if made is None:
            return False
        self._shelf, self._memory = made
        self._has_asked = False
        return True

    def _settle(self) -> None:
        """Give up the block that was made ahead; its random numbers are used for the next one that is made."""
        if self._has_asked and self._maker is not None:
            self._maker.wait()
            self._has_asked = False
            self._draws.take_back()

    def _start_maker(self) -> None:
        """Have blocks made ahead from now on, where that pays and can be done."""
        self._has_tried = True
        if ahead.is_worth_it(self.count):
            with suppress(OSError):
                self._maker = ahead.Maker(self.parameters, self.count, keeps_sensed=self._keeps_sensed)
                finalize(self, self._maker.close)
                _with_maker.add(self)


_with_maker: WeakSet[Streams] = WeakSet()


def _before_fork() -> None:
    """A child must not read what its parent's process writes, nor ask that."""
    for streams in [*_with_maker]:
        streams.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
