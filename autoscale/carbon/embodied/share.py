"""Embodied carbon: the share of a machine's making that one use of it carries."""

from autoscale.errors import InvalidInput


def embodied_g(total_kg: float, reserved_s: float, lifetime_s: float, share: float = 1.0) -> float:
    """Grams of CO2e: M = TE * (TiR / EL) * (RR / ToR) (SCI, ISO/IEC 21031:2024).

    Args:
        total_kg: embodied emissions of the whole machine (TE).
        reserved_s: time it was reserved for this use (TiR).
        lifetime_s: expected life (EL).
        share: fraction of its resources that was reserved (RR / ToR).

    Raises:
        InvalidInput: a lifetime that is not above 0.

    >>> from autoscale.units import SECONDS_PER_YEAR
    >>> round(embodied_g(1000.0, 3600.0, 4 * SECONDS_PER_YEAR), 1)
    28.5
    """
    if not lifetime_s > 0.0:
        raise InvalidInput(f"lifetime_s is {lifetime_s}; allowed: above 0")
    return total_kg * 1e3 * (reserved_s / lifetime_s) * share
