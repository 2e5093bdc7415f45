"""The battery's own gauge, as Linux tells it in /sys/class/power_supply: what the whole device draws.

Gauges are refreshed every second or so; hence no reading below 2 s. On mains power the battery tells
nothing of what the device draws, and there is no reading.
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.sensors.battery import find_battery


class BatteryMeter(CounterMeter):
    """Power at each call, integrated over the time between (trapezoids).

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "battery"
    shortest_s: ClassVar[float] = 2.0
    scope = "battery gauge, whole device"

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._battery = find_battery(root)
        self._lock = Lock()
        self._last: tuple[float, float] | None = None
        self._total_j = 0.0

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The battery of this machine; it needs no power table."""
        return cls()

    def read_j(self) -> float:
        """Joules drawn since the first call.

        Raises:
            OSError: the battery is gone, or does not tell its power.
            ValueError: there is none, it is not discharging, or it tells garbage.
        """
        with self._lock:
            last, self._last = self._last, None
            power_w, now_s = self._power_w(), self.clock()
            self._last = (now_s, power_w)
            if last is not None:
                self._total_j += (last[1] + power_w) / 2.0 * (now_s - last[0])
            return self._total_j

    def _power_w(self) -> float:
        if self._battery is None:
            raise ValueError("this device has no battery")
        return discharge_w(self._battery)


def discharge_w(battery: Path) -> float:
    """What a discharging battery gives now, in watts.

    Raises:
        OSError: it tells neither its power nor its current and voltage.
        ValueError: it is not discharging, or tells garbage.
    """
    status = (battery / "status").read_text().strip()
    if status != "Discharging":
        raise ValueError(f"the battery is '{status}'; only a 'Discharging' one tells what the device draws")
    # Gauges differ on the sign; the status has told the direction.
    if (battery / "power_now").exists():
        return abs(_micro(battery / "power_now"))
    return abs(_micro(battery / "current_now")) * _micro(battery / "voltage_now")


def _micro(path: Path) -> float:
    return int(path.read_text()) / 1e6
