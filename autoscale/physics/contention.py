"""What another program on the same machine does to a query's time.

A query that shares cores gets its fair share of them: beside a load ``u`` of all cores, work that needs the CPU takes
``1 / (1 - u/2)`` as long (twice, beside a co-runner that fills every core). Beside a load ``m`` on the memory's
bandwidth, the share of a query that waits for memory gets what is left: ``1 / (1 - 0.75 m)``. A query on ``t`` of ``c``
cores meets that much less of the co-runner: ``t / c`` of what one on all cores loses, which is what a fair scheduler
leaves of ``t`` threads beside ``c`` others (``1 + t / c`` as long). Which shares those are
comes from the cost model (``cpu_bound``, ``memory_bound``); the co-runner also evicts from the caches, which exposes to
memory a part of the work that alone would not wait for it. Cores and processors that wait for memory burn their busy
power; of the time a query waits for a core, half is spent spinning at barriers of its own threads.

>>> float(cpu_strain(1.0)), float(memory_strain(0.0))
(1.0, 0.0)
"""

from typing import Final

from autoscale.arrays import Numbers
from autoscale.profiles import Processor

CPU_SHARE: Final = 0.5
BANDWIDTH_SHARE: Final = 0.75
SPINNING: Final = 0.5
EVICTED: Final = 0.3
"""Share of the work not limited by memory that is, once a co-runner fills the shared caches; a default."""


def exposed(memory_bound: Numbers) -> Numbers:
    """The share of a query that waits for memory beside a co-runner that evicts its caches."""
    return memory_bound + EVICTED * (1.0 - memory_bound)


def share_of_cores(processor: Processor, threads: int | None) -> float:
    """How much of what a co-runner does to a query on all cores hits one on some; 1 off the CPU."""
    if processor.kind != "cpu" or threads is None:
        return 1.0
    return min(threads, processor.cores) / processor.cores


def cpu_strain(cpu_load: Numbers) -> Numbers:
    """How much longer than undisturbed the CPU-bound share of a query takes, as a fraction of it."""
    taken = CPU_SHARE * cpu_load
    return taken / (1.0 - taken)


def memory_strain(memory_load: Numbers) -> Numbers:
    """How much longer than undisturbed the memory-bound share of a query takes, as a fraction of it."""
    taken = BANDWIDTH_SHARE * memory_load
    return taken / (1.0 - taken)
