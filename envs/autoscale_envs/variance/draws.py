"""Random numbers: every environment has a stream of its own, and any block of it is computed from its place alone.

An environment's numbers depend on its seed and on nothing else, so that sub-environment ``i`` of a vector environment
lives through the very episode that a lone environment with that seed does. They are those of SplitMix64 (Steele, Lea
and Flood, OOPSLA 2014): a counter whose every value is mixed by itself, so that arrays of environments are computed
together, and nothing but a place in the stream is to be kept. Of the 64 bits of a word a normal takes 16, by a table of
as many quantiles, and a uniform 21.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices

QUERIES: Final = 64
"""Queries in a block of many environments."""
QUERIES_OF_FEW: Final = 256
"""Of few, for which a block of any size takes as long: the calls of numpy."""
MANY: Final = 64
"""Environments."""
AT_ONCE: Final = 1024
"""Environments whose blocks are made together, at most: beyond a megabyte or two an array leaves a core's cache."""
UNIFORMS: Final = 7
"""Uniforms a query needs where no link fails."""
NORMAL_BITS: Final = 16
UNIFORM_BITS: Final = 21

Words = npt.NDArray[np.uint64]
Drawn = npt.NDArray[Any]
"""In single precision, which is enough for what varies, and half of the work."""

STEP: Final = 0x9E3779B97F4A7C15
"""From one word's counter to the next, modulo 2^64: odd, so that all come by."""
MIXING: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
"""Shifts and factors, by which the neighbours of a counter have nothing in common."""


class Draws:
    """The random numbers of some environments.

    Args:
        seeds: one each; None for entropy of the system's.
        normals: how many standard normals a query needs.
        uniforms: how many uniforms.
    """

    def __init__(self, seeds: Sequence[int | None], normals: int, uniforms: int = UNIFORMS) -> None:
        self._next = np.array([_start(seed) for seed in seeds], dtype=np.uint64)
        # Apart, so that what an episode is like does not depend on how many blocks were drawn before.
        self._episodes = [_generator(seed) for seed in seeds]
        words = _words(normals, NORMAL_BITS) + _words(uniforms, UNIFORM_BITS)
        self._block = _times(STEP, np.array([words * queries_of(len(seeds))]))

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's numbers anew."""
        self._next[environment] = _start(seed)
        self._episodes[environment] = _generator(seed)

    def episode(self, environments: Indices, normals: int, uniforms: int) -> tuple[Floats, Floats]:
        """What is drawn once an episode: shapes (n, normals) and (n, uniforms)."""
        own = [self._episodes[i] for i in environments]
        return (
            np.array([each.standard_normal(normals) for each in own]),
            np.array([each.random(uniforms) for each in own]),
        )

    def take(self, environments: Indices) -> Words:
        """Where their next block begins (``block``), and go to the one after it."""
        first = self._next.take(environments)
        self._next[environments] += self._block
        return first

    def take_back(self) -> None:
        """Have the last block of all drawn once more, as if it had not been."""
        self._next -= self._block


def queries_of(environments: int) -> int:
    """How many are in a block; what they are does not depend on it."""
    return QUERIES if environments >= MANY else QUERIES_OF_FEW


def block(first: Words, queries: int, normals: int, uniforms: int = UNIFORMS) -> tuple[Drawn, Drawn]:
    """What a block of queries needs: shapes (queries, normals, n) and (queries, uniforms, n).

    Args:
        first: where each environment's begins, shape (n,).
        queries: in the block.
        normals: how many standard normals a query needs.
        uniforms: how many uniforms, of (0, 1), its ends left out.
    """
    of_normals, of_uniforms = _words(normals, NORMAL_BITS), _words(uniforms, UNIFORM_BITS)
    words = of_normals + of_uniforms
    steps = _times(STEP, np.arange(words * queries).reshape(queries, words, 1)).transpose(1, 0, 2)
    wandering = np.empty((normals, queries, len(first)), dtype=np.float32)
    by_chance = np.empty((uniforms, queries, len(first)), dtype=np.float32)
    for mine, numbers in zip(wandering, _numbers(first, steps[:of_normals], NORMAL_BITS), strict=False):
        _quantiles().take(numbers, mode="clip", out=mine)  # within the table; clipping is quicker than checking
    for mine, numbers in zip(by_chance, _numbers(first, steps[of_normals:], UNIFORM_BITS), strict=False):
        mine[:] = numbers
    by_chance += 0.5
    by_chance *= 0.5**UNIFORM_BITS
    return wandering.transpose(1, 0, 2), by_chance.transpose(1, 0, 2)


def _numbers(first: Words, steps: Words, bits: int) -> Iterator[Indices]:
    """Whole numbers of so many bits, one after the other, each of shape (queries, n), until the words are used up."""
    mask = np.uint64((1 << bits) - 1)
    for step in steps:
        word = _mixed(first + step)
        for shift in range(0, 64 - bits + 1, bits):
            number = word >> np.uint64(shift)
            number &= mask
            yield number.view(np.intp)


def _mixed(counters: Words) -> Words:
    """The words of some counters, in their place."""
    shifted = np.empty_like(counters)
    for shift, factor in MIXING:
        np.right_shift(counters, np.uint64(shift), out=shifted)
        counters ^= shifted
        if factor != 1:
            counters *= np.uint64(factor)
    return counters


def _words(numbers: int, bits: int) -> int:
    """How many hold so many numbers of so many bits."""
    return -(-numbers // (64 // bits))


def _times(step: int, counts: Indices) -> Words:
    """So many steps, modulo 2^64."""
    many: Words = counts.astype(np.uint64) * np.uint64(step)
    return many


@cache
def _quantiles() -> Drawn:
    """The middles of 2^16 equally likely parts of the standard normal distribution, rising: from -4.3 to 4.3."""
    normal, half = NormalDist(), 1 << NORMAL_BITS - 1
    below = np.array([normal.inv_cdf((part + 0.5) / (2 * half)) for part in range(half)], dtype=np.float32)
    return np.concatenate([below, -below[::-1]])


def _start(seed: int | None) -> int:
    """Where a seed's stream begins."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


def _generator(seed: int | None) -> np.random.Generator:
    """Of a seed's episodes; of the system's entropy where there is none."""
    return np.random.Generator(np.random.SFC64(seed if seed is None else [seed, 1]))
