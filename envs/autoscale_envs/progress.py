"""Long work in a terminal: a bar that shows how far it is, and Ctrl-C, which ends it at its next report."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

INTERRUPTED: Final = 130
"""The exit status of what Ctrl-C ended."""


class Watch:
    """What the work reports to.

    Attributes:
        done: so far.
        reward: the latest, NaN where none is earned.
        stopped: whether it was ended.
    """

    def __init__(self, progress: Progress, total: float, unit: str) -> None:
        self._progress, self._unit = progress, unit
        self._task = progress.add_task("", total=total, rate="", reward="")
        self._first: tuple[int, float] | None = None
        self.done, self.reward, self.stopped = 0, math.nan, False

    def __call__(self, done: int, reward: float = math.nan) -> bool:
        """Take a report, the first one before anything was done here; whether to go on."""
        self._first = self._first or (done, time.perf_counter())
        self.done, self.reward = done, reward
        shown = "" if math.isnan(reward) else f"reward {reward:+.3f}"
        self._progress.update(self._task, completed=done, rate=f"{self.rate():,.0f} {self._unit}/s", reward=shown)
        return not self.stopped

    def rate(self) -> float:
        """How many a second since the first report."""
        done, since_s = self._first or (0, 0.0)
        return (self.done - done) / max(time.perf_counter() - since_s, 1e-9)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End the work at its next report; a second signal ends the process."""
        self.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def watching(total: float, unit: str, *, quiet: bool) -> Iterator[Watch]:
    """Show a bar on standard error where that is a terminal, and listen to Ctrl-C.

    Args:
        total: of what is to be done.
        unit: what that is, as in ``queries``.
        quiet: shows nothing.
    """
    columns = (
        *(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        *(TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[reward]}")),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        watch = Watch(progress, total, unit)
        before = signal.signal(signal.SIGINT, watch.stop)
        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, before)
