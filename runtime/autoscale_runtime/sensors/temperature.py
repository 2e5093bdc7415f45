"""Temperature of the processor package, from Linux's thermal zones or, elsewhere, what psutil finds."""

from pathlib import Path
from typing import ClassVar, Final, TypeVar

import psutil

from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import Sensor

T = TypeVar("T")

PROCESSOR_NAMES: Final = ("x86_pkg_temp", "cpu", "soc", "coretemp", "k10temp")
"""Beginnings of the names under which the processor's temperature goes, the most telling first."""


class TemperatureSensor(Sensor):
    """The hottest zone of the processor package.

    Args:
        root: where ``sys`` is found.
    """

    name: ClassVar[str] = "temperature"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def sense(self) -> Observation:
        """Degrees Celsius; absent where no zone is the processor's."""
        zones = processor_zones(self._root / "sys" / "class" / "thermal")
        # The kernel tells thousandths of a degree.
        degrees = [int((zone / "temp").read_text()) / 1000.0 for zone in zones]
        if not degrees and self._root == Path("/"):
            degrees = _hwmon()
        return Observation(temperature_c=max(degrees, default=None))


def processor_zones(thermal: Path) -> list[Path]:
    """The zones that carry the most telling of a processor's names; a board's or a radio's are left out."""
    zones = [(zone, (zone / "type").read_text().strip()) for zone in sorted(thermal.glob("thermal_zone*"))]
    return _most_telling(zones)


def _hwmon() -> list[float]:
    chips = psutil.sensors_temperatures()
    return [reading.current for chip in _most_telling([(each, each) for each in chips]) for reading in chips[chip]]


def _most_telling(named: list[tuple[T, str]]) -> list[T]:
    for beginning in PROCESSOR_NAMES:
        found = [thing for thing, name in named if name.lower().startswith(beginning)]
        if found:
            return found
    return []
