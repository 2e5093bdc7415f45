"""A recorded counter in place of hardware: a CSV file, powermetrics' text, or a Perfetto trace with power rails."""

import time
from bisect import bisect_right
from collections.abc import Callable, Collection
from pathlib import Path
from typing import ClassVar, Self

from autoscale.errors import InvalidInput, TraceError
from autoscale_runtime.meters.base import CounterMeter, Mark
from autoscale_runtime.meters.recordings.counter_csv import read_csv
from autoscale_runtime.meters.recordings.recording import Counted, Recording


class ReplayMeter(CounterMeter):
    """Plays a recorded counter, in straight lines between its rows; nothing is known outside of them.

    Time runs from the creation of the meter, and in a trace of Perfetto's or powermetrics' from its first moment.

    Args:
        path: a CSV file with the columns ``time_s`` and ``energy_j``, the text of ``powermetrics``, or a trace of
            Perfetto's with power rails. What it is, its content says.
        clock: seconds, monotonic.
        rails: names or subsystems of a trace's power rails, the sum of which is played; none for all of them.

    Raises:
        TraceError: a file that cannot be used at all; naming the file, the line and the value.
        UnknownName: a rail that the trace has not.
    """

    name: ClassVar[str] = "replay"
    shortest_s: ClassVar[float] = 0.0

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, rails: Collection[str] = ()) -> None:
        super().__init__(clock)
        self._rows, self.scope, self.method, self.sees_radio = read_recording(path, rails)
        self._run = 0
        self._start_s = clock()

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """A replay is of a file, not of a host.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("a replay meter is made from a file: ReplayMeter(path)")

    def read_j(self) -> float:
        """The recorded counter at this time.

        Raises:
            ValueError: nothing was recorded of this time.
        """
        now_s = self.clock() - self._start_s
        rows = self._rows
        if not rows[0].time_s <= now_s <= rows[-1].time_s:
            raise ValueError(f"{self.scope} runs from {rows[0].time_s} to {rows[-1].time_s} s; this is {now_s:.3f} s")
        before, after = self._around(now_s)
        if before.run != after.run:
            raise ValueError(f"{self.scope} was reset between {before.time_s} and {after.time_s} s")
        if after.run != self._run:
            self._run = after.run
            self.gap(f"{self.scope} was reset before {now_s:.3f} s")
        return before.energy_j + _share(now_s, before, after) * (after.energy_j - before.energy_j)

    def sampling_s(self, begun: Mark, now: Mark) -> float:
        """How far apart the rows lie between which the window's ends and all between them are."""
        first, last = self._around(begun.time_s - self._start_s)[0], self._around(now.time_s - self._start_s)[1]
        count = sum(first.time_s < each.time_s <= last.time_s for each in self._rows)
        return (last.time_s - first.time_s) / max(count, 1)

    def doubt_j(self, begun: Mark, now: Mark, sampling_s: float) -> float:
        """Between two rows the counter was anything between what they say; both ends of the window may lie there."""
        return sum(self._doubt_at_j(each.time_s - self._start_s) for each in (begun, now))

    def _doubt_at_j(self, now_s: float) -> float:
        before, after = self._around(now_s)
        share = _share(now_s, before, after)
        return max(share, 1.0 - share) * (after.energy_j - before.energy_j)

    def _around(self, now_s: float) -> tuple[Counted, Counted]:
        """The rows before and after a moment; the same twice where it is a row's."""
        rows = self._rows
        index = min(bisect_right(rows, now_s, key=lambda row: row.time_s), len(rows) - 1)
        before, after = rows[max(index - 1, 0)], rows[index]
        if now_s == before.time_s:
            return before, before
        return (after, after) if now_s == after.time_s else (before, after)


def read_recording(path: Path, rails: Collection[str] = ()) -> Recording:
    """The counter in a file, by what its content is.

    Raises:
        TraceError: it is nothing that can be played.
        UnknownName: a rail that the trace has not.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise TraceError(f"cannot read the trace '{path}': {error}") from error
    if content[:1] == b"\n" or b"\0" in content[:1024]:  # the tag of a trace's packets, which no CSV begins with
        from autoscale_runtime.meters.recordings.perfetto import read_perfetto

        return read_perfetto(path, content, rails)
    if rails:
        raise TraceError(f"{path} is no trace of Perfetto's, so it has no power rails: {', '.join(rails)}")
    text = content.decode("utf-8", errors="replace")
    if "*** Sampled system activity" in text:
        from autoscale_runtime.meters.recordings.powermetrics import read_powermetrics

        return read_powermetrics(path, text)
    return read_csv(path)


def _share(now_s: float, before: Counted, after: Counted) -> float:
    span_s = after.time_s - before.time_s
    return (now_s - before.time_s) / span_s if span_s else 0.0
