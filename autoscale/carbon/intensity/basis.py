"""What a carbon intensity counts, and how a figure of another basis is taken on that of an account.

A figure counts the emissions of the stack alone (``direct``) or those of building, fuelling and ending the plants too
(``life-cycle``); of what a grid generates (``production``) or of what it uses, imports with it (``consumption``).
Between the two ends of either lies a factor of up to three. Sums take one: life cycle, of consumption.

>>> from autoscale.interval import Interval
>>> stack = Basis("direct", "consumption", 2025)
>>> taken, how = on_account_basis(Interval.exactly(100.0), stack)
>>> round(taken.mid), how.partition(":")[0]
(146, 'direct, taken as life cycle')
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

from autoscale.carbon.embodied.facts import EmbodiedFacts, read_embodied_facts
from autoscale.errors import InvalidInput, one_of
from autoscale.interval import Interval
from autoscale.profiles.shipped import devices_folder

Emissions = Literal["life-cycle", "direct", "unknown"]
EMISSIONS: Final = ("life-cycle", "direct", "unknown")
Accounting = Literal["consumption", "production", "unknown"]
ACCOUNTINGS: Final = ("consumption", "production", "unknown")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a figure counts beside ``average`` or ``marginal``.

    Attributes:
        emissions: ``life-cycle``, ``direct`` (of the stack), ``unknown``.
        accounting: of ``consumption`` or ``production``; ``unknown``.
        year: which the figure is of; None where it is of the very hour.

    Raises:
        InvalidInput: another word.
    """

    emissions: Emissions = "unknown"
    accounting: Accounting = "unknown"
    year: int | None = None

    def __post_init__(self) -> None:
        one_of("emissions", self.emissions, EMISSIONS, InvalidInput)
        one_of("accounting", self.accounting, ACCOUNTINGS, InvalidInput)

    def __str__(self) -> str:
        words = (self.emissions.replace("-", " "), self.accounting)
        told = [each for each in words if each != "unknown"] or ["basis unknown"]
        return ", ".join([*told, str(self.year)] if self.year else told)

    @property
    def is_of_accounts(self) -> bool:
        """Whether an account takes such a figure as it stands; what is not known it has to."""
        return self.emissions != "direct" and self.accounting != "production"


UNKNOWN_BASIS: Final = Basis()
ACCOUNT_BASIS: Final = Basis("life-cycle", "consumption")
STACK: Final = Basis("direct", "consumption")
"""What grid operators publish of the electricity that is used: the stack's emissions alone."""


def on_account_basis(g_per_kwh: Interval, basis: Basis) -> tuple[Interval, str]:
    """A figure as an account takes it, gCO2e/kWh, and what was done to it, in words; empty where nothing was.

    The factors and their sources are in ``devices/grids/conversion.toml``.
    """
    done: list[str] = []
    if basis.accounting == "production":
        factor = _facts().sourced("production-to-consumption", "factor")
        g_per_kwh = g_per_kwh.times(factor.range)
        done.append(f"of production, taken as of consumption: {factor.range.mid:g} times ({factor.source})")
    if basis.emissions == "direct":
        factor, plus = (_facts().sourced("direct-to-life-cycle", key) for key in ("factor", "plus_g_per_kwh"))
        g_per_kwh = g_per_kwh.times(factor.range) + plus.range
        line = f"{factor.range.mid:g} times and {plus.range.mid:g} g/kWh"
        done.append(f"direct, taken as life cycle: {line} ({factor.source})")
    return g_per_kwh, "; ".join(done)


def of_accounts(basis: Basis) -> Basis:
    """The basis of a figure after :func:`on_account_basis`."""
    emissions: Emissions = "life-cycle" if basis.emissions == "direct" else basis.emissions
    accounting: Accounting = "consumption" if basis.accounting == "production" else basis.accounting
    return replace(basis, emissions=emissions, accounting=accounting)


@cache
def _facts() -> EmbodiedFacts:
    return read_embodied_facts(devices_folder() / "grids" / "conversion.toml")
