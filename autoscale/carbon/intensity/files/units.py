"""Units of carbon intensity: any mass of CO2 over any energy.

>>> round(g_per_kwh_of("lb/MWh"), 6), g_per_kwh_of("kgCO2eq/kWh"), unit_in("Carbon intensity gCO₂eq/kWh (direct)")
(0.453592, 1000.0, 'g/kwh')
"""

import re
from typing import Final

from autoscale.errors import InvalidInput

GRAMS: Final = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6, "lb": 453.59237, "lbs": 453.59237}
"""The pound is the international avoirdupois one, the tonne the metric one."""
KWH: Final = {"wh": 1e-3, "kwh": 1.0, "mwh": 1e3, "gwh": 1e6, "twh": 1e9, "mj": 1 / 3.6, "gj": 1e3 / 3.6}

_UNIT: Final = re.compile(
    r"(?<![a-z0-9])(mg|g|kg|tonnes?|t|lbs?|pounds?)[\s_]*(?:of[\s_]*)?(?:co[2₂](?:[\s_-]*(?:equivalent|equiv|eq|e))?\.?)?"
    r"[\s_]*(?:/|per|\bp\b)[\s_]*(wh|kwh|mwh|gwh|twh|mj|gj)(?![a-z])"
)
_SPELLINGS: Final = {"tonne": "t", "tonnes": "t", "pound": "lb", "pounds": "lb", "lbs": "lb"}


def unit_in(text: str) -> str | None:
    """The unit that a column's name tells, as ``mass/energy``; None where it tells none."""
    found = _UNIT.search(text.casefold())
    return f"{_SPELLINGS.get(found[1], found[1])}/{found[2]}" if found else None


def g_per_kwh_of(unit: str) -> float:
    """What one of a unit is in g/kWh.

    Raises:
        InvalidInput: no mass over an energy.
    """
    known = unit_in(unit)
    if known is None:
        raise InvalidInput(f"unit is '{unit}'; allowed: a mass over an energy, as in g/kWh, kg/MWh, t/GWh, lb/MWh")
    mass, energy = known.split("/")
    return GRAMS[mass] / KWH[energy]
