"""A plugged-in meter that is no counter: what it raises, or says that cannot be, is a gap and costs no query."""

import logging
import math
from typing import Any, ClassVar, Final, Self

from autoscale.errors import InvalidInput
from autoscale.query.target import Target
from autoscale_runtime.meters.base import Mark, Meter, Reading

_LOG: Final = logging.getLogger("autoscale.meters")
_LOST: Final = Mark(math.nan, math.nan)


class GuardedMeter(Meter):
    """Tells what another meter tells, and nothing where that one fails; the first failure is logged.

    Args:
        meter: anybody's.
    """

    name: ClassVar[str] = "guarded"

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.sees_radio = meter.sees_radio
        self._has_failed = False

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """It is made of another meter.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("a guarded meter is made of another: GuardedMeter(meter)")

    def why_unavailable(self) -> str | None:
        """What keeps the meter from working."""
        try:
            return self.meter.why_unavailable()
        except Exception as error:  # a meter may be anybody's
            return str(error) or repr(error)

    def begin(self) -> Mark:
        """Open a window."""
        try:
            return self.meter.begin()
        except Exception as error:  # likewise
            self._fail(error)
            return _LOST

    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """What the meter says of the window, if that can be."""
        if mark is _LOST:
            return None
        try:
            reading: Any = self.meter.end(mark, target)
            if reading is None or 0.0 <= reading.energy_j < math.inf:
                return None if reading is None else Reading(*reading)
            raise ValueError(f"it reported {reading.energy_j} J; allowed: 0 or more, and finite")
        except Exception as error:  # likewise
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            _LOG.warning("the meter '%s' cannot be read, so it tells nothing: %s", self.meter.name, error)
