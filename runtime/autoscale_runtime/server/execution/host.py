"""Who loads models and runs them: threads of this process, or processes of their own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autoscale.errors import AutoScaleError
from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.server.execution.source import ModelSource


@dataclass(frozen=True, slots=True)
class Asked:
    """A model to load.

    Attributes:
        name: of the model.
        sources: its versions.
        instances: batches that run at the same time.
        most_rows: of a batch.
        group: models of one group may share a process.
    """

    name: str
    sources: Sequence[ModelSource]
    instances: int
    most_rows: int = 1
    group: str = ""


@dataclass(slots=True)
class Loaded:
    """What came of it.

    Attributes:
        versions: that were loaded.
        refused: version to why it was not.
        executor: what runs them; None where none was.
    """

    versions: Mapping[int, ServedModel] = field(default_factory=dict)
    refused: Mapping[int, AutoScaleError] = field(default_factory=dict)
    executor: Executor | None = None


OnUnassigned = Callable[[float], None]
"""Told of core-seconds that belong to no query."""


class Host(ABC):
    """Loads models. For the event loop."""

    @abstractmethod
    async def load(self, models: Sequence[Asked]) -> dict[str, Loaded]:
        """Load models that share a group; whatever cannot be is told of, not raised."""
