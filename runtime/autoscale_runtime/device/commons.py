"""What all sessions of one device have in common: its radios, and what is known of the links to other machines.

A radio that one session's query left awake serves another's, and a link that is slow for one is slow for all. What
is known of a link lasts as long as a session uses it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from weakref import WeakValueDictionary

from autoscale_runtime.device.radio_rest import RadioRest
from autoscale_runtime.host.process import generation
from autoscale_runtime.sensors.hub import estimator
from autoscale_runtime.sensors.links import LinkEstimator


class _Known:
    """By the sessions of one process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.radios: dict[str, RadioRest] = {}
        self.links: WeakValueDictionary[tuple[str, str, bool], LinkEstimator] = WeakValueDictionary()


class Commons:
    """Of one device. Thread-safe; anew in a process that was forked, since its parent's threads may hold any lock.

    Args:
        clock: seconds, by which its radios rest.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._known: dict[int, _Known] = {}

    def radio(self, name: str) -> RadioRest:
        """How long the radio of that name has rested."""
        known = self.of_this_process()
        with known.lock:
            return known.radios.setdefault(name, RadioRest(self._clock))

    def link(self, name: str, address: str, is_weak: bool) -> LinkEstimator:
        """What is known of the link of that name to an address, with a regular signal or a weak one."""
        known = self.of_this_process()
        with known.lock:
            return known.links.setdefault((name, address, is_weak), estimator(is_weak))

    def of_this_process(self) -> _Known:
        """The same for threads that ask at once: a dictionary takes the first one's."""
        return self._known.setdefault(generation(), _Known())


def commons() -> Commons:
    """Those of this device."""
    return _DEVICE.get()


@contextmanager
def another_device(clock: Callable[[], float]) -> Iterator[None]:
    """Sessions that are made within are of another device, whose radios live by a clock of its own."""
    token = _DEVICE.set(Commons(clock))
    try:
        yield
    finally:
        _DEVICE.reset(token)


_DEVICE: ContextVar[Commons] = ContextVar("autoscale-device", default=Commons())  # noqa: B039  the process's, for good
