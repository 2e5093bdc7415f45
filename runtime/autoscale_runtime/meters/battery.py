"""The battery's own gauge, as Linux tells it in /sys/class/power_supply: what the whole device draws.

Gauges are refreshed every second or so; hence no reading below 2 s. On mains power the battery tells
nothing of what the device draws, and there is no reading.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import ClassVar, NamedTuple, Self

from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.sensors.power_supply import MOST_W, Battery, is_on_mains, read_batteries

RESTING = ("Full", "Not charging")
"""What a battery says that neither gives nor takes."""


class BatteryMeter(CounterMeter):
    """What all batteries gave: their power at each call, integrated over the time between (trapezoids).

    Where a gauge tells no power, or 0 W, what it has less than at the last call; where that has not fallen, a gap.

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "battery"
    shortest_s: ClassVar[float] = 2.0
    scope = "battery gauge, whole device"
    sees_radio = True

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._root = root
        self._lock = Lock()
        self._last: _Gauges | None = None
        self._total_j = 0.0

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The batteries of this machine; they need no power table."""
        return cls()

    def read_j(self) -> float:
        """Joules drawn since the first call.

        Raises:
            OSError: the batteries cannot be looked for.
            ValueError: there are none, none is discharging, or they tell neither what they give nor what they have.
        """
        with self._lock:
            last, self._last = self._last, None
            now = _Gauges(self.clock(), discharging(self._root))
            self._last = now
            if last is not None:
                drawn_j = drawn_between_j(last, now)
                if drawn_j is None:
                    self.gap(f"{', '.join(now.batteries)} discharged at a rate that is not known")
                self._total_j += drawn_j or 0.0
                self.looked(between_looks_j(last, now))
            return self._total_j


class _Gauges(NamedTuple):
    time_s: float
    batteries: Mapping[str, Battery]

    @property
    def working(self) -> set[str]:
        return {name for name, each in self.batteries.items() if each.status == "Discharging"}

    @property
    def power_w(self) -> float | None:
        """Of those that discharge, together; None where one of them does not tell."""
        reported_w = [self.batteries[name].power_w for name in self.working]
        known_w = [each_w for each_w in reported_w if each_w is not None]
        return sum(known_w) if len(known_w) == len(reported_w) else None


def between_looks_j(before: _Gauges, after: _Gauges) -> float:
    """By how much :func:`drawn_between_j` may be off, if the power went nowhere but between what the two looks saw.

    What was stored and then was not, the gauge itself summed up: nothing is between looks then.
    """
    if before.power_w is None or after.power_w is None:
        return 0.0
    return abs(after.power_w - before.power_w) / 2.0 * (after.time_s - before.time_s)


def drawn_between_j(before: _Gauges, after: _Gauges) -> float | None:
    """What the device drew between two looks at its gauges; None where they do not tell."""
    elapsed_s = after.time_s - before.time_s
    if before.power_w is not None and after.power_w is not None:
        return (before.power_w + after.power_w) / 2.0 * elapsed_s
    drops_j = [
        _drop_j(before.batteries.get(name), after.batteries.get(name)) for name in before.working | after.working
    ]
    known_j = [each_j for each_j in drops_j if each_j is not None]
    is_known = len(known_j) == len(drops_j) and 0.0 < sum(known_j) <= MOST_W * elapsed_s
    return sum(known_j) if is_known else None


def _drop_j(before: Battery | None, after: Battery | None) -> float | None:
    if before is None or after is None:
        return None
    if before.stored_j is not None and after.stored_j is not None:
        return before.stored_j - after.stored_j
    if before.stored_c is not None and after.stored_c is not None and after.voltage_v is not None:
        return (before.stored_c - after.stored_c) * after.voltage_v
    return None


def discharging(root: Path) -> Mapping[str, Battery]:
    """The device's batteries, by name, while it lives on them alone.

    Raises:
        ValueError: there is none, mains power feeds the device too, or one of them tells nothing of what it does.
    """
    batteries = {each.name: each for each in read_batteries(root)}
    if not batteries:
        raise ValueError("this device has no battery")
    statuses = ", ".join(f"'{each.status}'" for each in batteries.values())
    working = [each for each in batteries.values() if each.status == "Discharging"]
    if not working:
        raise ValueError(f"the battery is {statuses}; only a 'Discharging' one tells what the device draws")
    if is_on_mains(root, [*batteries.values()]):
        raise ValueError(
            f"the battery is {statuses}, but mains power is connected and gives the rest, which is not reported"
        )
    for each in batteries.values():
        if each.status not in (*RESTING, "Discharging") and each.power_w is not None:
            raise ValueError(
                f"{each.name} is '{each.status}' at {each.power_w:g} W; which way that flows is not reported"
            )
    for each in working:
        if each.power_w is None and each.stored_j is None and (each.stored_c is None or each.voltage_v is None):
            raise ValueError(f"{each.name} discharges and tells neither at what rate above 0 W nor what is left in it")
    return batteries
