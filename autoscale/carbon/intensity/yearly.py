"""Yearly averages of every country and large cloud region: what is known without a network or a file of your own."""

from autoscale.carbon.intensity.base import Intensity, IntensitySource
from autoscale.carbon.intensity.places import Places
from autoscale.query.outcome import Method


class YearlyAverages(IntensitySource):
    """The yearly average of a place, whatever the hour; always marked ``default``.

    Args:
        places: where from; those that ship with AutoScale where none are given.

    >>> round(YearlyAverages().at("FR", 0.0).g_per_kwh)
    56
    """

    kind = "average"

    def __init__(self, places: Places | None = None) -> None:
        self._places = places or Places.shipped()

    def at(self, place: str, time_s: float) -> Intensity:
        """The average of the place's year, with the year in ``source``."""
        found = self._places.find(place)
        source = f"yearly average of {found.name} in {found.year}: {found.source}"
        return Intensity.of(found.g_per_kwh, self.kind, source, time_s, Method.DEFAULT)
