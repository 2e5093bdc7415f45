"""The mean of the last few figures of a kind, which one of them alone cannot poison."""

from typing import Final

FAR: Final = 4.0
"""A figure so many times the mean, or less by that, is an outlier, until another one like it follows."""


class RunningMean:
    """Follows a figure: the first is a cold start, so the second replaces it; each later one moves the mean a little.

    An outlier moves it no further than a figure at the edge of what is near does. Two in a row to the same side are a
    change, which the mean follows at once.

    Args:
        guess: stands until the first figure.
        weight: share of a new figure.
        is_known: whether the guess is as good as two figures, so that the first moves it a little too.
    """

    def __init__(self, guess: float, weight: float, is_known: bool = False) -> None:
        self.value = guess
        self.count = 2 if is_known else 0
        self._weight = weight
        self._side = 0

    def add(self, figure: float) -> None:
        """Take one in; 0 or more."""
        self.count += 1
        value, side = self.value, 0
        near = figure
        if figure > value * FAR:
            near, side = value * FAR, 1
        elif figure < value / FAR:
            near, side = value / FAR, -1
        if self.count <= 2 or value <= 0.0 or (side and side == self._side):
            self.value, self._side = figure, 0
        else:
            self.value, self._side = value + self._weight * (near - value), side
