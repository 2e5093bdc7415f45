"""One carbon intensity for everywhere and always: the figure of a contract, a study or an experiment."""

from autoscale.carbon.intensity.base import Intensity, IntensitySource, Kind
from autoscale.errors import InvalidInput
from autoscale.interval import Interval
from autoscale.query.outcome import Method


class GivenIntensity(IntensitySource):
    """Tells the figure it was made with; marked ``default``, since nobody measured it for the hour.

    Args:
        g_per_kwh: gCO2e/kWh.
        kind: ``average`` or ``marginal``.

    Raises:
        InvalidInput: a figure that is negative or not finite.

    >>> GivenIntensity(56.0).at("FR", 0.0).g_per_kwh
    56.0
    """

    def __init__(self, g_per_kwh: float, kind: Kind = "average") -> None:
        if not 0.0 <= g_per_kwh < float("inf"):
            raise InvalidInput(f"carbon intensity is {g_per_kwh} g/kWh; allowed: 0 or more, finite")
        self.kind = kind
        self._g_per_kwh = Interval.exactly(g_per_kwh)

    def at(self, place: str, time_s: float) -> Intensity:
        """The figure."""
        return Intensity.of(self._g_per_kwh, self.kind, "as given", time_s, Method.DEFAULT)
