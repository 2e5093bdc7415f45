"""Yearly averages of every country and large cloud region: what is known without a network or a file of your own."""

from dataclasses import replace
from datetime import UTC, datetime

from autoscale.carbon.intensity.base import Intensity, IntensitySource
from autoscale.carbon.intensity.basis import ACCOUNT_BASIS
from autoscale.carbon.intensity.places import Places
from autoscale.query.outcome import Method


class YearlyAverages(IntensitySource):
    """The average of a place in the year that is asked about, else in the newest there is; always marked ``default``.

    Args:
        places: where from; those that ship with AutoScale where none are given.

    >>> round(YearlyAverages().at("FR", 0.0).g_per_kwh)
    31
    """

    kind = "average"
    basis = ACCOUNT_BASIS

    def __init__(self, places: Places | None = None) -> None:
        self._places = places or Places.shipped()

    def at(self, place: str, time_s: float) -> Intensity:
        """The average of the year of the time, or of the newest there is; ``source`` says of which."""
        found = self._places.find(place)
        span, year = found.in_year(year_of(time_s))
        source = f"yearly average of {found.name} in {year}: {found.source}"
        return Intensity.of(span, self.kind, source, time_s, Method.DEFAULT, replace(found.basis, year=year))


def year_of(time_s: float) -> int:
    """The year of a time, seconds since 1970 UTC; 0 for one that no calendar has."""
    try:
        return datetime.fromtimestamp(time_s, UTC).year
    except (ValueError, OverflowError, OSError):
        return 0
