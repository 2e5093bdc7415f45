"""Who brings more than can be answered is read less often, and then all at once.

A refusal alone in its turn of the loop takes twice the CPU time of one among eight: waking up, reading and writing are
shared. That time is the models' where they and the front have the same cores.
"""

import asyncio
from typing import Final, Protocol

from autoscale_runtime.server.transports.base import Refusal
from autoscale_runtime.wire.status import RETRY_AFTER

MOST_S: Final = 0.005
"""A query of another model on the same connection waits no longer where the loop is in time."""
MOST_LATE_S: Final = 0.01
"""Nor longer than this where others want the loop's cores: twice as long as the last rest ended late."""
_SHARE: Final = 0.25
"""Of the time after which there may be room: what waits lasts longer than the rest, so no model stands still."""


class Reading(Protocol):
    """What reads from a socket, as ``asyncio.Transport``."""

    def pause_reading(self) -> None:
        """Leave what comes where it is."""

    def resume_reading(self) -> None:
        """Read on."""

    def is_closing(self) -> bool:
        """Whether nothing is read any more."""


class Rests:
    """Sockets that are not read for a moment: one timer for all, so that they are read in one turn.

    Args:
        loop: that they are on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._resting: list[Reading] = []
        self._due_s = self._late_s = 0.0

    def after(self, refusal: Refusal, socket: Reading) -> None:
        """What the socket brought was refused: where that is for want of room, it is left alone for a moment."""
        rest_s = min(_SHARE * _after_s(refusal), max(MOST_S, min(2.0 * self._late_s, MOST_LATE_S)))
        if rest_s <= 0.0 or socket.is_closing():
            return
        socket.pause_reading()
        if not self._resting:
            self._due_s = self._loop.time() + rest_s
            self._loop.call_at(self._due_s, self._end)
        self._resting.append(socket)

    def _end(self) -> None:
        self._late_s = self._loop.time() - self._due_s
        resting, self._resting = self._resting, []
        for socket in resting:
            if not socket.is_closing():
                socket.resume_reading()


def _after_s(refusal: Refusal) -> float:
    """When another try may have room; 0.0 where it says nothing of that."""
    return next((int(value) / 1e3 for name, value in refusal.trailers if name == RETRY_AFTER), 0.0)
