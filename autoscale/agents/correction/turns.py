"""How long precisions have gone untried, and when their turn comes.

What was late or dear is avoided, so nothing shows that it no longer would be. If the forecast alone speaks for it, it
is tried once it has waited; where it is as bad as believed, it waits twice as long, for the forecast may go on being
wrong. Where it is far better than believed, something has changed.
"""

from typing import Final

import numpy as np

from autoscale.arrays import Flags

PATIENCE: Final = 20.0
"""For how many queries, of any network, a precision waits at first."""
LONGEST_PATIENCE: Final = 5120.0
EVERY: Final = 8
"""In one of so many queries of a network a turn can come."""
TURN: Final = 0.5
"""The chance, then, of the target whose turn has come, at most."""


def turn_of(late: float, on_time: float) -> float:
    """The chance of a turn: late answers that it is expected to cost are no more than the goal allows a query.

    Args:
        late: the chance that the target is late.
        on_time: what the goal asks.
    """
    return TURN if TURN * late <= 1.0 - on_time else (1.0 - on_time) / late


class Turns:
    """Of each precision of each processor, over all networks.

    Args:
        precisions: how many.

    Attributes:
        idle: queries since it was tried, shape (precisions,).
        failures: how often in a row a turn was in vain, likewise.
    """

    def __init__(self, precisions: int) -> None:
        self.idle, self.failures = np.zeros(precisions), np.zeros(precisions)

    def due(self) -> Flags:
        """Whose turn has come, shape (precisions,)."""
        return np.asarray(self.idle >= np.minimum(PATIENCE * 2.0**self.failures, LONGEST_PATIENCE))

    def is_due(self, precision: int) -> bool:
        """Whether the turn of one has come."""
        patience = PATIENCE * 2.0 ** float(self.failures[precision])
        is_due: bool = float(self.idle[precision]) >= min(patience, LONGEST_PATIENCE)
        return is_due

    def tried(self, precision: int, was_due: bool, is_better: bool, is_late: bool) -> None:
        """Take in that one was tried while the others wait on.

        Args:
            precision: which.
            was_due: whether it was its turn.
            is_better: whether it was far better than believed.
            is_late: whether the answer was late.
        """
        self.idle += 1.0
        self.idle[precision] = 0.0
        if is_better or not (was_due or is_late):
            self.failures[precision] = 0.0
        elif was_due:
            self.failures[precision] += 1.0
