"""Random numbers: every environment has a generator of its own, drawn from in blocks.

An environment's numbers depend on its seed and on nothing else, so that sub-environment ``i`` of a vector environment
lives through the very episode that a lone environment with that seed does. Blocks of ``QUERIES`` make that cheap: one
call of a generator for many numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices, in_place

QUERIES: Final = 64
"""Queries in a block."""
BLOCKS: Final = 8
"""Blocks whose numbers are drawn together: for 64 queries the call of a generator takes as long as its numbers."""
AHEAD: Final = 2
"""How many times ``BLOCKS`` there is room for: the next are drawn while the last are used."""
AT_ONCE: Final = 1024
"""Environments whose blocks are made together, at most: beyond a megabyte or two an array leaves a core's cache, and
below, the thread that makes them interrupts the one that steps, which Python lets go on by turns, that much oftener."""
TOGETHER: Final = 64
"""Neighbours that are drawn together: their numbers lie side by side, and fill some lines of a core's cache each."""
UNIFORMS: Final = 7
"""Uniforms a query needs where no link fails."""

Drawn = npt.NDArray[Any]
"""In single precision, which is enough for what varies, and half of the work."""
Draw = Callable[..., Any]
"""A method of a generator that fills an array."""


class Draws:
    """The generators of some environments.

    Args:
        seeds: one each; None for entropy of the system's.
        normals: how many standard normals a query needs.
        uniforms: how many uniforms.
    """

    def __init__(self, seeds: Sequence[int | None], normals: int, uniforms: int = UNIFORMS) -> None:
        self._generators = [_generator(seed) for seed in seeds]
        # Apart, so that what an episode is like does not depend on how many blocks were drawn before.
        self._episodes = [_generator(seed, 1) for seed in seeds]
        self._normals = _room(normals, len(seeds))
        self._uniforms = _room(uniforms, len(seeds))
        self._used = np.zeros(len(seeds), dtype=np.intp)
        self._drawn = np.zeros(len(seeds), dtype=np.intp)

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's numbers anew."""
        self._generators[environment] = _generator(seed)
        self._episodes[environment] = _generator(seed, 1)
        self._used[environment] = self._drawn[environment] = 0

    def episode(self, environments: Indices, normals: int, uniforms: int) -> tuple[Floats, Floats]:
        """What is drawn once an episode: shapes (n, normals) and (n, uniforms)."""
        own = [self._episodes[i] for i in environments]
        return (
            np.array([each.standard_normal(normals) for each in own]),
            np.array([each.random(uniforms) for each in own]),
        )

    def block(self, environments: Indices) -> tuple[Drawn, Drawn]:
        """What the next block of queries needs: shapes (queries, normals, n) and (queries, uniforms, n).

        They may be views: good until the block after the next.
        """
        used, drawn = self._used.take(environments), self._drawn.take(environments)
        # By turns, each well before it runs out: all together would keep the next block waiting for eight blocks' work.
        is_its_turn = (used % BLOCKS == environments // TOGETHER % BLOCKS) & (drawn - used <= BLOCKS)
        self._draw(environments[is_its_turn | (used == drawn)])
        self._used[environments] += 1
        first = used % (AHEAD * BLOCKS)
        return _at(self._normals, environments, first), _at(self._uniforms, environments, first)

    def take_back(self) -> None:
        """Have the last block of all drawn once more, as if it had not been."""
        self._used -= 1

    def _draw(self, environments: Indices) -> None:
        """The numbers of their next ``BLOCKS`` blocks, in place of those they have used."""
        room = self._drawn.take(environments) // BLOCKS % AHEAD
        for now in range(AHEAD):
            mine = environments[room == now]
            for first in range(0, len(mine), TOGETHER):
                some = mine[first : first + TOGETHER]
                own = [self._generators[i] for i in some.tolist()]
                _fill(self._normals[now], some, own, np.random.Generator.standard_normal)
                _fill(self._uniforms[now], some, own, np.random.Generator.random)
        self._drawn[environments] += BLOCKS


def _room(numbers: int, environments: int) -> Drawn:
    """For so many numbers a query."""
    return np.empty((AHEAD, BLOCKS, numbers, QUERIES, environments), dtype=np.float32)


def _fill(room: Drawn, environments: Indices, generators: Sequence[np.random.Generator], draw: Draw) -> None:
    """Draw what some environments have room for, of each number all queries' together."""
    blocks, numbers, queries, _ = room.shape
    drawn = np.empty((len(generators), numbers, blocks, queries), dtype=np.float32)
    for generator, mine in zip(generators, drawn, strict=True):
        draw(generator, out=mine, dtype=np.float32)
    room[..., in_place(environments)] = drawn.transpose(2, 1, 3, 0)


def _at(room: Drawn, environments: Indices, first: Indices) -> Drawn:
    """A block of each environment, its number within all there is room for."""
    by_block = room.reshape(AHEAD * BLOCKS, *room.shape[2:])
    if (first == first[0]).all():  # in step, they need no gathering
        mine: Drawn = by_block[first[0]][..., in_place(environments)]
        return mine.transpose(1, 0, 2)
    return np.ascontiguousarray(by_block[first, :, :, environments].transpose(1, 2, 0)).transpose(1, 0, 2)


def _generator(seed: int | None, number: int = 0) -> np.random.Generator:
    """The first, second ... of a seed; of the system's entropy where there is none."""
    return np.random.Generator(np.random.SFC64(seed if seed is None or not number else [seed, number]))
