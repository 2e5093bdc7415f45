"""Operational carbon: what the energy emitted where and when it was drawn."""

from autoscale.units import kwh_from_j


def operational_g(energy_j: float, intensity_g_per_kwh: float, pue: float = 1.0) -> float:
    """Grams of CO2e of some energy: O = E * I (SCI, ISO/IEC 21031:2024), times the facility's PUE.

    >>> operational_g(3.6e6, 400.0, pue=1.1)
    440.00000000000006
    """
    return kwh_from_j(energy_j) * pue * intensity_g_per_kwh
