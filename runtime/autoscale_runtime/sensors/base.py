"""What every sensor offers: one reading, in which whatever it cannot sense is absent."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Self

import psutil

from autoscale.query.observation import Observation
from autoscale.registry import Registry

NOTHING_SENSED: Final = Observation()
_LOG: Final = logging.getLogger("autoscale.sensors")


class Sensor(ABC):
    """One thing that can be sensed on this host.

    A subclass writes ``sense``, and may let OSError, ValueError or psutil.Error out of it: hardware comes
    and goes, so ``read`` turns them into absence and logs the first of them.

    Attributes:
        name: as registered.
    """

    name: ClassVar[str]
    _has_failed: bool = False

    @classmethod
    def on_this_host(cls, links: Sequence[str]) -> Self:
        """The sensor as a session makes it; ``links`` are the names of the session's links."""
        return cls()

    @abstractmethod
    def sense(self) -> Observation:
        """Take one reading, which fills the fields that this sensor senses and no others."""

    def is_available(self) -> bool:
        """Whether there is anything to sense here."""
        return self.read() != NOTHING_SENSED

    def read(self) -> Observation:
        """One reading; all absent when the hardware cannot be read. Never raises for hardware's sake."""
        try:
            return self.sense()
        except (OSError, ValueError, psutil.Error) as error:
            if not self._has_failed:
                self._has_failed = True
                _LOG.warning("the sensor '%s' cannot be read, so it is absent: %s", self.name, error)
            return NOTHING_SENSED


SENSORS: Final = Registry(
    "sensor",
    {
        "load": "autoscale_runtime.sensors.load:LoadSensor",
        "wifi": "autoscale_runtime.sensors.wifi:WifiSensor",
        "battery": "autoscale_runtime.sensors.battery:BatterySensor",
        "temperature": "autoscale_runtime.sensors.temperature:TemperatureSensor",
    },
    group="autoscale.sensors",
)


def host_sensors(links: Sequence[str] = ()) -> list[Sensor]:
    """Every registered sensor, plugged in ones included, that has something to sense on this host."""
    sensors: list[Sensor] = [SENSORS.get(name).on_this_host(links) for name in SENSORS.names()]
    return [sensor for sensor in sensors if sensor.is_available()]
