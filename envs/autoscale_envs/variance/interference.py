"""Co-runners: what they load, and what heat they make; ``physics.contention`` says what they do to a query."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.profiles import DeviceProfile
from autoscale_envs.variance.processes import regimes
from autoscale_envs.variance.scenarios import Scenario

STRAY: Final = 0.1
"""Standard deviation of a load around its regime's mean, as a fraction of that."""
STRAY_MEMORY_S: Final = 5.0
MEMORY_W: Final = 0.6
"""What DRAM at full bandwidth draws in a phone; a default."""


def co_runner_regimes(uniforms: Floats, previous: Indices, scenario: Scenario, gap_s: float) -> Indices:
    """Which co-runner is there at each query, shape (queries, n)."""
    return regimes(uniforms, previous, min(gap_s / scenario.dwell_s, 1.0), scenario.shares)


def co_runners(uniforms: Floats, scenario: Scenario) -> Indices:
    """Which co-runner there is to begin with, shape (n,)."""
    return np.minimum(np.searchsorted(scenario.shares, uniforms, side="right"), len(scenario.co_runners) - 1)


def loads(means: Sequence[float], regime: Indices, straying: Floats) -> Floats:
    """A load, 0 to 1, shape (queries, n), around its regime's mean."""
    mean = np.array(means, dtype=straying.dtype).take(regime)
    return np.minimum(np.maximum(mean + STRAY * mean * straying, 0.0), 1.0)


def full_load_w(device: DeviceProfile) -> float:
    """What a co-runner draws that fills every core at the middle of the frequency range."""
    cpu = device.processors["cpu"]
    middle = cpu.frequencies_hz[len(cpu.frequencies_hz) // 2] if cpu.frequencies_hz else None
    return cpu.busy_w(cpu.cores, middle)


def co_runner_w(cpu_load: Floats, memory_load: Floats, full_w: float) -> Floats:
    """Watts that the co-runner adds to the device; they heat it, but no query pays them."""
    return full_w * cpu_load + MEMORY_W * memory_load
