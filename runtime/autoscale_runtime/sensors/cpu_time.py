"""CPU time as the kernel counts it: how busy a set of cores was, and how much of it was ours."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import psutil


class CpuTime(NamedTuple):
    """Core-seconds since boot: those spent working, and all of them."""

    busy_s: float
    total_s: float


def cpu_time(cores: frozenset[int] | None = None) -> CpuTime:
    """Core-seconds of some cores, or of all of them.

    Time stolen by a hypervisor counts as busy: it is as lost to us as what a co-runner takes. Waiting for
    a disk is idle. Guest time is left out, since Linux counts it within user time already.
    """
    if cores is None:
        return _sum([psutil.cpu_times()])
    return _sum(times for core, times in enumerate(psutil.cpu_times(percpu=True)) if core in cores)


def process_cpu_s(pid: int, cores: frozenset[int]) -> float:
    """CPU time of another process, as far as it may run on these cores; 0 once it is gone.

    Linux does not say on which core a process spent its time: a process that may run on more cores than
    these is taken to spread evenly over them.
    """
    try:
        process = psutil.Process(pid)
        times, allowed = process.cpu_times(), frozenset(process.cpu_affinity() or ())
    except psutil.Error:
        return 0.0
    share = len(allowed & cores) / len(allowed) if allowed else 1.0
    return (times.user + times.system) * share


def own_cpu_s(companions: Iterable[int], cores: frozenset[int]) -> float:
    """CPU time of this process and of its companions (their process ids) on these cores."""
    return time.process_time() + sum(process_cpu_s(pid, cores) for pid in companions)


def _sum(readings: Iterable[Any]) -> CpuTime:
    # psutil's own type for these times is private and differs from platform to platform.
    busy = total = 0.0
    for times in readings:
        steal = getattr(times, "steal", 0.0)
        working = times.user + times.system + times.nice + steal
        working += getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
        busy += working
        total += working + times.idle + getattr(times, "iowait", 0.0)
    return CpuTime(busy, total)
