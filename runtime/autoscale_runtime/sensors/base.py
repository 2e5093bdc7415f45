"""What every sensor offers: one reading, in which whatever it cannot sense is absent."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Self

from autoscale.query.observation import Observation
from autoscale.registry import Registry

NOTHING_SENSED: Final = Observation()
_LOG: Final = logging.getLogger("autoscale.sensors")


class Sensor(ABC):
    """One thing that can be sensed on this host.

    A subclass writes ``sense``, and may let any Exception out of it: hardware comes and goes, so ``read`` turns it
    into absence. A sensor of several parts leaves out those that cannot be read, each with a ``gap``, and tells the
    others. The first gap of a sensor is logged.

    Attributes:
        name: as registered.
    """

    name: ClassVar[str]
    _has_gaps: bool = False

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
        """One reading; all absent when the hardware cannot be read. Never raises for a sensor's sake."""
        try:
            reading = self.sense()
            if not isinstance(reading, Observation):
                raise TypeError(f"it sensed {reading!r}; allowed: an Observation")
        except Exception as error:  # a sensor may be anybody's, and must not take the others with it
            self.gap(error)
            return NOTHING_SENSED
        return reading

    def gap(self, problem: object) -> None:
        """Note that something, or a part of it, could not be read or was impossible."""
        if not self._has_gaps:
            self._has_gaps = True
            _LOG.warning("the sensor '%s' cannot be read, so it is absent: %s", self.name, problem)


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
    """Every registered sensor, plugged in ones included, that has something to sense on this host.

    One that cannot be made is left out, and logged.
    """
    return [sensor for name in SENSORS.names() if (sensor := _made(name, links)) is not None]


def _made(name: str, links: Sequence[str]) -> Sensor | None:
    try:
        sensor: Sensor = SENSORS.get(name).on_this_host(links)
        return sensor if sensor.is_available() else None
    except Exception as error:  # likewise
        _LOG.warning("the sensor '%s' cannot be made, so it is left out: %r", name, error)
        return None
