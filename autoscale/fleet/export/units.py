r"""Figures as people read them: three digits and a unit that fits, and never a bare number.

>>> mass(1_250_000_000_000), energy(7_200_000_000_000), mass(0)
('1.25\xa0kg', '2.00\xa0kWh', '0\xa0g')
"""

from collections.abc import Mapping
from typing import Any, Final

from autoscale.fleet.report.sums import NG_PER_G, NG_PER_KG, UJ_PER_KWH

_SPACE: Final = "\xa0"
"""Keeps a figure and its unit on one line."""

_MASSES: Final = ((10**15, "t"), (10**12, "kg"), (10**9, "g"), (10**6, "mg"), (10**3, "µg"), (1, "ng"))
_ENERGIES: Final = (
    (UJ_PER_KWH * 1000, "MWh"),
    (UJ_PER_KWH, "kWh"),
    (UJ_PER_KWH // 1000, "Wh"),
    (UJ_PER_KWH // 10**6, "mWh"),
    (UJ_PER_KWH // 10**9, "µWh"),
)
_OF_A_QUERY: Final = ((10**6, "J"), (10**3, "mJ"), (1, "µJ"))


def mass(mass_ng: float) -> str:
    """Nanograms of CO2e."""
    return _scaled(mass_ng, _MASSES, "g")


def interval(scenario: Mapping[str, Any]) -> str:
    """Where a scenario's carbon may lie; of what happened there is no doubt."""
    if scenario["name"] == "actual":
        return "counted"
    return ends_of(scenario)


def ends_of(estimate: Mapping[str, Any]) -> str:
    """The ends of an interval, where they are known."""
    ends = [estimate.get(name) for name in ("low_kg", "high_kg")]
    return "not known" if None in ends else " to ".join(mass(end * NG_PER_KG) for end in ends if end is not None)


def energy(energy_uj: float) -> str:
    """Microjoules, in watt-hours throughout: a column of joules and watt-hours cannot be compared at a glance."""
    return _scaled(energy_uj, _ENERGIES, "Wh")


def joules(energy_uj: float) -> str:
    """Microjoules of a single query, in joules."""
    return _scaled(energy_uj, _OF_A_QUERY, "J")


def declared(value: float, unit: str) -> str:
    r"""A figure of a declaration, of the unit that it has in the JSON.

    >>> declared(7.99e-05, "kg CO2e"), declared(17_140.0, "g CO2e/inference"), declared(0.0014571, "kWh")
    ('79.9\xa0mg CO2e', '17.1\xa0kg CO2e/inference', '1.46\xa0Wh')
    """
    size, written = _DECLARED[unit]
    return " ".join((written(value * size), *unit.split()[1:]))


def count(number: float) -> str:
    r"""How many: all digits, in threes; millions and more with three digits.

    >>> count(40960), count(123_456_789)
    ('40\u202f960', '123\xa0million')
    """
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= 10 * size:
            return f"{digits(number / size)}{_SPACE}{name}"
    return f"{round(number):,}".replace(",", "\u202f")


def percent(fraction: float) -> str:
    r"""A fraction of the whole; what is not nothing is not shown as nothing.

    >>> percent(0.125), percent(0.0002), percent(0.0)
    ('12.5\xa0%', '<0.1\xa0%', '0.0\xa0%')
    """
    if 0.0 < fraction < 0.0005:
        return f"<0.1{_SPACE}%"
    return f"{fraction * 100:.1f}{_SPACE}%"


def digits(value: float) -> str:
    """Three digits that count.

    >>> digits(1234.5), digits(12.345), digits(0.5)
    ('1234', '12.3', '0.500')
    """
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _scaled(value: float, units: tuple[tuple[int, str], ...], zero: str) -> str:
    if value == 0:
        return f"0{_SPACE}{zero}"
    size, unit = next((each for each in units if abs(value) >= each[0]), units[-1])
    sign = "−" if value < 0 else ""
    return f"{sign}{digits(abs(value) / size)}{_SPACE}{unit}"


_DECLARED: Final = {"kWh": (UJ_PER_KWH, energy), "kg CO2e": (NG_PER_KG, mass), "g CO2e/inference": (NG_PER_G, mass)}
