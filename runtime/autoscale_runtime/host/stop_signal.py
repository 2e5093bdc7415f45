"""The signals by which a person or a supervisor ends a command that would go on for ever."""

import signal
import threading
from typing import Final

_NOTICED_S: Final = 1.0
"""Windows runs a signal's handler only between two waits."""


class StopSignal:
    """Whether SIGTERM or Ctrl-C has come since this was made, in the main thread."""

    def __init__(self) -> None:
        self._came = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: self._came.set())

    def comes_within(self, wait_s: float) -> bool:
        """Wait for it, at most so long."""
        return self._came.wait(wait_s)

    def wait(self) -> None:
        """Wait for it."""
        while not self.comes_within(_NOTICED_S):
            pass
