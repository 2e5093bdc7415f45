"""Models in worker processes."""

import sys
from collections.abc import Sequence
from typing import Final

from autoscale_runtime.server.execution.host import Asked, Host, Loaded, OnUnassigned
from autoscale_runtime.server.workers.worker_process import WorkerProcess

IS_POSSIBLE: Final = sys.platform == "linux"
"""Whether this system has memory without a name that two processes share."""


class WorkerHost(Host):
    """A process for each group of models.

    Args:
        max_bytes: of an answer; 0 for no limit.
        on_unassigned: told of the core-seconds that no answer tells.
    """

    def __init__(self, max_bytes: int, on_unassigned: OnUnassigned) -> None:
        self._max_bytes, self._on_unassigned = max_bytes, on_unassigned

    async def load(self, models: Sequence[Asked]) -> dict[str, Loaded]:
        """Start their process, and wait until each version is loaded or refused."""
        return await WorkerProcess(models, self._max_bytes, self._on_unassigned).load()
