"""Random numbers: every environment has a generator of its own, drawn from in blocks.

An environment's numbers depend on its seed and on nothing else, so that sub-environment ``i`` of a vector environment
lives through the very episode that a lone environment with that seed does. Blocks of ``QUERIES`` make that cheap: one
call of a generator for many numbers.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices

QUERIES: Final = 64
"""Queries in a block."""
BLOCKS: Final = 8
"""Blocks whose numbers are drawn together: for 64 queries the call of a generator takes as long as its numbers."""
AHEAD: Final = 2
"""How many times ``BLOCKS`` there is room for: the next are drawn while the last are used."""
AT_ONCE: Final = 1024
"""Environments whose blocks are made together, at most: beyond a megabyte or two an array leaves a core's cache, and
below, the thread that makes them interrupts the one that steps, which Python lets go on by turns, that much oftener."""
APART: Final = 16
"""Numbers between those of neighbouring environments, a line of a core's cache: at distances of a power of two all
environments' would share a few places there."""
UNIFORMS: Final = 7
"""Uniforms a query needs where no link fails."""

Drawn = npt.NDArray[Any]
"""In single precision, which is enough for what varies, and half of the work."""


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
        self._normals = _room(len(seeds), normals)
        self._uniforms = _room(len(seeds), uniforms)
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
        """What the next block of queries needs: shapes (queries, normals, n) and (queries, uniforms, n)."""
        used, drawn = self._used.take(environments), self._drawn.take(environments)
        # By turns, each well before it runs out: all together would keep the next block waiting for eight blocks' work.
        is_its_turn = (used % BLOCKS == environments % BLOCKS) & (drawn - used <= BLOCKS)
        for environment in environments[is_its_turn | (used == drawn)].tolist():
            self._draw(environment)
        self._used[environments] += 1
        first = used % (AHEAD * BLOCKS)
        return self._at(self._normals, environments, first), self._at(self._uniforms, environments, first)

    def take_back(self) -> None:
        """Have the last block of all drawn once more, as if it had not been."""
        self._used -= 1

    def _draw(self, environment: int) -> None:
        """The numbers of its next ``BLOCKS`` blocks, in place of those it has used."""
        generator, room = self._generators[environment], self._drawn[environment] // BLOCKS % AHEAD
        generator.standard_normal(out=self._normals[environment, room], dtype=np.float32)
        generator.random(out=self._uniforms[environment, room], dtype=np.float32)
        self._drawn[environment] += BLOCKS

    def _at(self, drawn: Drawn, environments: Indices, first: Indices) -> Drawn:
        if (first == first[0]).all():  # in step, they need no gathering
            room, block = divmod(int(first[0]), BLOCKS)
            rows = drawn[:, room, :, QUERIES * block : QUERIES * (block + 1)]
            if environments[-1] - environments[0] == len(environments) - 1:
                mine = rows[environments[0] : environments[-1] + 1]
            else:
                mine = rows[environments]
        else:
            by_block = drawn.reshape(*drawn.shape[:3], BLOCKS, QUERIES)
            mine = by_block[environments, first // BLOCKS, :, first % BLOCKS]
        return np.ascontiguousarray(mine.transpose(2, 1, 0))


def _room(environments: int, numbers: int) -> Drawn:
    """For so many numbers a query, shape (environments, AHEAD, numbers, BLOCKS * QUERIES)."""
    drawn = np.empty((environments, AHEAD * numbers * BLOCKS * QUERIES + APART), dtype=np.float32)
    return drawn[:, :-APART].reshape(environments, AHEAD, numbers, BLOCKS * QUERIES)


def _generator(seed: int | None, number: int = 0) -> np.random.Generator:
    """The first, second ... of a seed; of the system's entropy where there is none."""
    return np.random.Generator(np.random.SFC64(seed if seed is None or not number else [seed, number]))
