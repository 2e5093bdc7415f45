"""WattTime, API v3: marginal operating emission rates every five minutes, and a forecast."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, Literal

from autoscale.carbon.intensity.basis import STACK
from autoscale.carbon.intensity.live.answers import Unusable, entries_of, figure_of, from_environment, iso, time_of
from autoscale.carbon.intensity.live.base import LiveOptions, LiveSource
from autoscale.carbon.intensity.live.cache import Snapshot, series_of
from autoscale.carbon.intensity.live.http import HttpFailure, JsonClient
from autoscale.carbon.intensity.series import IntensitySample, Series
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

BASE_URL: Final = "https://api.watttime.org"
USER_VARIABLE: Final = "WATTTIME_USER"
PASSWORD_VARIABLE: Final = "WATTTIME_PASSWORD"
UNITS: Final = "lbs_co2_per_mwh"
G_PER_KWH: Final = 453.59237 / 1000.0
"""One lb/MWh, by the international avoirdupois pound."""
PAST_S: Final = 6 * SECONDS_PER_HOUR
HORIZON_HOURS: Final = 24
_UNAUTHORISED: Final = 401
_NOT_IN_PLAN: Final = (400, 403, 404)


class WattTime(LiveSource):
    """Marginal rates every five minutes and a forecast, by WattTime's region (``CAISO_NORTH``, ``PJM_DC``).

    Args:
        options: how it behaves.
        user: of the account; else the environment's ``WATTTIME_USER``.
        password: likewise, ``WATTTIME_PASSWORD``.
        signal: ``co2_moer`` (marginal) or ``co2_aoer`` (average).
        base_url: of the API.

    Raises:
        InvalidInput: no account.
    """

    name = "watttime"
    scope = "CO2 of the stack"
    basis = STACK
    variables = (USER_VARIABLE, PASSWORD_VARIABLE)

    def __init__(
        self,
        options: LiveOptions | None = None,
        user: str | None = None,
        password: str | None = None,
        signal: Literal["co2_moer", "co2_aoer"] = "co2_moer",
        base_url: str = BASE_URL,
    ) -> None:
        super().__init__(options)
        self.kind = "marginal" if signal == "co2_moer" else "average"
        account = ":".join(
            from_environment(variable, given, f"the {what} of WattTime")
            for variable, given, what in ((USER_VARIABLE, user, "user"), (PASSWORD_VARIABLE, password, "password"))
        )
        self._login = {"Authorization": f"Basic {b64encode(account.encode()).decode()}"}
        self._token: str | None = None
        self._client = JsonClient(base_url)
        self._signal = signal

    def read(self, zone: str, now_s: float) -> Snapshot:
        """The last hours and, where the plan and the signal have it, the next day."""
        query = {"region": zone, "signal_type": self._signal}
        past = {**query, "start": iso(now_s - PAST_S), "end": iso(now_s)}
        # Which plant answers to one watt more is a model's guess for ever: no hour of it is measured.
        settled = Method.MEASURED if self.kind == "average" else Method.MODELLED
        history = self._series("/v3/historical", past, settled)
        expected = self._series("/v3/forecast", {**query, "horizon_hours": str(HORIZON_HOURS)}, Method.MODELLED)
        return Snapshot(now_s, history, expected)

    def _series(self, path: str, query: Mapping[str, str], method: Method) -> Series | None:
        try:
            document = self._get(path, query)
        except HttpFailure as error:
            if error.status in _NOT_IN_PLAN:
                return None
            raise
        meta = document.get("meta") if isinstance(document, dict) else None
        if not isinstance(meta, dict) or meta.get("units") != UNITS:
            raise Unusable(f"the answer's units are not {UNITS}")
        samples = [each for row in entries_of(document, "data") if (each := _sample(row, method))]
        return series_of(samples, figure_of(meta, "data_point_period_seconds"))

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        """With a token, which lasts half an hour: a refused one is renewed once."""
        try:
            return self._authorised(path, query)
        except HttpFailure as error:
            if error.status != _UNAUTHORISED:
                raise
        self._token = None
        return self._authorised(path, query)

    def _authorised(self, path: str, query: Mapping[str, str]) -> Any:
        if self._token is None:
            self._token = self._new_token()
        return self._client.get(path, query, {"Authorization": f"Bearer {self._token}"})

    def _new_token(self) -> str:
        try:
            document = self._client.get("/login", headers=self._login)
        except HttpFailure as error:
            # Without its status: a refused login must not pass for a signal that the plan lacks.
            raise HttpFailure(f"the login failed: {error}", None, error.retry_after_s) from error
        if not isinstance(document, dict) or not isinstance(document.get("token"), str):
            raise Unusable("the login gave no token")
        return str(document["token"])


def _sample(row: Mapping[str, Any], method: Method) -> IntensitySample | None:
    lb_per_mwh = figure_of(row, "value")
    # A marginal rate may be below 0 where a kilowatt-hour more would relieve the grid; an account takes it as 0.
    return (
        None
        if lb_per_mwh is None
        else IntensitySample(time_of(row.get("point_time")), max(lb_per_mwh, 0.0) * G_PER_KWH, method)
    )
