"""How much carbon a kilowatt-hour carries: the figure, and the interface of whatever tells it.

>>> germany = INTENSITY_SOURCES.get("yearly")().at("DE", time_s=0.0)
>>> germany.kind, germany.method.value
('average', 'default')
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Literal

from autoscale.carbon.intensity.basis import UNKNOWN_BASIS, Basis
from autoscale.errors import InvalidInput, one_of
from autoscale.interval import Interval
from autoscale.query.outcome import Method
from autoscale.registry import Registry
from autoscale.units import J_PER_KWH

Kind = Literal["average", "marginal"]
KINDS: Final = ("average", "marginal")
"""Of all power plants that run, or of the ones that answer to one more watt: never to be mixed in one sum."""

INTENSITY_SOURCES: Final = Registry(
    "intensity source",
    {
        "csv": "autoscale.carbon.intensity.hourly:HourlyIntensity",
        "typical": "autoscale.carbon.intensity.typical:TypicalHours",
        "yearly": "autoscale.carbon.intensity.yearly:YearlyAverages",
    },
    "autoscale.intensity_sources",
)


@dataclass(frozen=True, slots=True)
class Intensity:
    """The carbon intensity of electricity at a place and time, location-based: no offsets, no certificates.

    Attributes:
        g_per_kwh: the best estimate, gCO2e/kWh; ``low_g_per_kwh`` and ``high_g_per_kwh`` are the ends of its range.
        kind: ``average`` or ``marginal``.
        source: who says so, and what was done to the figure where it was not taken as it is.
        time_s: from when the figure holds, seconds since 1970 UTC.
        method: ``measured`` where the source settled it for that hour, ``modelled`` where it is estimated, forecast,
            interpolated or held, ``default`` where a yearly average stands in for the hour.
        basis: life cycle or direct, of consumption or of production, of which year.

    Raises:
        InvalidInput: a range that does not hold the figure, a negative or endless one, an unknown kind.
    """

    g_per_kwh: float
    low_g_per_kwh: float
    high_g_per_kwh: float
    kind: Kind
    source: str
    time_s: float
    method: Method
    basis: Basis = UNKNOWN_BASIS

    def __post_init__(self) -> None:
        Interval(self.low_g_per_kwh, self.g_per_kwh, self.high_g_per_kwh)
        one_of("kind of carbon intensity", self.kind, KINDS, InvalidInput)

    @classmethod
    def of(
        cls,
        g_per_kwh: Interval,
        kind: Kind,
        source: str,
        time_s: float,
        method: Method,
        basis: Basis = UNKNOWN_BASIS,
    ) -> "Intensity":
        """From a range, in gCO2e/kWh."""
        return cls(g_per_kwh.mid, g_per_kwh.low, g_per_kwh.high, kind, source, time_s, method, basis)

    @property
    def range_g_per_kwh(self) -> Interval:
        """Low, mid and high, gCO2e/kWh."""
        return Interval(self.low_g_per_kwh, self.g_per_kwh, self.high_g_per_kwh)

    @property
    def g_per_j(self) -> Interval:
        """Low, mid and high, gCO2e/J."""
        return self.range_g_per_kwh * (1.0 / J_PER_KWH)


class IntensitySource(ABC):
    """Tells the carbon intensity of a place at a time.

    A source answers for every place it knows and every time: what it has no figure for, it replaces by a worse one and
    says so in ``method`` and ``source``. Only a place or a configuration that is wrong raises.
    """

    kind: Kind
    """``average`` or ``marginal``: what the source itself tells. A fallback may be of the other kind, and says so."""

    basis: Basis = UNKNOWN_BASIS
    """What the source's own figures count; sessions and servers take what is not an account's basis onto it."""

    is_live: bool = False
    """Whether an answer may have to wait for a server."""

    @abstractmethod
    def at(self, place: str, time_s: float) -> Intensity:
        """The intensity of a place (country, grid zone, cloud region) at a time, seconds since 1970 UTC.

        Raises:
            UnknownName: a place that neither the source nor what it falls back on knows.
        """

    @property
    def trouble(self) -> str | None:
        """Why the source itself could not tell of a place when it last tried, in words; None where it could."""
        return None

    def forecast(self, place: str, time_s: float, horizon_s: float) -> tuple[Intensity, ...]:
        """What the source expects from a time on, in the order of time; empty where it forecasts nothing.

        Raises:
            UnknownName: as :meth:`at`.
        """
        del place, time_s, horizon_s
        return ()
