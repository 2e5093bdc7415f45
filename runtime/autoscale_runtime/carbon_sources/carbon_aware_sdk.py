"""The Green Software Foundation's Carbon Aware SDK, as a server of its web API on a host of yours."""

from collections.abc import Mapping
from typing import Any, Final

from autoscale.carbon.intensity import Kind
from autoscale.carbon.series import Sample
from autoscale.outcome import Method
from autoscale_runtime.carbon_sources.answers import Unusable, figure_of, from_environment, iso, rows_of, time_of
from autoscale_runtime.carbon_sources.base import LiveOptions, LiveSource
from autoscale_runtime.carbon_sources.cache import Snapshot, series_of
from autoscale_runtime.carbon_sources.http import HttpFailure, JsonClient

ADDRESS_VARIABLE: Final = "CARBON_AWARE_SDK_URL"
PAST_S: Final = 24 * 3600.0
_NO_FORECAST: Final = (400, 404, 501)


class CarbonAwareSdk(LiveSource):
    """Places are the locations of the server: cloud regions such as ``eastus``, by its configuration.

    Args:
        kind: what its data source tells, ``marginal`` behind WattTime, ``average`` behind Electricity Maps. The API
            itself does not say (its issue 573), so it has to be said here.
        options: how it behaves.
        base_url: of the server; else the environment's ``CARBON_AWARE_SDK_URL``.

    Raises:
        InvalidInput: no address.
    """

    name = "carbon-aware-sdk"

    def __init__(self, kind: Kind, options: LiveOptions | None = None, base_url: str | None = None) -> None:
        super().__init__(options)
        self.kind = kind
        self._client = JsonClient(from_environment(ADDRESS_VARIABLE, base_url, "the address of the Carbon Aware SDK"))

    def read(self, zone: str, now_s: float) -> Snapshot:
        """The last day, and the forecast where its data source has one."""
        query = {"location": zone, "time": iso(now_s - PAST_S), "toTime": iso(now_s)}
        document = self._client.get("/emissions/bylocation", query) or []
        past = rows_of({"emissions": document}, "emissions")
        history = [each for row in past if (each := _sample(row, "time", "rating", Method.MEASURED))]
        return Snapshot(now_s, series_of(history), series_of(self._expected(zone)))

    def _expected(self, zone: str) -> list[Sample]:
        try:
            document = self._client.get("/emissions/forecasts/current", {"location": zone}) or []
        except HttpFailure as error:
            if error.status in _NO_FORECAST:
                return []
            raise
        forecasts = rows_of({"forecasts": document}, "forecasts")
        rows = [row for each in forecasts for row in rows_of(each, "forecastData")]
        return [each for row in rows if (each := _sample(row, "timestamp", "value", Method.MODELLED))]


def _sample(row: Mapping[str, Any], time_key: str, figure_key: str, method: Method) -> Sample | None:
    g_per_kwh = figure_of(row, figure_key)
    if g_per_kwh is None:
        raise Unusable(f"a row has no {figure_key}")
    return Sample(time_of(row.get(time_key)), g_per_kwh, method)
