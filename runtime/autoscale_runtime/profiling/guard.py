"""When measuring waits for others, and when it stops: heat, a low battery, or somebody who ends it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.sensors.battery import BatterySensor
from autoscale_runtime.sensors.load import LoadSensor
from autoscale_runtime.sensors.temperature import TemperatureSensor

BUSY: Final = 0.25
"""Others who take more of the cores than this are given way to."""

LOOK_S: Final = 0.1
"""Between two looks at a busy machine."""


@dataclass(slots=True)
class Limits:
    """How far measuring may go.

    Attributes:
        hottest_c: it stops at this temperature of the processor.
        least_battery: and at this charge, a fraction, while nothing charges it.
        patience_s: how long it gives way to others in all, before it measures beside them.

    Raises:
        InvalidInput: a limit that nothing can meet.
    """

    hottest_c: float = 80.0
    least_battery: float = 0.2
    patience_s: float = 20.0

    def __post_init__(self) -> None:
        if not 30.0 <= self.hottest_c <= 125.0:
            raise InvalidInput(f"--max-temperature-c is {self.hottest_c}; allowed: 30 to 125")
        if not 0.0 <= self.least_battery < 1.0:
            raise InvalidInput(f"--min-battery is {self.least_battery}; allowed: a fraction from 0 to below 1")


@dataclass(slots=True)
class Guard:
    """Asked before every burst of runs.

    Attributes:
        limits: how far it may go.
        is_stopped: whether somebody has ended it.
        root: where ``sys`` is found.
    """

    limits: Limits
    is_stopped: Callable[[], bool] = lambda: False
    root: Path = Path("/")
    _sensors: Sequence[Sensor] = field(init=False)
    _load: LoadSensor = field(init=False)

    def __post_init__(self) -> None:
        self._sensors = TemperatureSensor(self.root), BatterySensor(self.root)
        self._load = LoadSensor(window_s=LOOK_S)

    def why_stop(self) -> str:
        """What forbids to go on, in words; empty where nothing does."""
        if self.is_stopped():
            return "it was ended"
        heat, charge = (each.read() for each in self._sensors)
        if heat.temperature_c is not None and heat.temperature_c >= self.limits.hottest_c:
            return f"the processor is at {heat.temperature_c:.0f} °C"
        if _is_low(charge, self.limits.least_battery):
            return f"the battery is at {charge.battery:.0%} and nothing charges it"
        return ""

    def give_way(self, longest_s: float) -> float:
        """Wait while others want the cores, no longer than that; how long it waited."""
        began_s, self._load = time.monotonic(), LoadSensor(window_s=LOOK_S)
        self._load.read()
        while True:
            waited_s = time.monotonic() - began_s
            if waited_s >= min(longest_s, self.limits.patience_s) or self.is_stopped():
                break
            time.sleep(LOOK_S)
            load = self._load.read().cpu_load
            if load is None or load <= BUSY:
                break
        waited_s = time.monotonic() - began_s
        self.limits.patience_s = max(self.limits.patience_s - waited_s, 0.0)
        return waited_s


def _is_low(charge: Observation, least: float) -> bool:
    return charge.battery is not None and charge.battery < least and not charge.is_charging
