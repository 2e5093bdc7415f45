"""The Green Software Foundation's Carbon Aware SDK, as a server of its web API on a host of yours."""

from collections.abc import Mapping
from typing import Any, Final

from autoscale.carbon.intensity.base import KINDS, Kind
from autoscale.carbon.intensity.live.answers import Unusable, entries_of, figure_of, from_environment, iso, time_of
from autoscale.carbon.intensity.live.base import LiveOptions, LiveSource
from autoscale.carbon.intensity.live.cache import Snapshot, series_of
from autoscale.carbon.intensity.live.http import HttpFailure, JsonClient
from autoscale.carbon.intensity.series import IntensitySample
from autoscale.errors import InvalidInput, one_of
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

ADDRESS_VARIABLE: Final = "CARBON_AWARE_SDK_URL"
KIND_VARIABLE: Final = "CARBON_AWARE_SDK_KIND"
PAST_S: Final = 24 * SECONDS_PER_HOUR
_NO_FORECAST: Final = (400, 404, 501)


class CarbonAwareSdk(LiveSource):
    """What a Carbon Aware SDK server of yours tells, by its locations (cloud regions such as ``eastus``).

    Args:
        kind: what its data source tells, ``marginal`` behind WattTime, ``average`` behind Electricity Maps. The API
            itself does not report (its issue 573), so it has to be given here, or as the environment's
            ``CARBON_AWARE_SDK_KIND``.
        options: how it behaves.
        base_url: of the server; else the environment's ``CARBON_AWARE_SDK_URL``.

    Raises:
        InvalidInput: no address, no kind or another one.
    """

    name = "carbon-aware-sdk"
    scope = "emissions as its data source counts them"
    variables = (ADDRESS_VARIABLE, KIND_VARIABLE)

    def __init__(
        self, kind: Kind | None = None, options: LiveOptions | None = None, base_url: str | None = None
    ) -> None:
        super().__init__(options)
        chosen = from_environment(KIND_VARIABLE, kind, "what the Carbon Aware SDK tells (average or marginal)")
        one_of("kind of carbon intensity", chosen, KINDS, InvalidInput)
        self.kind = "marginal" if chosen == "marginal" else "average"
        self._client = JsonClient(from_environment(ADDRESS_VARIABLE, base_url, "the address of the Carbon Aware SDK"))

    def own_name(self, place: str) -> str:
        """The region without its provider: the SDK's locations are ``eastus``, not ``azure:eastus``."""
        return place.rpartition(":")[2]

    def read(self, zone: str, now_s: float) -> Snapshot:
        """The last day, and the forecast where its data source has one."""
        query = {"location": zone, "time": iso(now_s - PAST_S), "toTime": iso(now_s)}
        document = self._client.get("/emissions/bylocation", query) or []
        past = entries_of({"emissions": document}, "emissions")
        history = [_sample(row, "time", "rating") for row in past]
        return Snapshot(now_s, series_of(history), series_of(self._expected(zone)))

    def _expected(self, zone: str) -> list[IntensitySample]:
        try:
            document = self._client.get("/emissions/forecasts/current", {"location": zone}) or []
        except HttpFailure as error:
            if error.status in _NO_FORECAST:
                return []
            raise
        forecasts = entries_of({"forecasts": document}, "forecasts")
        rows = [row for each in forecasts for row in entries_of(each, "forecastData")]
        return [_sample(row, "timestamp", "value") for row in rows]


def _sample(row: Mapping[str, Any], time_key: str, figure_key: str) -> IntensitySample:
    """Modelled: the API does not tell a settled hour from an estimated one."""
    g_per_kwh = figure_of(row, figure_key)
    if g_per_kwh is None:
        raise Unusable(f"a row has no {figure_key}")
    return IntensitySample(time_of(row.get(time_key)), g_per_kwh, Method.MODELLED)
