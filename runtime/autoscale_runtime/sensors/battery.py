"""Charge and charging state of this device's batteries."""

from pathlib import Path
from typing import ClassVar

from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor
from autoscale_runtime.sensors.power_supply import charge_of, is_on_mains, read_batteries


class BatterySensor(Sensor):
    """The batteries that feed the device itself, taken together.

    Args:
        root: where ``sys`` is found.
    """

    name: ClassVar[str] = "battery"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def sense(self) -> Observation:
        """Charge as a fraction, and whether mains power is connected."""
        batteries = read_batteries(self._root)
        for problem in (each for battery in batteries for each in battery.problems):
            self.gap(problem)
        if not batteries:
            return NOTHING_SENSED
        return Observation(battery=charge_of(batteries), is_charging=is_on_mains(self._root, batteries))
