"""Meters over a gauge that tells power, not energy: who wants joules must look often enough."""

import threading
import time
import weakref
from abc import abstractmethod
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from autoscale_runtime.meters.base import CounterMeter, Mark

RESTS_AFTER_S: Final = 5.0
"""So long after the last window began or ended, nobody looks any more."""


class Power(NamedTuple):
    """What a gauge says, and by how much it may be off besides its gain."""

    power_w: float
    offset_w: float = 0.0


class _Look(NamedTuple):
    time_s: float
    power: Power


class GaugeMeter(CounterMeter):
    """Power at each look, integrated over the time between (trapezoids). A thread looks while windows are open.

    Between two looks the power may have been anything between what they saw, so that is what a reading may be off by.

    Args:
        clock: seconds, monotonic.
        period_s: how often the thread looks; None for no thread, but at the ends of windows.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, period_s: float | None = None) -> None:
        super().__init__(clock)
        self._lock = Lock()
        self._last: _Look | None = None
        self._total_j = 0.0
        self._used_s = clock()
        self._period_s = period_s
        self._looking: threading.Thread | None = None

    @abstractmethod
    def read(self) -> Power:
        """What the gauge says now.

        Raises:
            OSError: it cannot be read.
            ValueError: it is garbage.
        """

    def read_j(self) -> float:
        """Joules since the first look."""
        with self._lock:
            last, self._last = self._last, None
            now = _Look(self.clock(), self.read())
            self._last = now
            if last is not None:
                elapsed_s = now.time_s - last.time_s
                self._total_j += (last.power.power_w + now.power.power_w) / 2.0 * elapsed_s
                between_w = abs(now.power.power_w - last.power.power_w) + last.power.offset_w + now.power.offset_w
                self.looked(between_w / 2.0 * elapsed_s)
            return self._total_j

    def begin(self) -> Mark:
        """Open a window."""
        mark = super().begin()
        self._used_s = mark.time_s
        is_looking = self._looking is not None and self._looking.is_alive()
        if self._period_s is not None and self._last is not None and not is_looking:
            arguments = (weakref.ref(self), self._period_s)
            self._looking = threading.Thread(target=_look, args=arguments, name="autoscale-gauge", daemon=True)
            self._looking.start()
        return mark

    def is_in_use(self) -> bool:
        """Whether somebody opened a window of late."""
        return self.clock() - self._used_s < RESTS_AFTER_S

    def look(self) -> None:
        """Look once more, if the gauge can be read; whoever ends a window is told if it cannot."""
        self._counter()


def _look(reference: "weakref.ref[GaugeMeter]", period_s: float) -> None:
    """Until the meter rests, or is dropped."""
    while True:
        meter = reference()
        if meter is None or not meter.is_in_use():
            return
        meter.look()
        del meter
        time.sleep(period_s)
