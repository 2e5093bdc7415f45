"""Carbon intensity as it was given: a figure of the caller's, not a reading."""

from collections.abc import Mapping

from autoscale.observation import Observation
from autoscale_runtime.sensors.base import Sensor


class GridSensor(Sensor):
    """Tells the intensities it was made with.

    Args:
        intensity_g_per_kwh: place (``device``, ``edge``, ``cloud``) to gCO2e/kWh.

    Raises:
        InvalidObservation: a negative one.
    """

    name = "grid"

    def __init__(self, intensity_g_per_kwh: Mapping[str, float]) -> None:
        self._seen = Observation(intensity_g_per_kwh=dict(intensity_g_per_kwh))

    def sense(self) -> Observation:
        """The same, always."""
        return self._seen
