"""How long targets that promise well have gone untried, and when their turn comes.

A target that was late is avoided, so nothing shows that it no longer would be. If the forecast alone speaks for it, it
is tried once it has waited; in vain, it waits twice as long, for the forecast may go on being wrong. Once the forecast
has spoken against it too, what it was late for is explained, and its patience is as at first.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats, Indices

PATIENCE: Final = 20.0
"""For how many queries of its condition a target waits at first."""

LONGEST_PATIENCE: Final = 640.0

Cells: TypeAlias = tuple[Indices, Indices]
"""Condition and number of each target."""

Flags: TypeAlias = NDArray[np.bool_]


def nothing_waited(conditions: int, targets: int) -> Floats:
    """Waits, shape (2, conditions, targets): queries waited, and how often in a row a try after a wait failed."""
    return np.zeros((2, conditions, targets))


def has_waited(waits: Floats, cells: Cells) -> Flags:
    """Which targets' turn has come, shape (targets,)."""
    waited, failures = waits[:, *cells]
    due: Flags = waited >= np.minimum(PATIENCE * 2.0**failures, LONGEST_PATIENCE)
    return due


def tried(waits: Floats, cells: Cells, index: int, has_failed: bool, promising: Flags) -> bool:
    """Take in that one target was tried while the others wait on; whether it is back, in good order, after a wait.

    Args:
        waits: changed in place.
        cells: of the targets.
        index: which one was tried.
        has_failed: whether it came late, or cost far more than forecast.
        promising: for which targets the forecast alone speaks.
    """
    at = cells[0][index], index
    was_due = bool(has_waited(waits, cells)[index])
    waits[0][cells] += 1.0
    waits[1][cells] *= promising
    waits[0][at] = 0.0
    waits[1][at] = waits[1][at] + was_due if has_failed else 0.0
    return was_due and not has_failed
