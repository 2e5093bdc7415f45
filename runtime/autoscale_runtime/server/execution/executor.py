"""What runs the jobs of one model: threads of this process, or a process of their own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from autoscale_runtime.server.execution.job import Job, Ran

OnDone = Callable[[Sequence[Job], Sequence[Ran]], None]


class Executor(ABC):
    """Takes batches of jobs and tells, on the event loop, what came of them. Used on the event loop alone.

    Attributes:
        instances: batches that it runs at the same time.
        on_done: told of each batch once, whatever happened to it.
        on_bloated: told when what runs them holds on to much memory that it does not need.
        owner: the process; executors of one owner end together.
    """

    instances: int
    on_done: OnDone
    on_bloated: Callable[[], None] = staticmethod(lambda: None)
    owner: object = None

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs of one version as one batch where they fit together."""

    @abstractmethod
    def stop(self, job: Job) -> None:
        """End a job that runs as soon as can be; ``on_done`` is told of its batch as of any other."""

    @abstractmethod
    async def close(self) -> None:
        """Let the model go; what runs is ended."""
