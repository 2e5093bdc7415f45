"""Who is next of those who wait: the client who has had least, of its queries the one that is due first.

Among clients it is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): each has a tag that grows by one with
every query served, and the smallest goes first; who comes back after a rest starts at the tag served last. Where tags
are equal, and within a client, the earliest deadline goes first. A smaller priority goes before all of that.
"""

import heapq
import itertools
from typing import Final

from autoscale_runtime.server.execution.job import Job

_COUNT: Final = itertools.count()

_Entry = tuple[int, float, int, Job]


class _Line:
    """What one client has waiting."""

    __slots__ = ("entries", "tag", "waiting")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.tag = 0.0
        self.waiting = 0


class FairQueue:
    """Jobs that wait, by client. For one thread.

    Attributes:
        waiting: how many.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._served = 0.0
        self.waiting = 0

    def push(self, job: Job) -> None:
        """Add one."""
        line = self._lines.get(job.call.client)
        if line is None:
            line = self._lines[job.call.client] = _Line()
            line.tag = self._served
        heapq.heappush(line.entries, (job.priority, job.deadline_s, next(_COUNT), job))
        line.waiting += 1
        self.waiting += 1

    def pop(self, version: int | None = None) -> Job | None:
        """Take the next one; None where none waits, or where it is of another version than the one asked for."""
        best: _Line | None = None
        best_key: tuple[float, ...] = ()
        for client in [*self._lines]:
            line = self._lines[client]
            _drop_done(line)
            if not line.entries:
                del self._lines[client]
                continue
            priority, deadline_s, number, _ = line.entries[0]
            key = (priority, line.tag, deadline_s, number)
            if best is None or key < best_key:
                best, best_key = line, key
        if best is None or version not in (None, best.entries[0][-1].version):
            return None
        job = heapq.heappop(best.entries)[-1]
        self._served = max(self._served, best.tag)
        best.tag += 1.0
        self._left(best)
        return job

    def leave(self, job: Job) -> None:
        """One that waits is done with: it is passed over."""
        job.is_done = True
        line = self._lines.get(job.call.client)
        if line is not None:
            self._left(line)

    def ahead(self, client: str) -> int:
        """How many are served before one that this client would add now."""
        line = self._lines.get(client)
        mine = line.waiting if line is not None else 0
        if mine == self.waiting:  # as where there is but one client
            return mine
        return mine + sum(min(each.waiting, mine + 1) for each in self._lines.values() if each is not line)

    def last_of_the_greediest(self, client: str) -> Job | None:
        """Whom to send away for a newcomer: the last of who has most waiting; None where that is not more than it."""
        line = self._lines.get(client)
        greediest = max(self._lines.values(), key=lambda each: each.waiting, default=None)
        if greediest is None or greediest.waiting <= (line.waiting if line is not None else 0) + 1:
            return None
        return max((each for each in greediest.entries if not each[-1].is_done), default=None, key=lambda e: e[:3])[-1]  # type: ignore[index]

    def jobs(self) -> list[Job]:
        """All that wait, in no order."""
        return [entry[-1] for line in self._lines.values() for entry in line.entries if not entry[-1].is_done]

    def _left(self, line: _Line) -> None:
        line.waiting -= 1
        self.waiting -= 1


def _drop_done(line: _Line) -> None:
    while line.entries and line.entries[0][-1].is_done:
        heapq.heappop(line.entries)
