"""CPU time as the kernel counts it: how busy a set of cores was, and how much of it was ours."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

COLUMNS: Final = 8
"""Of a core's line in /proc/stat: user nice system idle iowait irq softirq steal; guest time stands within user."""


class CpuTime(NamedTuple):
    """Core-seconds since boot: those spent working, and all of them."""

    busy_s: float
    total_s: float


def cpu_time(cores: frozenset[int] | None = None) -> CpuTime:
    """Core-seconds of some cores, or of all of them; a core that is offline has none.

    Time stolen by a hypervisor counts as busy: it is as lost to us as what a co-runner takes. Waiting for
    a disk is idle. Guest time is left out, since Linux counts it within user time already.
    """
    if cores is None:
        return _of(psutil.cpu_times())
    return _sum(time for core, time in core_times().items() if core in cores)


def core_times() -> Mapping[int, CpuTime]:
    """Each core that is online, by the system's number of it.

    psutil tells a list, in which the cores after one that is offline move up; so Linux's own file is read.

    Raises:
        OSError: there is such a file, and it cannot be read.
    """
    stat = Path(psutil.PROCFS_PATH) / "stat" if hasattr(psutil, "PROCFS_PATH") else None
    if stat is None or not stat.exists():
        return dict(enumerate(_of(times) for times in psutil.cpu_times(percpu=True)))
    times = {}
    for line in stat.read_text(encoding="ascii", errors="replace").splitlines():
        name, *ticks = line.split() or [""]
        if name.startswith("cpu") and name[3:].isdecimal() and len(ticks) >= COLUMNS:
            times[int(name[3:])] = _of_ticks(ticks)
    return times


def used_between(before: Mapping[int, CpuTime], after: Mapping[int, CpuTime]) -> CpuTime:
    """Core-seconds of the cores that were online at both times.

    A core whose counters went back was away in between: what it did is not known, so it does not count.
    """
    cores = [(before[core], after[core]) for core in before.keys() & after.keys()]
    used = (CpuTime(new.busy_s - old.busy_s, new.total_s - old.total_s) for old, new in cores)
    # The kernel takes back a tick of idle time now and then: a core is never busier than the time that passed.
    return _sum(CpuTime(min(each), each.total_s) for each in used if min(each) >= 0.0)


def process_cpu_s(pid: int, cores: frozenset[int]) -> float:
    """CPU time of another process, as far as it may run on these cores; 0 once it is gone.

    Linux does not say on which core a process spent its time: a process that may run on more cores than
    these is taken to spread evenly over them.
    """
    try:
        process = psutil.Process(pid)
        times, affinity = process.cpu_times(), getattr(process, "cpu_affinity", tuple)
        allowed = frozenset(affinity())
    except psutil.Error:
        return 0.0
    share = len(allowed & cores) / len(allowed) if allowed else 1.0
    return (times.user + times.system) * share


def own_cpu_s(companions: Iterable[int], cores: frozenset[int]) -> float:
    """CPU time of this process and of its companions (their process ids) on these cores."""
    return time.process_time() + sum(process_cpu_s(pid, cores) for pid in companions)


def _sum(times: Iterable[CpuTime]) -> CpuTime:
    busy_s = total_s = 0.0
    for each in times:
        busy_s += each.busy_s
        total_s += each.total_s
    return CpuTime(busy_s, total_s)


def _of(times: Any) -> CpuTime:
    # psutil's own type for these times is private and differs from platform to platform.
    others = sum(getattr(times, name, 0.0) for name in ("nice", "irq", "softirq", "steal"))
    busy_s = times.user + times.system + others
    return CpuTime(busy_s, busy_s + times.idle + getattr(times, "iowait", 0.0))


def _of_ticks(ticks: list[str]) -> CpuTime:
    per_s = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, iowait, irq, softirq, steal = (int(each) / per_s for each in ticks[:COLUMNS])
    busy_s = user + nice + system + irq + softirq + steal
    return CpuTime(busy_s, busy_s + idle + iowait)
