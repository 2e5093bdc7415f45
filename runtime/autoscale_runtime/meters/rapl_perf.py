"""RAPL by Linux's perf events, for hosts where powercap is closed: the same counters by another door.

CAP_PERFMON, or ``kernel.perf_event_paranoid`` of 0 and below, opens it, where powercap wants root. The PMU ``power``
tells in sysfs its type, one CPU of each package, its events and the joules of one count (the kernel's
``Documentation/ABI/testing/sysfs-bus-event_source-devices-events``); 64 bits of those do not wrap in a lifetime.
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar, Final, NamedTuple, Self

from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.meters.counter_sum import CounterSum
from autoscale_runtime.meters.perf_event import Counter, PerfEvent
from autoscale_runtime.meters.rapl import REFRESH_S

EVENTS: Final = ("energy-pkg", "energy-ram")
"""The packages and their memory; cores and graphics are within a package, ``energy-psys`` contains it."""


class Event(NamedTuple):
    """One of the PMU's counters: a number of it, the joules of one count, and a CPU that can read it."""

    pmu: int
    config: int
    scale_j: float
    cpu: int


class RaplPerfMeter(CounterMeter):
    """All packages of the machine and their memory, as :class:`~autoscale_runtime.meters.rapl.RaplMeter` counts them.

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
        opened: gives the counter of an event on a CPU.
    """

    name: ClassVar[str] = "rapl-perf"
    shortest_s: ClassVar[float] = 0.05
    refresh_s = REFRESH_S

    def __init__(
        self,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        opened: Callable[[int, int, int], Counter] = PerfEvent,
    ) -> None:
        super().__init__(clock)
        self._folder = root / "sys" / "bus" / "event_source" / "devices" / "power"
        self._opened = opened
        self._counters: dict[str, tuple[Counter, float]] = {}
        self._lock = Lock()
        self._sum = CounterSum()
        self.scope = "RAPL by perf events"

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The counters of this machine; they need no power table."""
        return cls()

    def read_j(self) -> float:
        """Joules since the first call.

        Raises:
            OSError: no such counters, or none that this user may open.
            ValueError: what describes them is garbage.
        """
        with self._lock:
            if not self._counters:
                self._open()
            now_j = {name: counter.count() * scale_j for name, (counter, scale_j) in self._counters.items()}
            for problem in self._sum.add(now_j, self.clock()):
                self.gap(problem)
            return self._sum.total_j

    def _open(self) -> None:
        events = energy_events(self._folder)
        if not events:
            raise OSError(f"no RAPL events in {self._folder}")
        try:
            opened = {name: (self._opened(each.pmu, each.config, each.cpu), each.scale_j) for name, each in events}
        except PermissionError as error:
            allow = "sudo sysctl kernel.perf_event_paranoid=0, or CAP_PERFMON, allows it"
            raise OSError(f"{error}: {allow}") from error
        self._counters = opened
        self.scope = f"RAPL by perf events, {' + '.join(sorted({name.partition(' ')[0] for name in opened}))}"


def energy_events(power: Path) -> list[tuple[str, Event]]:
    """The events of the PMU ``power`` that are counted here, one a package, by name.

    Raises:
        OSError: a file that should be there cannot be read.
        ValueError: a file holds garbage, or an event counts in another unit than joules.
    """
    events = power / "events"
    names = [name for name in EVENTS if (events / name).exists()]
    if not names:
        return []
    pmu, cpus = int(_text(power / "type")), _cpus(_text(power / "cpumask"))
    found = []
    for name in names:
        unit = _text(events / f"{name}.unit")
        if unit != "Joules":
            raise ValueError(f"{events / name} counts {unit}; allowed: Joules")
        config, scale_j = _config(_text(events / name)), float(_text(events / f"{name}.scale"))
        found += [(f"{name} cpu{cpu}", Event(pmu, config, scale_j, cpu)) for cpu in cpus]
    return found


def _config(text: str) -> int:
    """The number in ``event=0x02``."""
    field, _, value = text.partition("=")
    if field != "event":
        raise ValueError(f"an event is '{text}'; allowed: as in event=0x02")
    return int(value, 0)


def _cpus(text: str) -> list[int]:
    """A list as the kernel writes it.

    >>> _cpus("0,24-25")
    [0, 24, 25]
    """
    ends = [each.partition("-") for each in text.split(",")]
    return [cpu for first, _, last in ends for cpu in range(int(first), int(last or first) + 1)]


def _text(path: Path) -> str:
    return path.read_text().strip()
