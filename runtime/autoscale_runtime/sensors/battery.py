"""Charge and charging state of this device's battery, as Linux tells it in /sys/class/power_supply."""

from pathlib import Path
from typing import ClassVar, Final

from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor

CHARGING: Final = {
    "Charging": True,
    "Full": True,
    "Not charging": True,
    "Discharging": False,
}
"""A battery's ``status`` to whether mains power is connected; ``Unknown`` says nothing."""


class BatterySensor(Sensor):
    """The first battery that feeds the device itself (not a mouse's or a headset's).

    Args:
        root: where ``sys`` is found.
    """

    name: ClassVar[str] = "battery"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def sense(self) -> Observation:
        """Charge as a fraction, and whether mains power is connected."""
        battery = find_battery(self._root)
        if battery is None:
            return NOTHING_SENSED
        percent = float((battery / "capacity").read_text())
        status = (battery / "status").read_text().strip()
        return Observation(battery=percent / 100.0, is_charging=CHARGING.get(status))


def find_battery(root: Path) -> Path | None:
    """The folder of the device's battery, or None where there is none."""
    supplies = root / "sys" / "class" / "power_supply"
    if not supplies.is_dir():
        return None
    return next((each for each in sorted(supplies.iterdir()) if _feeds_the_device(each)), None)


def _feeds_the_device(supply: Path) -> bool:
    # Peripherals carry scope "Device"; the battery of the machine has "System" or no such file.
    return _text(supply / "type") == "Battery" and _text(supply / "scope") != "Device"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
