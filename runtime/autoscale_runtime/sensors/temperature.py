"""Temperature of the processor package, from Linux's thermal zones or, elsewhere, what psutil finds."""

from pathlib import Path
from typing import ClassVar, Final

import psutil

from autoscale.query.observation import Observation
from autoscale_runtime.sensors.base import Sensor

PROCESSOR_NAMES: Final = ("x86_pkg_temp", "cpu", "soc", "coretemp", "k10temp")
"""Beginnings of the names under which the processor's temperature goes, the most telling first."""

COLDEST_C: Final = -40.0
HOTTEST_C: Final = 125.0
"""What silicon is made for. A sensor that is off or broken says the ends of its scale: -273, 0, 127, 255."""


class TemperatureSensor(Sensor):
    """The hottest zone of the processor package.

    Args:
        root: where ``sys`` is found.
    """

    name: ClassVar[str] = "temperature"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def sense(self) -> Observation:
        """Degrees Celsius; absent where no zone is the processor's, or none of them says anything possible."""
        readings = self._zones()
        if not readings and self._root == Path("/"):
            readings = self._chips()
        return Observation(temperature_c=max(most_telling(readings), default=None))

    def _zones(self) -> list[tuple[str, float]]:
        readings = []
        for zone in sorted((self._root / "sys" / "class" / "thermal").glob("thermal_zone*")):
            try:
                name = (zone / "type").read_text().strip()
                if is_processor(name):
                    readings.append((name, possible_c(degrees_c(int((zone / "temp").read_text())))))
            except (OSError, ValueError) as error:
                self.gap(f"{zone.name}: {error}")
        return readings

    def _chips(self) -> list[tuple[str, float]]:
        readings = []
        sense = getattr(psutil, "sensors_temperatures", None)
        chips = {} if sense is None else sense()
        for chip in filter(is_processor, chips):
            for reading in chips[chip]:
                try:
                    readings.append((chip, possible_c(reading.current)))
                except ValueError as error:
                    self.gap(f"{chip}: {error}")
        return readings


def degrees_c(reported: int) -> float:
    """What a zone tells, in degrees: the kernel's thousandths, or the whole degrees that some drivers tell.

    >>> degrees_c(41500), degrees_c(41)
    (41.5, 41.0)
    """
    return reported / 1000.0 if abs(reported) >= 1000 else float(reported)


def possible_c(temperature_c: float) -> float:
    """The same temperature.

    Raises:
        ValueError: no running processor has it: exactly 0, or not within ``COLDEST_C`` and ``HOTTEST_C``.
    """
    if temperature_c == 0.0 or not COLDEST_C < temperature_c < HOTTEST_C:
        raise ValueError(f"{temperature_c:g} degrees; possible: {COLDEST_C:g} to {HOTTEST_C:g}, and not exactly 0")
    return temperature_c


def is_processor(name: str) -> bool:
    """Whether a zone or chip is the processor's; a board's or a radio's is not."""
    return name.lower().startswith(PROCESSOR_NAMES)


def most_telling(readings: list[tuple[str, float]]) -> list[float]:
    """The temperatures under the most telling of a processor's names."""
    for beginning in PROCESSOR_NAMES:
        found = [temperature_c for name, temperature_c in readings if name.lower().startswith(beginning)]
        if found:
            return found
    return []
