"""Conversions between SI and the units people and files use: the only module that converts.

>>> kwh_from_j(3.6e6)
1.0
"""

import math
from typing import Final

J_PER_KWH: Final = 3.6e6
SECONDS_PER_YEAR: Final = 365.0 * 24 * 3600
"""A year of 8760 hours, as the SCI standard's worked example counts it."""

SECONDS_PER_HOUR: Final = 3600.0
SECONDS_PER_DAY: Final = 86_400

BYTES_PER_GB: Final = 1e9

MICRO_PER_UNIT: Final = 1_000_000
NANO_PER_UNIT: Final = 1_000_000_000
US_PER_DAY: Final = SECONDS_PER_DAY * MICRO_PER_UNIT
"""Microseconds, in which a ledger keeps time."""


_PREFIXES: Final = {-4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}


def kwh_from_j(energy_j: float) -> float:
    """Joules as kilowatt-hours."""
    return energy_j / J_PER_KWH


def j_from_kwh(energy_kwh: float) -> float:
    """Kilowatt-hours as joules."""
    return energy_kwh * J_PER_KWH


def kg_from_g(mass_g: float) -> float:
    """Grams as kilograms."""
    return mass_g / 1e3


def g_from_kg(mass_kg: float) -> float:
    """Kilograms as grams."""
    return mass_kg * 1e3


def hz_from_mhz(frequency_mhz: float) -> int:
    """Megahertz as whole hertz."""
    return round(frequency_mhz * 1e6)


def mhz_from_hz(frequency_hz: int) -> float:
    """Hertz as megahertz."""
    return frequency_hz / 1e6


def bps_from_mbps(rate_mbps: float) -> float:
    """Megabits per second as bits per second."""
    return rate_mbps * 1e6


def us_from_s(time_s: float) -> int:
    """Seconds as the whole microseconds that a ledger keeps."""
    return round(time_s * MICRO_PER_UNIT)


def mbps_from_bps(rate_bps: float) -> float:
    """Bits per second as megabits per second."""
    return rate_bps / 1e6


def s_from_ms(time_ms: float) -> float:
    """Milliseconds as seconds."""
    return time_ms / 1e3


def ms_from_s(time_s: float) -> float:
    """Seconds as milliseconds."""
    return time_s * 1e3


def readable(value: float, unit: str) -> str:
    """A figure with three digits and the SI prefix that fits.

    >>> readable(0.01234, "s"), readable(3.5e-8, "g"), readable(0.0, "J"), readable(1234.0, "J")
    ('12.3 ms', '35.0 ng', '0 J', '1.23 kJ')

    >>> readable(float("inf"), "s")
    'inf s'
    """
    exponent = _exponent(value)
    return f"{_three_digits(value / 1000.0**exponent)} {_PREFIXES[exponent]}{unit}"


def readable_range(low: float, mid: float, high: float, unit: str) -> str:
    """A figure with its ends, all in the unit of the middle.

    >>> readable_range(0.0095, 0.0123, 0.0204, "s")
    '12.3 ms (9.50 to 20.4)'
    """
    size = 1000.0 ** _exponent(mid)
    return f"{readable(mid, unit)} ({_three_digits(low / size)} to {_three_digits(high / size)})"


def _exponent(value: float) -> int:
    """The power of a thousand that a figure is of."""
    return (
        0
        if value == 0.0 or not math.isfinite(value)
        else min(max(math.floor(math.log10(abs(value)) / 3.0 + 1e-9), -4), 4)
    )


def _three_digits(value: float) -> str:
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value)) + 1e-9), 0)}f}"
