"""How long targets that promise well have gone untried, and when their turn comes.

A target that was late is avoided, so nothing shows that it no longer would be. If the forecast alone speaks for it, it
is tried once it has waited; in vain, it waits twice as long, for the forecast may go on being wrong. Once the forecast
has spoken against it too, what it was late for is explained, and its patience is as at first.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats, Indices, Numbers, least

PATIENCE: Final = 20.0
"""For how many queries of its condition a target waits at first."""

LONGEST_PATIENCE: Final = 640.0

Flags: TypeAlias = NDArray[np.bool_]


def nothing_waited(cells: int) -> Floats:
    """Waits, shape (2, cells): queries waited, and how often in a row a try after a wait failed.

    A cell is a target under a condition.
    """
    return np.zeros((2, cells))


def has_waited(waits: Floats, cells: Indices) -> Flags:
    """In which of these cells a turn has come, in their shape."""
    return np.asarray(_is_due(*waits.take(cells, axis=1)))


def tried(waits: Floats, cells: Indices, index: int, has_failed: bool, promising: Callable[[], Flags]) -> bool:
    """Take in that one target was tried while the others wait on; whether it is back, in good order, after a wait.

    Args:
        waits: changed in place.
        cells: of the targets, under the present condition.
        index: which one was tried.
        has_failed: whether it came late, or cost far more than forecast.
        promising: gives for which targets the forecast alone speaks; asked where some of them have failed.
    """
    at = cells[index]
    was_due = bool(_is_due(*waits[:, at].tolist()))
    waits[0][cells] += 1.0
    failures = waits[1].take(cells)
    if failures.any():
        waits[1][cells] = failures * promising()
    waits[:, at] = 0.0, waits[1, at] + was_due if has_failed else 0.0
    return was_due and not has_failed


def _is_due(waited: Numbers, failures: Numbers) -> Numbers:
    return waited >= least(PATIENCE * 2.0**failures, LONGEST_PATIENCE)
