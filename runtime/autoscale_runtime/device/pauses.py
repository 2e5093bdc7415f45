"""How long the radio rests between a session's queries: what one leaves awake serves the next that comes soon."""

import math
from collections.abc import Callable
from typing import Final

WEIGHT: Final = 0.2
"""Share of a new pause in the running mean: the last five or so count."""


class Pauses:
    """From the end of each query to the beginning of the next, as far as they lie within the radio's tail.

    Args:
        clock: seconds, by which the radio rests.
        tail_s: how long it stays awake; a longer pause counts as that.

    Attributes:
        mean_s: of the last ones; the whole tail until there was one.
    """

    def __init__(self, clock: Callable[[], float], tail_s: float) -> None:
        self._clock, self._tail_s = clock, tail_s
        self.mean_s, self._count = tail_s, 0
        self._ended_s = math.nan

    def began(self) -> None:
        """Take note that a query began; between those that overlap there is no pause."""
        pause_s = self._clock() - self._ended_s
        if pause_s == pause_s:
            self._count += 1
            self.mean_s += max(WEIGHT, 1.0 / self._count) * (min(max(pause_s, 0.0), self._tail_s) - self.mean_s)

    def ended(self) -> None:
        """Take note that one has its answer."""
        self._ended_s = self._clock()
