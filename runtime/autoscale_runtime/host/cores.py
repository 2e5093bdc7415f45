"""The cores that this process may use: of those it may run on, as many as its container's quota pays for."""

import math
import os
from collections.abc import Iterable

from autoscale_runtime.host.control_group import ControlGroup


def allowed_cores() -> frozenset[int]:
    """The cores this process may run on (``taskset``, a container's cpuset); all where the system cannot say."""
    ask = getattr(os, "sched_getaffinity", None)
    # By process id: 0 would ask for the calling thread, which may be the one that reads the sensors.
    return frozenset(range(os.cpu_count() or 1)) if ask is None else frozenset(ask(os.getpid()))


def usable_cores(group: ControlGroup | None = None) -> int:
    """How many cores are worth a thread: ``min(allowed cores, ceil(CPU quota))``.

    Args:
        group: whose quota counts; this process's where None.
    """
    cores = len(allowed_cores())
    quota = (group or ControlGroup()).cpu_quota()
    return cores if quota is None else min(cores, math.ceil(quota))


def pin(cores: Iterable[int]) -> None:
    """Have the calling thread, and the processes it starts, run on these cores alone; nothing where no system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
