"""How long precisions have gone untried, and when their turn comes.

What was late or dear is avoided, so nothing shows that it no longer would be. If the forecast alone speaks for it, it
is tried once it has waited; where it is as bad as believed, it waits twice as long, for the forecast may go on being
wrong. Where it is far better than believed, something has changed.

Any may have changed meanwhile, whatever the forecast says. That it has is as likely as Laplace's rule of succession
makes it, from for how long all precisions were seen to stay as they are; and it then costs so much more or less that
half of changes are by more than a factor of 1.4 (Laplace's distribution of the logarithm). One that was seldom chosen
is as seldom expected to be what is missed.
"""

import math
from typing import Final

import numpy as np

from autoscale.agents.correction.lesson import Lesson
from autoscale.arrays import Flags, Floats

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
    """Of each precision of each processor, over all networks; few numbers, which plain ones are fastest for.

    Args:
        precisions: how many.

    Attributes:
        idle: queries since it was tried.
        failures: how often in a row a turn was in vain.
        steady: for how many queries it was seen to be as it is; below 0 before the first.
        aged: for how many it may have changed since: more than ``idle`` where its last figure made that likelier.
        tries: how many it answered.
    """

    def __init__(self, precisions: int) -> None:
        self.idle, self.failures, self.aged, self.tries = ([0.0] * precisions for _ in range(4))
        self.steady = [-1.0] * precisions

    def due(self) -> Flags:
        """Whose turn has come, shape (precisions,)."""
        return np.array([self.is_due(precision) for precision in range(len(self.idle))])

    def is_due(self, precision: int) -> bool:
        """Whether the turn of one has come."""
        patience: float = PATIENCE * 2.0 ** self.failures[precision]
        return self.idle[precision] >= min(patience, LONGEST_PATIENCE)

    def chance_changed(self, precision: int) -> float:
        """The chance that one is no more what it was when it was tried."""
        aged = self.aged[precision]
        return aged / (self._seen() + aged)

    def stakes(self, horizon: float, spacing: float) -> Floats:
        """In how many queries of a network each is expected to be no more what it was, shape (precisions,).

        Those since it was tried, by the share of all queries that it answered: once what they may have missed is worth
        a look, one is due, so that all looks cost about as much as what they find is late. What was seen at one moment
        only may never have been so at another; there all queries to come may profit from one look.

        Args:
            horizon: how many those are.
            spacing: one of how many queries is the network's.
        """
        seen, often = self._seen(), spacing * (1.0 + sum(self.tries))
        return np.array(
            [
                (aged - seen * math.log1p(aged / seen)) * tries / often
                + horizon * (steady == 0.0) * aged / (1.0 + aged)
                for aged, steady, tries in zip(self.aged, self.steady, self.tries, strict=True)
            ]
        )

    def _seen(self) -> float:
        """For how many queries precisions were seen to stay as they are, all together, and one more."""
        return 1.0 + sum([each for each in self.steady if each > 0.0])

    def tried(self, precision: int, was_due: bool, lesson: Lesson, is_late: bool) -> None:
        """Take in that one was tried while the others wait on.

        Args:
            precision: which.
            was_due: whether it was its turn.
            lesson: what came of it.
            is_late: whether the answer was late.
        """
        has_changed = any(lesson.has_changed)
        self.idle, self.aged = [each + 1.0 for each in self.idle], [each + 1.0 for each in self.aged]
        self.tries[precision] += 1.0
        steady = self.steady[precision]
        self.steady[precision] = 0.0 if has_changed or steady < 0.0 else steady + self.idle[precision]
        likelier = 0.0 if has_changed else lesson.likelier
        self.idle[precision], self.aged[precision] = 0.0, likelier and likelier * self._seen()
        if lesson.is_better or not (was_due or is_late):
            self.failures[precision] = 0.0
        elif was_due:
            self.failures[precision] += 1.0
