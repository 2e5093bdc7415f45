"""Great Britain's National Energy System Operator: the Carbon Intensity API, by the half-hour, two days ahead.

Direct emissions of what is consumed, imports counted; life-cycle figures of other sources lie higher. No key. The
regions have forecasts only.
"""

from collections.abc import Mapping
from typing import Any, Final

from autoscale.carbon.intensity.basis import STACK
from autoscale.carbon.intensity.live.answers import Unusable, entries_of, figure_of, iso, time_of
from autoscale.carbon.intensity.live.base import LiveOptions, LiveSource
from autoscale.carbon.intensity.live.cache import Snapshot, series_of
from autoscale.carbon.intensity.live.http import JsonClient
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.series import IntensitySample
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

BASE_URL: Final = "https://api.carbonintensity.org.uk"
PAST_S: Final = 6 * SECONDS_PER_HOUR
_STEP_S: Final = 1800.0
_NATION: Final = "GB"


class Neso(LiveSource):
    """Great Britain by the half-hour, two days ahead: ``GB``, or ``GB-1`` (North Scotland) to ``GB-17`` (Wales).

    Args:
        options: how it behaves.
        base_url: of the API.
    """

    name = "neso"
    kind = "average"
    scope = "direct emissions"
    basis = STACK

    def __init__(self, options: LiveOptions | None = None, base_url: str = BASE_URL) -> None:
        super().__init__(options)
        self._client = JsonClient(base_url)

    def own_name(self, place: str) -> str:
        """``GB`` for every spelling of the country, and for the cloud regions in it."""
        return Places.shipped().zone_of(place)

    def read(self, zone: str, now_s: float) -> Snapshot:
        """The last 6 hours and the next 42."""
        start = iso(now_s - PAST_S)[:16] + "Z"
        if zone == _NATION:
            rows = entries_of(self._client.get(f"/intensity/{start}/fw48h"), "data")
        else:
            document = self._client.get(f"/regional/intensity/{start}/fw48h/regionid/{_region(zone)}")
            rows = entries_of(document.get("data") if isinstance(document, dict) else None, "data")
        history = [each for row in rows if (each := _sample(row, "actual", Method.MEASURED))]
        expected = [each for row in rows if (each := _sample(row, "forecast", Method.MODELLED))]
        return Snapshot(now_s, series_of(history, _STEP_S), series_of(expected, _STEP_S))


def _region(zone: str) -> int:
    number = zone.casefold().removeprefix("gb-")
    if not number.isdecimal() or not 1 <= int(number) <= 17:
        raise Unusable("unknown place; allowed: GB, or a region from GB-1 to GB-17")
    return int(number)


def _sample(row: Mapping[str, Any], key: str, method: Method) -> IntensitySample | None:
    intensity = row.get("intensity")
    if not isinstance(intensity, dict):
        raise Unusable("a half-hour has no 'intensity'")
    g_per_kwh = figure_of(intensity, key)
    return None if g_per_kwh is None else IntensitySample(time_of(row.get("from")), g_per_kwh, method)
