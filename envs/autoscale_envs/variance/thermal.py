"""Heat: the device as one lumped node, and a governor that caps the CPU's and GPU's clocks when it is hot.

``C dT/dt = P - (T - T_air) / R``, solved exactly over each query's span. Above ``throttle_c`` the cap on the clock
falls by 5 % of the highest frequency for each degree, to half of it; a target above the cap runs at the highest step
below. The NPU has one low-power clock, and the governor leaves it alone.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.profiles import Thermal
from autoscale.query.forecast import Floats, Indices
from autoscale.query.target import Target
from autoscale_envs.variance.processes import Numbers

AIR_C: Final = 25.0
CAPS: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
COOL: Final = Thermal(capacitance_j_per_k=1e4, resistance_k_per_w=0.1, throttle_c=95.0)
"""A machine with a fan, where the profile knows of no throttling."""


def cap_temperatures_c(thermal: Thermal) -> Floats:
    """From which temperature on each cap below 1 holds, rising, shape (10,)."""
    return thermal.throttle_c + np.arange(len(CAPS) - 1, dtype=np.float64)


def warmed_c(temperature_c: Numbers, power_w: Numbers, span_s: Numbers, thermal: Thermal) -> Numbers:
    """The temperature after ``span_s`` at ``power_w``; any one shape, or numbers."""
    settled_c = AIR_C + thermal.resistance_k_per_w * power_w
    left = np.exp(span_s / (-thermal.resistance_k_per_w * thermal.capacitance_j_per_k))
    return settled_c + (temperature_c - settled_c) * left


def capped_targets(targets: Sequence[Target]) -> Indices:
    """What each target becomes under each cap, shape (caps, targets)."""
    return np.array([[_capped(targets, target, cap) for target in targets] for cap in CAPS], dtype=np.intp)


def _capped(targets: Sequence[Target], target: Target, cap: float) -> int:
    if target.is_remote or target.frequency_hz is None:
        return targets.index(target)
    kin = {
        each.frequency_hz: index
        for index, each in enumerate(targets)
        if each.frequency_hz is not None
        and (each.place, each.processor, each.precision) == (target.place, target.processor, target.precision)
    }
    allowed = [step for step in kin if step <= min(target.frequency_hz, cap * max(kin))]
    return kin[max(allowed, default=min(kin))]
