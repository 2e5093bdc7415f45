"""How long machines serve, and what becomes of them then: refresh cycles and second lives as scenarios.

A machine that serves longer spreads its making over more years and keeps older, thirstier chips at work; a second life
elsewhere takes over the making of its years. The two are weighed against each other, year by year of a steady fleet:

    making a year = making now x life now / life, less the share of a second life
    use a year    = use now x (energy of a new generation, a year) ^ -((life - life now) / 2)

since the mean age of a fleet that is renewed evenly is half its life.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoscale.errors import InvalidInput

ENERGY_OF_NEW: Final = 0.5 ** (1 / 3.5)
"""Joules of the same work on machines of a year later: GFLOPS/W of GPUs double every 3 to 4 years (Wu et al., Beyond
Efficiency: Scaling AI Sustainably, IEEE Micro 2024, arXiv 2406.05303)."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A policy of how long machines serve.

    Attributes:
        name: of the scenario.
        life_years: of a machine in this fleet.
        second_life_years: that it serves elsewhere afterwards.
        reused_fraction: of the machines that do.
        energy_of_new_per_year: joules of the same work on machines of a year later, over those of this year's.

    Raises:
        InvalidInput: a life that is not above 0, up to 50, fractions outside 0 to 1.
    """

    name: str
    life_years: float
    second_life_years: float = 0.0
    reused_fraction: float = 0.0
    energy_of_new_per_year: float = ENERGY_OF_NEW

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("life_years", self.life_years, 0.01, 50.0),
            ("second_life_years", self.second_life_years, 0.0, 50.0),
            ("reused_fraction", self.reused_fraction, 0.0, 1.0),
            ("energy_of_new_per_year", self.energy_of_new_per_year, 0.01, 1.0),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise InvalidInput(f"{name} is {value!r}; allowed: {least:g} to {most:g}")
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInput(f"name is {self.name!r}; allowed: a text")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A year under a policy; grams of CO2e.

    Attributes:
        making_g: that falls on this fleet.
        reused_g: that falls on the machines' second lives elsewhere.
        use_g: of electricity.
    """

    refresh: Refresh
    making_g: float
    reused_g: float
    use_g: float

    @property
    def total_g(self) -> float:
        """Making and use of this fleet."""
        return self.making_g + self.use_g


def refreshed(making_g: float, use_g: float, life_years: float, policy: Refresh) -> Refreshed:
    """A year of a fleet under another policy.

    Args:
        making_g: of a year as it is now, that depends on how long machines serve.
        use_g: likewise, of their electricity.
        life_years: they serve now.
        policy: the other.
    """
    whole_g = making_g * life_years / policy.life_years
    serves = policy.life_years + policy.reused_fraction * policy.second_life_years
    own_g = whole_g * policy.life_years / serves
    older_years = (policy.life_years - life_years) / 2.0
    return Refreshed(policy, own_g, whole_g - own_g, use_g * policy.energy_of_new_per_year**-older_years)


def scenarios(life_years: float) -> Sequence[Refresh]:
    """Where none are given: as now, a year less, a year and two more, and a second life of two years for half."""
    shorter = max(life_years - 1.0, life_years / 2.0)
    return (
        Refresh(f"every {life_years:g} years, as now", life_years),
        Refresh(f"every {shorter:g} years", shorter),
        Refresh(f"every {life_years + 1:g} years", life_years + 1.0),
        Refresh(f"every {life_years + 2:g} years", life_years + 2.0),
        Refresh(f"every {life_years:g} years, half of them 2 years more elsewhere", life_years, 2.0, 0.5),
    )
