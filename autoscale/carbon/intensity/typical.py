"""What is typical for the month and the hour: intensity by the hour without a network or a file of your own.

The yearly average of a place times the factors of its month and of its hour of the day, in UTC (see ``shapes``). What
was fitted on one year misses another year's hours by 20.6 % on average over fourteen grids, given that year's average;
the yearly average alone misses them by 24.5 %. On a grid of much sun it is 19 instead of 34 % (California), on one of
water, of wind or of reactors that stand still hardly better (Norway 19.2 and 19.4 %, Great Britain 43 and 42). The
table is in ``devices/grids/hours.toml``. It knows when the sun shines and people cook, not today's wind: where the hour
decides, ask a live source.
"""

import math
from datetime import UTC, datetime
from pathlib import Path

from autoscale.carbon.intensity.base import Intensity, IntensitySource
from autoscale.carbon.intensity.basis import ACCOUNT_BASIS
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.shapes import Shape, read_shapes
from autoscale.carbon.intensity.yearly import YearlyAverages
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR


class TypicalHours(IntensitySource):
    """The yearly average of a place in the typical shape of its year and day, marked ``modelled``.

    A place whose shape is not known has its yearly average, marked ``default``: a country of several grids (the USA,
    India) is such a place, its zones (``US-CAL-CISO``, ``IN-WE``) are not. The range is of a single hour, the yearly
    average's range with it: sums over many hours lie closer to the middle.

    Args:
        places: where the yearly averages are from; those that ship with AutoScale where none are given.
        shapes: file as ``devices/grids/hours.toml``; that one where None is given.

    Raises:
        ProfileError: a file that is wrong.

    >>> california = TypicalHours()
    >>> noon, evening = (california.at("US-CAL-CISO", 1.7515e9 + hour * SECONDS_PER_HOUR) for hour in (-4, 4))
    >>> round(noon.g_per_kwh), round(evening.g_per_kwh), noon.method.value
    (143, 252, 'modelled')
    """

    kind = "average"
    basis = ACCOUNT_BASIS

    def __init__(self, places: Places | None = None, shapes: Path | None = None) -> None:
        self._places = places or Places.shipped()
        self._yearly = YearlyAverages(self._places)
        self._shapes = read_shapes(shapes)

    def at(self, place: str, time_s: float) -> Intensity:
        """What is typical for the hour that holds the time."""
        yearly = self._yearly.at(place, time_s)
        shape = self._shape(place)
        if shape is None:
            return yearly
        begins_s = time_s // SECONDS_PER_HOUR * SECONDS_PER_HOUR
        hour = datetime.fromtimestamp(begins_s, UTC)
        factor = float(shape.factors[hour.month - 1, hour.hour])
        span = yearly.range_g_per_kwh.times(shape.spread * factor)
        source = f"{yearly.source}; in the shape of {shape.source}"
        return Intensity.of(span, self.kind, source, begins_s, Method.MODELLED, yearly.basis)

    def forecast(self, place: str, time_s: float, horizon_s: float) -> tuple[Intensity, ...]:
        """The hours of a span; empty where the shape of the place is not known."""
        if self._shape(place) is None:
            return ()
        begins_s = time_s // SECONDS_PER_HOUR * SECONDS_PER_HOUR
        hours = math.ceil((time_s + horizon_s - begins_s) / SECONDS_PER_HOUR)
        return tuple(self.at(place, begins_s + SECONDS_PER_HOUR * number) for number in range(hours))

    def _shape(self, place: str) -> Shape | None:
        return self._shapes.get(self._places.find(place).zone or "")
