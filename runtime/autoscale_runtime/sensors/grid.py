"""Carbon intensity, as an agent sees it."""

from typing import ClassVar

from autoscale.query.observation import Observation
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.sensors.base import Sensor


class GridSensor(Sensor):
    """Tells what a watch knows now; it waits for nothing.

    Args:
        watch: whoever keeps the intensities current.
    """

    name: ClassVar[str] = "grid"

    def __init__(self, watch: GridWatch) -> None:
        self._watch = watch

    def sense(self) -> Observation:
        """Carbon intensity of every place that is known."""
        return self._watch.now.observation
