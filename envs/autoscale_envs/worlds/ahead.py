"""Work that is done on another core before it is needed: one thread, whose arithmetic runs beside the caller's.

numpy lets go of the interpreter while it computes, so this pays for arrays of some length.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, ParamSpec, TypeVar

FEWEST: Final = 512
"""Environments below which a thread costs more than it gains."""

Given = ParamSpec("Given")
Result = TypeVar("Result")

_threads: list[ThreadPoolExecutor] = []
_working: set[Future[Any]] = set()


def is_worth_it(environments: int) -> bool:
    """Whether another core is there, and enough for it to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return environments >= FEWEST and cores > 1


def submit(work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> "Future[Result] | None":
    """Have it done; the future holds what comes of it. None where no thread can be started."""
    if not _threads:
        _threads.append(ThreadPoolExecutor(1, "autoscale-ahead"))
    try:
        future = _threads[0].submit(work, *given, **named)
    except RuntimeError:  # too many threads, or the interpreter is ending
        _threads.clear()  # this one's queue holds the work, which a thread that starts later would do
        return None
    _working.add(future)
    future.add_done_callback(_working.discard)
    return future


def _before_fork() -> None:
    """A child has no such thread: what is begun must be done before it is made."""
    wait([*_working])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_threads.clear)
