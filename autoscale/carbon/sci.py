"""The Software Carbon Intensity score."""

from autoscale.errors import InvalidInput


def sci_g(operational_g: float, embodied_g: float, functional_units: float) -> float:
    """Grams of CO2e per functional unit: SCI = (O + M) per R (ISO/IEC 21031:2024); here R is inferences.

    Raises:
        InvalidInput: no functional unit to divide by.
    """
    if not functional_units > 0:
        raise InvalidInput(f"functional_units is {functional_units}; allowed: above 0")
    return (operational_g + embodied_g) / functional_units
