"""Waiting for what must happen, however loaded the machine: no test asserts how soon."""

import time
from collections.abc import Callable
from typing import Any, Final

LONGEST_WAIT_S: Final = 60.0


def until(happened: Callable[[], Any], every_s: float = 0.01) -> Any:
    """What ``happened()`` says once that is true; the test fails after ``LONGEST_WAIT_S``."""
    end_s = time.monotonic() + LONGEST_WAIT_S
    while not (it := happened()):
        assert time.monotonic() < end_s, f"it did not happen in {LONGEST_WAIT_S} s"
        time.sleep(every_s)
    return it
