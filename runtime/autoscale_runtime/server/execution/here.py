"""Models in this process: for a server within a program of Python's, where isolation is not wanted."""

import asyncio
from collections.abc import Sequence

from autoscale.errors import AutoScaleError, ModelError
from autoscale_runtime.server.execution.answering import Rules
from autoscale_runtime.server.execution.host import Asked, Host, Loaded
from autoscale_runtime.server.execution.served_model import LoadedModel
from autoscale_runtime.server.execution.threads import ThreadExecutor


class ThreadHost(Host):
    """Loads models into this process.

    Args:
        max_bytes: of an answer; 0 for no limit.
    """

    def __init__(self, max_bytes: int = 0) -> None:
        self._max_bytes = max_bytes

    async def load(self, models: Sequence[Asked]) -> dict[str, Loaded]:
        """Load them one after the other, on another thread than the loop's."""
        return {each.name: await self._load(each) for each in models}

    async def _load(self, asked: Asked) -> Loaded:
        versions: dict[int, LoadedModel] = {}
        refused: dict[int, AutoScaleError] = {}
        for source in asked.sources:
            try:
                versions[source.version] = await asyncio.to_thread(source.load, asked.most_rows)
            except AutoScaleError as error:
                refused[source.version] = error
            except Exception as error:  # an engine may raise anything
                refused[source.version] = ModelError(f"'{source.path}' cannot be loaded: {error!r}")
        executor = self.executor(versions, asked) if versions else None
        return Loaded({version: each.served for version, each in versions.items()}, refused, executor)

    def executor(self, versions: dict[int, LoadedModel], asked: Asked) -> ThreadExecutor:
        """What runs loaded versions."""
        return ThreadExecutor(versions, asked.instances, Rules(asked.most_rows, self._max_bytes))
