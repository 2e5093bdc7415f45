"""Blocks of queries made from what an episode keeps, what the last block left, and a place in each random stream."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from autoscale.arrays import Indices
from autoscale_envs.variance.draws import AT_ONCE, Words, block
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.worlds.blocks import ProcessState, next_block
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.shelf import Shelf

LARGEST_BYTES: Final = 2**24


def keep_what_is_freed() -> None:
    """Have the process keep freed memory of the size of a block's arrays: blocks are made a third faster.

    glibc gives memory back to the system, to be cleared and mapped anew, above a threshold that rises to the largest
    piece it has seen freed.
    """
    np.empty(LARGEST_BYTES, dtype=np.uint8)


def make(
    parameters: WorldParameters,
    hidden: Hidden,
    memory: ProcessState,
    first: Words,
    environments: Indices,
    shelf: Shelf,
) -> None:
    """Make the next block of some environments.

    Args:
        parameters: of the world.
        hidden: the factors of all environments.
        memory: of all; that of those is moved on.
        first: where each one's random numbers begin, shape (n,).
        environments: which ones, shape (n,).
        shelf: where their block is put.
    """
    for start in range(0, len(environments), AT_ONCE):
        some = environments[start : start + AT_ONCE]
        drawn = block(first[start : start + AT_ONCE], shelf.length, parameters.counts.processes, parameters.uniforms)
        # Computing strays in steps alone, and its factors are many.
        mine = Hidden(hidden.computing[:0], *of(hidden[1:], some))
        made, moved = next_block(parameters, mine, ProcessState(*of(memory, some)), *drawn)
        put(memory, some, moved)
        shelf.put(some, made)


def put(into: Sequence[Any], environments: Indices | slice, values: Sequence[Any]) -> None:
    """Write the values of some environments into arrays of all."""
    for mine, value in zip(into, values, strict=True):
        mine[environments] = value


def of(arrays: Sequence[Any], environments: Indices) -> list[Any]:
    """Those of some environments."""
    return [each[environments] for each in arrays]


def blank(parameters: WorldParameters, count: int) -> ProcessState:
    """What no block has left yet, of so many environments."""
    kinds = (parameters.counts.processes,), int, int, (), (), (2,), int
    return ProcessState._make(
        np.zeros((count, *kind)) if isinstance(kind, tuple) else np.zeros(count, np.intp) for kind in kinds
    )
