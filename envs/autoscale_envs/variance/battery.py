"""The battery: how much of its charge is left."""

from typing import Final

import numpy as np

from autoscale.arrays import Floats, Numbers, most
from autoscale.units import j_from_kwh

FULLEST: Final = 1.0
EMPTIEST_START: Final = 0.3
"""Episodes begin with a charge between these two."""


def capacity_j(battery_wh: float | None) -> float:
    """Joules of a full battery; infinite on mains, so that its charge never falls."""
    return np.inf if battery_wh is None else j_from_kwh(battery_wh / 1e3)


def start_charge(uniforms: Floats) -> Floats:
    """The charge an episode begins with, a fraction."""
    return EMPTIEST_START + (FULLEST - EMPTIEST_START) * uniforms


def drained(charge: Numbers, power_w: Numbers, span_s: Numbers, full_j: float) -> Numbers:
    """The charge left after ``span_s`` at ``power_w``; the device goes on at 0, as if someone plugged it in."""
    return most(charge - power_w * span_s / full_j, 0.0)
