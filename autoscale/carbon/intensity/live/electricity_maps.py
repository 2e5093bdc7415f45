"""Electricity Maps: life-cycle, flow-traced averages by the hour, and a forecast."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from autoscale.carbon.intensity.basis import ACCOUNT_BASIS, STACK
from autoscale.carbon.intensity.live.answers import Unusable, entries_of, figure_of, from_environment, time_of
from autoscale.carbon.intensity.live.base import LiveOptions, LiveSource
from autoscale.carbon.intensity.live.cache import Snapshot, series_of
from autoscale.carbon.intensity.live.http import HttpFailure, JsonClient
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.series import IntensitySample, Series
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

BASE_URL: Final = "https://api.electricitymaps.com/v4"
KEY_VARIABLE: Final = "ELECTRICITY_MAPS_TOKEN"
HORIZON_HOURS: Final = 24
_STEPS_S: Final = {"hourly": SECONDS_PER_HOUR, "15_minutes": 900.0, "5_minutes": 300.0}
"""As version 4 names them; version 3 has hours only."""
_NOT_IN_PLAN: Final = (400, 401, 403, 404)
_INVENTED: Final = "SANDBOX_MODE_DATA"
"""How the answers to a sandbox key are marked: they have the right shape and figures that mean nothing."""


class ElectricityMaps(LiveSource):
    """Life-cycle averages by the hour and a forecast, by zone (``DE``, ``US-CAL-CISO``).

    A country or cloud region that ships as a place stands for the zone it lies in.

    Args:
        options: how it behaves.
        token: the key; else the environment's ``ELECTRICITY_MAPS_TOKEN``.
        base_url: of the API, version 4; the paths and answers of version 3 are read too.
        emissions: ``lifecycle`` or ``direct`` (of the chimney only).

    Raises:
        InvalidInput: no key.
    """

    name = "electricity-maps"
    kind = "average"
    variables = (KEY_VARIABLE,)

    def __init__(
        self,
        options: LiveOptions | None = None,
        token: str | None = None,
        base_url: str = BASE_URL,
        emissions: Literal["lifecycle", "direct"] = "lifecycle",
    ) -> None:
        super().__init__(options)
        key = from_environment(KEY_VARIABLE, token, "the key of Electricity Maps")
        self._client = JsonClient(base_url, {"auth-token": key})
        self._emissions = emissions
        self.scope = "life-cycle emissions" if emissions == "lifecycle" else "direct emissions"
        self.basis = ACCOUNT_BASIS if emissions == "lifecycle" else STACK

    def own_name(self, place: str) -> str:
        """The zone that a country or cloud region lies in: ``IE`` of ``aws:eu-west-1``."""
        return Places.shipped().zone_of(place)

    def read(self, zone: str, now_s: float) -> Snapshot:
        """The last 24 hours and, where the plan has it, the next."""
        # Without a zone the server would answer for wherever the caller seems to be.
        query = {"zone": zone, "emissionFactorType": self._emissions, "disableCallerLookup": "true"}
        query["temporalGranularity"] = "hourly"
        document = self._client.get("/carbon-intensity/history", query)
        history = entries_of(document, "history", "data")
        others = {each for each in (document.get("zone"), *(row.get("zone") for row in history)) if each} - {zone}
        if others:
            raise Unusable(f"the answer is of {', '.join(sorted(map(str, others)))}")
        samples = [each for row in history if (each := _sample(row))]
        return Snapshot(now_s, series_of(samples, _step_s(document)), self._expected(query))

    def _expected(self, query: Mapping[str, str]) -> Series | None:
        asked = {**query, "horizonHours": str(HORIZON_HOURS)}
        try:
            document = self._client.get("/carbon-intensity/forecast", asked)
        except HttpFailure as error:
            if error.status in _NOT_IN_PLAN:
                return None
            raise
        samples = [each for row in entries_of(document, "forecast", "data") if (each := _sample(row))]
        return series_of([replace(each, method=Method.MODELLED) for each in samples], _step_s(document))


def _step_s(document: Mapping[str, Any]) -> float:
    return _STEPS_S.get(str(document.get("temporalGranularity", "hourly")), SECONDS_PER_HOUR)


def _sample(row: Mapping[str, Any]) -> IntensitySample | None:
    if row.get("estimationMethod") == _INVENTED:
        raise Unusable("the key is for the sandbox, whose figures are invented; allowed: a key for live data")
    g_per_kwh = figure_of(row, "carbonIntensity")
    if g_per_kwh is None:
        return None
    is_settled = row.get("isEstimated") is False
    return IntensitySample(time_of(row.get("datetime")), g_per_kwh, Method.MEASURED if is_settled else Method.MODELLED)
