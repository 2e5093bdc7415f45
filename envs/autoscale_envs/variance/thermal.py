"""Heat: the device as one lumped node, and a governor that caps the CPU's and GPU's clocks when it is hot.

``C dT/dt = P - (T - T_air) / R``, solved exactly over each query's span. Above ``throttle_c`` the cap on the clock
falls by 5 % of the highest frequency for each degree, to half of it; a target above the cap runs at the highest step
below. The NPU has one low-power clock, and the governor leaves it alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Indices, Numbers, exponential
from autoscale.profiles import Processor, Thermal
from autoscale.query.target import Target

AIR_C: Final = 25.0
CAPS: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
COOL: Final = Thermal(capacitance_j_per_k=1e4, resistance_k_per_w=0.1, throttle_c=95.0)
"""A machine with a fan, where the profile knows of no throttling."""


def cap_temperatures_c(thermal: Thermal) -> list[float]:
    """From which temperature on each cap below 1 holds, rising."""
    return [thermal.throttle_c + each for each in range(len(CAPS) - 1)]


def warmed_c(
    temperature_c: Numbers, power_w: Numbers, span_s: Numbers, thermal: Thermal, air_c: float = AIR_C
) -> Numbers:
    """The temperature after ``span_s`` at ``power_w``; any one shape, or numbers."""
    settled_c = air_c + thermal.resistance_k_per_w * power_w
    left = exponential(span_s / (-thermal.resistance_k_per_w * thermal.capacitance_j_per_k))
    return settled_c + (temperature_c - settled_c) * left


class Run(NamedTuple):
    """How the processor of a target runs: the target's number, and the clock (None where it has one alone)."""

    target: int
    frequency_hz: int | None


def governed(targets: Sequence[Target], processors: Mapping[str, Processor]) -> tuple[list[Run], Indices]:
    """What each target becomes under each cap on the clocks.

    Args:
        targets: the device's own and others, which its heat does not concern.
        processors: of the device.

    Returns:
        The runs there can be, those of the targets themselves first and in their order; and which run each target is
        under each cap, shape (caps, targets).
    """
    numbers = {target: number for number, target in enumerate(targets)}
    runs = {Run(number, target.frequency_hz): number for target, number in numbers.items()}

    def run(target: Target, cap: float) -> int:
        clock_hz = _clock_hz(target, processors, cap)
        pinned = target if target.frequency_hz is None else replace(target, frequency_hz=clock_hz)
        return runs.setdefault(Run(numbers.get(pinned, numbers[target]), clock_hz), len(runs))

    capped = [[run(target, cap) for target in targets] for cap in CAPS]
    return [*runs], np.array(capped, dtype=np.intp).reshape(len(CAPS), len(targets))


def _clock_hz(target: Target, processors: Mapping[str, Processor], cap: float) -> int | None:
    """The clock under a cap: the target's own where that is low enough, else the highest step below."""
    steps = () if target.is_remote else processors[target.processor].frequencies_hz
    if not steps:
        return target.frequency_hz
    wanted_hz = target.frequency_hz or steps[-1]
    allowed_hz = max((step for step in steps if step <= min(wanted_hz, cap * steps[-1])), default=steps[0])
    return target.frequency_hz if allowed_hz == wanted_hz else allowed_hz
