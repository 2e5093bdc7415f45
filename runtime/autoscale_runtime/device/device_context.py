"""What an agent on a device is shown of a query, with the moment in which it is decided."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale_runtime.device.routes.base import Moment
from autoscale_runtime.device.rules import Saving

NOTHING_BARRED: Final[Mapping[str, str]] = MappingProxyType({})


class DeviceContext(Context):
    """A context that carries the moment in which the query is decided, for whoever runs it and accounts for it."""

    __slots__ = ("_first", "barred", "moment", "rested", "saving", "unlearned")
    barred: Mapping[str, str]
    moment: Moment
    saving: Saving | None
    unlearned: Callable[[Forecast], Forecast]
    rested: Callable[[Forecast], Forecast] | None
    _first: Forecast | None

    @property
    def first_forecast(self) -> Forecast | None:
        """With this device's targets as they were expected when the session had got to know them."""
        if self._first is None and self.forecast is not None:
            self._first = self.unlearned(self.forecast)
        return self._first

    @property
    def forecast_again(self) -> Forecast | None:
        """As ``first_forecast``, with the radio as awake as the pauses between this session's queries leave it."""
        if self._again is None and self.rested is not None and self.first_forecast is not None:
            self._again = self.rested(self.first_forecast)
        return self._again


def barred_in(context: Context) -> Mapping[str, str]:
    """Links over which the query of a context must not leave, each with the reason."""
    return context.barred if isinstance(context, DeviceContext) else NOTHING_BARRED
