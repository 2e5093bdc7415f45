"""Which process this is: what was opened before a fork is not the child's."""

import os
import threading
from typing import Final

_FORKS: Final = [0]

FORKING: Final = threading.RLock()
"""Held while the process is forked, so that nobody who holds it is cut in two."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=FORKING.acquire, after_in_parent=FORKING.release, after_in_child=FORKING.release)
    os.register_at_fork(after_in_child=lambda: _FORKS.__setitem__(0, _FORKS[0] + 1))


def generation() -> int:
    """How many forks lie between the first process and this one."""
    return _FORKS[0]
