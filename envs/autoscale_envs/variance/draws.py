"""Random numbers: every environment has a generator of its own, drawn from in blocks.

An environment's numbers depend on its seed and on nothing else, so that sub-environment ``i`` of a vector environment
lives through the very episode that a lone environment with that seed does. Blocks of ``QUERIES`` make that cheap: one
call of a generator for many numbers.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Floats, Indices

QUERIES: Final = 64
"""Queries in a block."""
AT_ONCE: Final = 256
"""Environments whose blocks are made together, at most: so many fit a core's cache."""
UNIFORMS: Final = 7
"""Uniforms a query needs where no link fails."""


class Draws:
    """The generators of some environments.

    Args:
        seeds: one each; None for entropy of the system's.
        normals: how many standard normals a query needs.
        uniforms: how many uniforms.
    """

    def __init__(self, seeds: Sequence[int | None], normals: int, uniforms: int = UNIFORMS) -> None:
        self._generators = [_generator(seed) for seed in seeds]
        most = min(len(seeds), AT_ONCE)
        self._normals = np.empty((most, normals, QUERIES))
        self._uniforms = np.empty((most, uniforms, QUERIES), dtype=np.float32)

    def reseed(self, environment: int, seed: int | None) -> None:
        """Begin an environment's numbers anew."""
        self._generators[environment] = _generator(seed)

    def episode(self, environments: Indices, normals: int, uniforms: int) -> tuple[Floats, Floats]:
        """What is drawn once an episode: shapes (n, normals) and (n, uniforms)."""
        own = [self._generators[i] for i in environments]
        return (
            np.array([each.standard_normal(normals) for each in own]),
            np.array([each.random(uniforms) for each in own]),
        )

    def block(self, environments: Indices) -> tuple[Floats, Floats]:
        """What the next block of queries needs: shapes (queries, normals, n) and (queries, uniforms, n)."""
        for row, environment in enumerate(environments):
            generator = self._generators[environment]
            generator.standard_normal(out=self._normals[row])
            generator.random(out=self._uniforms[row], dtype=np.float32)
        return _queries_first(self._normals[: len(environments)]), _queries_first(self._uniforms[: len(environments)])


def _queries_first(drawn: npt.NDArray[np.floating]) -> Floats:
    return np.array(drawn.transpose(2, 1, 0), dtype=np.float64, order="C")


def _generator(seed: int | None) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))
