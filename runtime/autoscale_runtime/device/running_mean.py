"""The mean of the last few figures of a kind."""


class RunningMean:
    """Follows a figure: the first is a cold start, so the second replaces it; each later one moves the mean a little.

    Args:
        guess: stands until the first figure.
        weight: share of a new figure.
    """

    def __init__(self, guess: float, weight: float) -> None:
        self.value = guess
        self.count = 0
        self._weight = weight

    def add(self, figure: float) -> None:
        """Take one in."""
        self.count += 1
        self.value += (1.0 if self.count <= 2 else self._weight) * (figure - self.value)
