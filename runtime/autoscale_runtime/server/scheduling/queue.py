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
_FEW: Final = 64

_Entry = tuple[int, float, int, Job]

_Key = tuple[int, float, float, int]
_NO_KEY: Final[_Key] = (0, 0.0, 0.0, -1)


class _Line:
    """What one client has waiting; ``key`` is its place among the clients, by the first of its queries."""

    __slots__ = ("client", "entries", "key", "tag", "waiting")

    def __init__(self, client: str, tag: float) -> None:
        self.client, self.tag = client, tag
        self.entries: list[_Entry] = []
        self.waiting = 0
        self.key = _NO_KEY


class FairQueue:
    """Jobs that wait, by client. For one thread.

    Attributes:
        waiting: how many.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._order: list[tuple[_Key, int, _Line]] = []  # also with keys that lines had before: those are passed over
        self._empty: list[_Line] = []
        self._served = 0.0
        self.waiting = 0

    def push(self, job: Job) -> None:
        """Add one."""
        line = self._lines.get(job.call.client)
        if line is None:
            line = self._lines[job.call.client] = _Line(job.call.client, self._served)
        heapq.heappush(line.entries, (job.priority, job.deadline_s, next(_COUNT), job))
        if line.entries[0][-1] is job:
            self._enqueue(line)
        line.waiting += 1
        self.waiting += 1

    def pop(self, version: int | None = None) -> Job | None:
        """Take the next one; None where none waits, or where it is of another version than the one asked for."""
        self._forget_empty()
        line = self._first()
        if line is None or version not in (None, line.entries[0][-1].version):
            return None
        heapq.heappop(self._order)
        job = heapq.heappop(line.entries)[-1]
        self._served = max(self._served, line.tag)
        line.tag += 1.0
        self._enqueue(line)
        self._left(line)
        return job

    def _first(self) -> _Line | None:
        while self._order:
            key, _, line = self._order[0]
            if key is line.key and not line.entries[0][-1].is_done:
                return line
            heapq.heappop(self._order)
            if key is line.key:
                self._enqueue(line)
        return None

    def _enqueue(self, line: _Line) -> None:
        """Its first query is another one than before."""
        while line.entries and line.entries[0][-1].is_done:
            heapq.heappop(line.entries)
        if not line.entries:
            line.key = _NO_KEY
            self._empty.append(line)
            return
        priority, deadline_s, number, _ = line.entries[0]
        line.key = (priority, line.tag, deadline_s, number)
        heapq.heappush(self._order, (line.key, next(_COUNT), line))
        if len(self._order) > 2 * len(self._lines) + _FEW:
            self._order = [(each.key, next(_COUNT), each) for each in self._lines.values() if each.entries]
            heapq.heapify(self._order)

    def _forget_empty(self) -> None:
        """Who has nothing waiting by the next turn starts anew."""
        for line in self._empty:
            if not line.entries and self._lines.get(line.client) is line:
                del self._lines[line.client]
        self._empty.clear()

    def leave(self, job: Job) -> None:
        """One that waits is done with: it is passed over."""
        job.is_done = True
        line = self._lines.get(job.call.client)
        if line is not None:
            self._left(line)
            if not line.waiting:
                line.entries.clear()
                line.key = _NO_KEY
                del self._lines[line.client]

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
