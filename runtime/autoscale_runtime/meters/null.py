"""No meter: nothing is known of what was spent."""

import time
from typing import ClassVar, Self

from autoscale.query.target import Target
from autoscale_runtime.meters.base import Mark, Meter, Reading


class NullMeter(Meter):
    """Stands where there is no meter; its readings are absent, never zero."""

    name: ClassVar[str] = "none"

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """No power table is needed to know nothing."""
        return cls()

    def why_unavailable(self) -> str | None:
        """It always works."""
        return None

    def begin(self) -> Mark:
        """Open a window."""
        return Mark(time.monotonic(), 0.0)

    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """Nothing is known."""
        return None
