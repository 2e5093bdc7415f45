"""The grid's carbon intensity by the hour, where the device is charged and where the cloud stands.

The yearly average of a zone in the typical shape of its day (``devices/grids``), on average over the year; a factor of
the day stands for season and weather. Average (not marginal) and location-based.
"""

import math
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.shapes import DAYS, HOURS, read_shapes
from autoscale.units import SECONDS_PER_HOUR

DEVICE_PLACE: Final = "US-CAL-CISO"
"""California: much sun, so noon in the west (20:00 UTC) is clean."""
CLOUD_PLACE: Final = "US-MIDA-PJM"
"""The grid of northern Virginia, where data centres are many."""
FOUR_OF_FIVE: Final = 2.0 * 1.2816
"""Standard deviations of a normal variable between the ends that hold four of five values."""


class DailyCurve(NamedTuple):
    """A zone's day.

    Attributes:
        g_per_kwh: gCO2e/kWh by the hour from 00:00 UTC, shape (24,).
        day_spread: standard deviation of the logarithm of a day's factor on it.
    """

    g_per_kwh: Floats
    day_spread: float


@cache
def daily_curve(place: str) -> DailyCurve:
    """The typical day of a grid zone.

    Raises:
        UnknownName: no such place.
        KeyError: a place whose shape is not known.
    """
    zone = Places.shipped().find(place)
    shape = read_shapes()[zone.zone or place]
    by_hour = np.average(shape.factors, axis=0, weights=DAYS)
    return DailyCurve(zone.g_per_kwh.mid * by_hour, math.log(shape.spread.high / shape.spread.low) / FOUR_OF_FIVE)


def hour_of_day(time_s: Floats) -> Indices:
    """Which hour of the curves holds at times since midnight UTC."""
    hour: Indices = (time_s / SECONDS_PER_HOUR).astype(np.intp)
    return hour - HOURS * (hour // HOURS)  # the remainder, which numpy takes four times as long for
