"""Runs a model's queries on threads of this process: no hand-over, but what crashes takes the server along."""

import asyncio
import queue
import threading
import time
from collections.abc import Mapping, Sequence

import grpc

from autoscale_runtime.backends.cancellation import CURRENT, Cancellation
from autoscale_runtime.server.execution.answering import Answered, Rules, answered
from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.execution.served_model import LoadedModel


class ThreadExecutor(Executor):
    """One thread an instance; all share the loaded model. Made on the event loop.

    Args:
        versions: of the model.
        instances: batches at the same time, 1 or more.
        rules: what answers are held to.
    """

    def __init__(self, versions: Mapping[int, LoadedModel], instances: int, rules: Rules) -> None:
        self.instances = instances
        self._versions, self._rules = versions, rules
        self._loop = asyncio.get_running_loop()
        self._batches: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._under_way: dict[Job, Cancellation] = {}
        for number in range(instances):
            threading.Thread(target=self._work, name=f"instance-{number}", daemon=True).start()

    def run(self, jobs: Sequence[Job]) -> None:
        """Queue a batch for the next free thread."""
        self._batches.put(jobs)

    def stop(self, job: Job) -> None:
        """Call its batch off, once nobody waits for any of it; what cannot be ended runs on, for nobody."""
        cancellation = self._under_way.get(job)
        batch = [each for each, other in [*self._under_way.items()] if other is cancellation]
        if cancellation is not None and all(each.is_done for each in batch):
            cancellation.call_off()

    async def close(self) -> None:
        """End the threads after what they run, and let the model go."""
        for _ in range(self.instances):
            self._batches.put(None)
        for model in self._versions.values():
            model.runner.close()

    def _work(self) -> None:
        while (jobs := self._batches.get()) is not None:
            ran = self._ran(jobs)
            try:
                self._loop.call_soon_threadsafe(self.on_done, jobs, ran)
            except RuntimeError:  # the loop was closed: nobody waits
                return

    def _ran(self, jobs: Sequence[Job]) -> list[Ran]:
        left = [job for job in jobs if job.is_done]
        wanted = [job for job in jobs if not job.is_done]
        cancellation = Cancellation()
        CURRENT.set(cancellation)
        self._under_way |= dict.fromkeys(wanted, cancellation)
        begun_s, cpu_s = time.monotonic(), time.thread_time()
        try:
            answers = answered(self._versions[jobs[0].version], [job.call.message for job in wanted], self._rules)
        except Exception as error:  # whatever it is, the others must be served
            answers = [Answered(grpc.StatusCode.INTERNAL, [f"the server failed: {error!r}".encode()]) for _ in wanted]
        finally:
            for job in wanted:
                self._under_way.pop(job, None)
        ended_s, core_s = time.monotonic(), time.thread_time() - cpu_s
        held_s = ended_s - begun_s
        core_s, count = self._core_s(jobs[0].version, held_s, core_s), len(wanted)
        given = dict(
            zip(wanted, (_ran(each, held_s / count, core_s / count, ended_s) for each in answers), strict=True)
        )
        nothing = Ran(grpc.StatusCode.CANCELLED, b"its caller left")
        return [given.get(job, nothing) for job in jobs] if left else [*given.values()]

    def _core_s(self, version: int, held_s: float, thread_s: float) -> float:
        """CPU time of the model's other threads cannot be told from the process's: they count as busy as this one."""
        return min(thread_s * (self._versions[version].served.target.threads or 1), held_s * self._most(version))

    def _most(self, version: int) -> int:
        return max(self._versions[version].served.target.threads or 1, 1)


def _ran(each: Answered, held_s: float, core_s: float, ended_s: float) -> Ran:
    return Ran(each.code, b"".join(each.parts), each.compute_s, core_s, held_s, each.rows, ended_s)
