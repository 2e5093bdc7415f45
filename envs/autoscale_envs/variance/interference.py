"""Co-runners: what they load, what that does to a query, and what heat they make.

A query that shares cores gets its fair share of them: beside a load ``u`` of all cores, work that needs the CPU takes
``1 / (1 - u/2)`` as long (twice, beside a co-runner that fills every core). Beside a load ``m`` on the memory's
bandwidth, the share of a query that waits for memory gets what is left: ``1 / (1 - 0.75 m)``. A query on ``t`` of ``c``
cores meets that much less of the co-runner: ``t / c`` of what one on all cores loses, which is what a fair scheduler
leaves of ``t`` threads beside ``c`` others (``1 + t / c`` as long). Which shares those are
comes from the cost model (``cpu_bound``, ``memory_bound``); the co-runner also evicts from the caches, which exposes to
memory a part of the work that alone would not wait for it. Cores and processors that wait for memory burn their busy
power; of the time a query waits for a core, half is spent spinning at barriers of its own threads.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.profiles import DeviceProfile, Processor
from autoscale_envs.variance.processes import regimes
from autoscale_envs.variance.scenarios import Scenario

STRAY: Final = 0.1
"""Standard deviation of a load around its regime's mean, as a fraction of that."""
STRAY_MEMORY_S: Final = 5.0
CPU_SHARE: Final = 0.5
BANDWIDTH_SHARE: Final = 0.75
SPINNING: Final = 0.5
EVICTED: Final = 0.3
"""Share of the work not limited by memory that is, once a co-runner fills the shared caches; a default."""
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
    mean = np.array(means)[regime]
    return np.minimum(np.maximum(mean + STRAY * mean * straying, 0.0), 1.0)


def exposed(memory_bound: Floats) -> Floats:
    """The share of a query that waits for memory beside a co-runner that evicts its caches."""
    return memory_bound + EVICTED * (1.0 - memory_bound)


def share_of_cores(processor: Processor, threads: int | None) -> float:
    """How much of what a co-runner does to a query on all cores hits one on some; 1 off the CPU."""
    if processor.kind != "cpu" or threads is None:
        return 1.0
    return min(threads, processor.cores) / processor.cores


def cpu_strain(cpu_load: Floats) -> Floats:
    """How much longer than undisturbed the CPU-bound share of a query takes, as a fraction of it."""
    taken = CPU_SHARE * cpu_load
    return taken / (1.0 - taken)


def memory_strain(memory_load: Floats) -> Floats:
    """How much longer than undisturbed the memory-bound share of a query takes, as a fraction of it."""
    taken = BANDWIDTH_SHARE * memory_load
    return taken / (1.0 - taken)


def full_load_w(device: DeviceProfile) -> float:
    """What a co-runner draws that fills every core at the middle of the frequency range."""
    cpu = device.processors["cpu"]
    middle = cpu.frequencies_hz[len(cpu.frequencies_hz) // 2] if cpu.frequencies_hz else None
    return cpu.busy_w(cpu.cores, middle)


def co_runner_w(cpu_load: Floats, memory_load: Floats, full_w: float) -> Floats:
    """Watts that the co-runner adds to the device; they heat it, but no query pays them."""
    return full_w * cpu_load + MEMORY_W * memory_load
