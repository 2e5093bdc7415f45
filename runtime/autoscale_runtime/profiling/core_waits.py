"""How long this process's threads were ready to run and had no core, as Linux counts it for each of them."""

import os
import threading
from pathlib import Path
from typing import Final, Self

TASKS: Final = Path("/proc/self/task")
_LONGEST_LINE: Final = 64


class CoreWaits:
    """The threads that there are when this is entered; a context manager, for it holds their counters open.

    A look takes some microseconds, so that a run of a tenth of a millisecond is hardly disturbed by it.

    Args:
        own: whether the calling thread alone counts.
        tasks: the folder of this process's threads.
    """

    def __init__(self, own: bool = False, tasks: Path = TASKS) -> None:
        self._own, self._tasks = own, tasks
        self._counters: list[int] = []

    def __enter__(self) -> Self:
        try:
            threads = [self._tasks / str(threading.get_native_id())] if self._own else self._tasks.iterdir()
            paths = [thread / "schedstat" for thread in threads]
            self._counters = [os.open(path, os.O_RDONLY) for path in paths if path.exists()]
        except OSError:  # another system, or a thread that ended meanwhile
            self._counters = []
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._counters:
            os.close(each)
        self._counters = []

    def now_s(self) -> float | None:
        """What they waited since they began, all together; None where the system does not tell.

        The second figure of /proc/PID/task/TID/schedstat, in ns (Linux, Documentation/scheduler/sched-stats.rst).
        """
        return sum(map(_waited_ns, self._counters)) / 1e9 if self._counters else None


def _waited_ns(counter: int) -> int:
    try:
        return int(os.pread(counter, _LONGEST_LINE, 0).split()[1])
    except (OSError, ValueError, IndexError):  # the thread has ended
        return 0
