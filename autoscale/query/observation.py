"""What is known of the world when a query arrives. What cannot be sensed is absent (None), never zero."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autoscale.errors import InvalidObservation


@dataclass(frozen=True, slots=True)
class LinkState:
    """One link as seen from this device.

    Attributes:
        rssi_dbm: received signal strength.
        round_trip_s: the round-trip time of an empty message.
        uplink_bps: estimated rate from the device, bit/s.
        downlink_bps: estimated rate to the device, bit/s.
        is_up: False while the circuit to the remote is open; None before anything was tried.
    """

    rssi_dbm: float | None = None
    round_trip_s: float | None = None
    uplink_bps: float | None = None
    downlink_bps: float | None = None
    is_up: bool | None = None

    def __post_init__(self) -> None:
        _check("rssi_dbm", self.rssi_dbm, -200.0, 50.0)
        _check("round_trip_s", self.round_trip_s, 0.0, math.inf)
        _check("uplink_bps", self.uplink_bps, 0.0, math.inf)
        _check("downlink_bps", self.downlink_bps, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything sensed at one moment.

    Attributes:
        cpu_load: CPU time taken by *other* processes, as a fraction of all cores.
        memory_load: memory held by other processes, as a fraction of all memory.
        links: link name (``Target.link``) to its state.
        temperature_c: of the processor package, degrees Celsius.
        battery: charge left as a fraction.
        is_charging: whether mains power is connected.
        intensity_g_per_kwh: place (``device``, ``edge``, ``cloud``) to grid carbon intensity, gCO2e/kWh.

    Raises:
        InvalidObservation: a value outside its range, or NaN.
    """

    cpu_load: float | None = None
    memory_load: float | None = None
    links: Mapping[str, LinkState] = field(default_factory=dict)
    temperature_c: float | None = None
    battery: float | None = None
    is_charging: bool | None = None
    intensity_g_per_kwh: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("cpu_load", self.cpu_load, 0.0, 1.0)
        _check("memory_load", self.memory_load, 0.0, 1.0)
        _check("temperature_c", self.temperature_c, -273.15, 1000.0)
        _check("battery", self.battery, 0.0, 1.0)
        for place, intensity in self.intensity_g_per_kwh.items():
            if not intensity >= 0.0:
                _check(f"intensity_g_per_kwh of {place}", intensity, 0.0, math.inf)

    def link(self, name: str) -> LinkState:
        """The state of a link; all absent when nothing is known of it."""
        return self.links.get(name, UNKNOWN_LINK)


def _check(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidObservation(f"{name} is {value}; allowed: {low:g} to {high:g}, or None where it is not sensed")


UNKNOWN_LINK: Final = LinkState()
