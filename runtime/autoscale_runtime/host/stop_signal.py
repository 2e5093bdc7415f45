"""The signals by which a person or a supervisor ends a command that would go on for ever."""

import signal
import socket
from contextlib import suppress
from typing import Final

_NOTICED_S: Final = 1.0
"""Windows runs a signal's handler only between two waits."""


class StopSignal:
    """Whether SIGTERM or Ctrl-C has come since this was made, in the main thread.

    A socket keeps it, where an event would do between threads: a handler runs in the thread that waits, perhaps just as
    that one holds the event's lock, and then both waited for ever.
    """

    def __init__(self) -> None:
        self._waiting, self._telling = socket.socketpair()
        self._telling.setblocking(False)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._tell)

    def comes_within(self, wait_s: float) -> bool:
        """Wait for it, at most so long."""
        self._waiting.settimeout(wait_s)
        try:
            return bool(self._waiting.recv(1, socket.MSG_PEEK))  # and there it stays
        except (TimeoutError, BlockingIOError):  # the latter where the wait is none
            return False

    def wait(self) -> None:
        """Wait for it."""
        while not self.comes_within(_NOTICED_S):
            pass

    def _tell(self, *_: object) -> None:
        with suppress(BlockingIOError):  # it was told a thousand times
            self._telling.send(b"!")
