"""A time as it was lately: how long a query holds an instance, how late the loop looks at its answer."""

from typing import Final

LEARNS: Final = 0.1
"""The weight of the newest; ten or so count."""


class ServiceTime:
    """A running mean in seconds; 0.0 before the first."""

    def __init__(self) -> None:
        self.mean_s = 0.0

    def add(self, took_s: float) -> None:
        """Learn of one more."""
        self.mean_s = took_s if self.mean_s == 0.0 else self.mean_s + LEARNS * (took_s - self.mean_s)
