"""Where the machines of a session draw their electricity, and who tells how clean it is.

>>> Electricity("FR", elsewhere={"cloud": "aws:eu-west-1"}).region("cloud")
'IRL'
>>> Electricity("FR").opened().at("FR", 0.0).method.value
'default'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from autoscale.carbon.intensity.base import INTENSITY_SOURCES, IntensitySource
from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.given import GivenIntensity
from autoscale.carbon.intensity.hourly import HourlyIntensity
from autoscale.carbon.intensity.places import WORLD, Places
from autoscale.carbon.intensity.rebased import on_basis_of_accounts
from autoscale.errors import InvalidInput, one_of

PARTS: Final = ("edge", "cloud", "network")
CSV: Final = "csv"


@dataclass(frozen=True, slots=True)
class Electricity:
    """The grids behind a session or a server.

    Attributes:
        place: country, grid zone or cloud region of this machine; the world's average where it is not given.
        source: who tells intensities: the name of a registered source, a CSV file of hours, a figure in gCO2e/kWh
            (also as text), or a source. A live one that several sessions share asks its server once for all of them.
        elsewhere: ``edge``, ``cloud`` or ``network`` to its place. What is not named counts as unknown, until a server
            tells of itself; the network's is this machine's.
        reading: what a file does not tell itself: ``time_column``, ``figure_column``, ``unit``, ``timezone``, ``kind``
            (average, marginal), ``emissions`` (life-cycle, direct), ``accounting`` (consumption, production).

    Raises:
        UnknownName: ``elsewhere`` of something else.
        InvalidInput: ``reading`` of something else, or of no file.
    """

    place: str = WORLD
    source: str | float | Path | IntensitySource = "yearly"
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for option in self.reading:
            one_of("way of reading a file", option, [each.name for each in fields(FileOptions)], InvalidInput)
        if self.reading and not self._is_file:
            raise InvalidInput(f"reading is given and the source is '{self.source}'; allowed: with a CSV or JSON file")
        for part in self.elsewhere:
            one_of("part with electricity of its own", part, PARTS)

    @property
    def _is_file(self) -> bool:
        return str(self.source).endswith((f".{CSV}", ".json"))

    @property
    def places(self) -> dict[str, str]:
        """Party (``device``, ``network``, and who is named elsewhere) to its place."""
        return {"device": self.place, "network": self.place, **self.elsewhere}

    def region(self, part: str) -> str:
        """The region of a part by its code; empty where none is configured, or one that only the source knows."""
        return region_code(self.places.get(part, WORLD))

    def opened(self) -> IntensitySource:
        """The source, ready to be asked, on the one basis that accounts have: life cycle, of consumption.

        Raises:
            UnknownName, TraceError, InvalidInput: as :meth:`as_published`.
        """
        return on_basis_of_accounts(self.as_published())

    def as_published(self) -> IntensitySource:
        """The source with the figures it publishes, whatever they count.

        Raises:
            UnknownName: no source of that name.
            TraceError: a CSV file that cannot be read.
            InvalidInput: a live source without its key, a CSV file without its name, a figure that cannot be.
        """
        source = self.source
        if isinstance(source, IntensitySource):
            return source
        figure = _figure(source)
        if figure is not None:
            return GivenIntensity(figure)
        if str(source) == CSV:
            raise InvalidInput(f"the intensity source is '{CSV}'; allowed: the file itself, as in hours.csv")
        if self._is_file:
            told: dict[str, Any] = dict(self.reading)
            return HourlyIntensity(str(source), self.place, options=FileOptions(**told))
        named: IntensitySource = INTENSITY_SOURCES.get(str(source))()
        return named


def region_code(place: str) -> str:
    """The code of a place; empty for the world, and for a place that does not ship."""
    found = Places.shipped().get(place)
    return "" if found is None or found.code == WORLD else found.code


def _figure(source: str | float | Path) -> float | None:
    try:
        return float(source) if isinstance(source, str | float | int) else None
    except ValueError:
        return None
