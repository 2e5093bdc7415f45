"""How long the radio has rested: a used one need not be woken, and its tail is paid once."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock


def rest_of(radio: str) -> "RadioRest":
    """Of this device's radio of that name: it has one, however many sessions use it."""
    return _DEVICE.get().rest_of(radio)


@contextmanager
def another_device(clock: Callable[[], float]) -> Iterator[None]:
    """Sessions that are made within are of another device, as far as radios go: it lives by a clock of its own."""
    token = _DEVICE.set(_Radios(clock))
    try:
        yield
    finally:
        _DEVICE.reset(token)


class RadioRest:
    """Since when nothing used this device's radio. Thread-safe.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._guard = Lock()
        self._used_until_s = -math.inf

    def now_s(self) -> float:
        """How long it has rested; infinite where it never was used."""
        return self.clock() - self._used_until_s

    def used(self, latency_s: float) -> float:
        """Take note that a query used it, which began ``latency_s`` ago and ends now; how long it had rested before."""
        with self._guard:
            now_s = self.clock()
            rest_s = max(now_s - latency_s - self._used_until_s, 0.0)
            self._used_until_s = now_s
        return rest_s


class _Radios:
    """Those of one device."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._by_name: dict[str, RadioRest] = {}

    def rest_of(self, radio: str) -> RadioRest:
        return self._by_name.setdefault(radio, RadioRest(self.clock))


_DEVICE: ContextVar[_Radios] = ContextVar("autoscale-device", default=_Radios())  # noqa: B039  the process's own, for good
