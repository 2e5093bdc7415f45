"""What a caller tells of a file that the file does not tell itself."""

from dataclasses import dataclass

from autoscale.carbon.intensity.base import KINDS, Kind
from autoscale.carbon.intensity.basis import ACCOUNTINGS, EMISSIONS, Accounting, Emissions
from autoscale.errors import InvalidInput, one_of


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file of intensities; what is empty the file tells.

    Attributes:
        time_column: the name of the column of times.
        figure_column: of the column of figures.
        unit: of the figures: any mass over an energy, ``g/kWh``, ``lb/MWh``.
        timezone: whose clock times without an offset show: an IANA name, ``CET/CEST``, an offset, ``UTC``.
        kind: ``average`` or ``marginal``.
        emissions: ``life-cycle`` or ``direct``.
        accounting: ``consumption`` or ``production``.

    Raises:
        InvalidInput: a word that is none of those.
    """

    time_column: str = ""
    figure_column: str = ""
    unit: str = ""
    timezone: str = ""
    kind: Kind | None = None
    emissions: Emissions | None = None
    accounting: Accounting | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("emissions", EMISSIONS), ("accounting", ACCOUNTINGS)):
            value = getattr(self, name)
            if value is not None:
                one_of(name, value, allowed, InvalidInput)
