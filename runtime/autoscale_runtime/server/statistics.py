"""What became of a model's queries, in the figures that ModelStatistics and the metrics tell."""

import time
from dataclasses import dataclass, field

from autoscale_runtime.server.execution.job import Job, Ran


@dataclass(slots=True)
class Duration:
    """How many, and how long in all."""

    count: int = 0
    total_s: float = 0.0

    def add(self, took_s: float) -> None:
        """One more."""
        self.count += 1
        self.total_s += took_s


@dataclass(slots=True)
class Statistics:
    """Since the model was first served.

    Attributes:
        success: queries that were answered, from admission to answer.
        fail: those that were not.
        queue: those that began, from admission to hand-over.
        last_s: when the last one ended, in seconds since 1970.
        energy_j: told to callers.
        batches: rows of a run to how many there were, and how long in all.
        by_code: answers by status.
    """

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    last_s: float = 0.0
    energy_j: float = 0.0
    batches: dict[int, Duration] = field(default_factory=dict)
    by_code: dict[str, int] = field(default_factory=dict)

    @property
    def compute(self) -> Duration:
        """Of runs that gave answers, each once however many queries it had."""
        runs = self.batches.values()
        return Duration(sum(each.count for each in runs), sum(each.total_s for each in runs))

    def refused(self, code: str) -> None:
        """A query was not begun."""
        self.fail.add(0.0)
        self.by_code[code] = self.by_code.get(code, 0) + 1

    def ended(self, job: Job, ran: Ran, is_answered: bool, now_s: float) -> None:
        """A query that was handed over has ended."""
        self.last_s = time.time()
        code = "OK" if is_answered else "CANCELLED" if job.is_done else ran.code.name
        self.by_code[code] = self.by_code.get(code, 0) + 1
        queue, whole = self.queue, self.success if is_answered else self.fail
        queue.count += 1
        queue.total_s += job.begun_s - job.arrived_s
        whole.count += 1
        whole.total_s += now_s - job.arrived_s
        if is_answered:
            batches = self.batches.get(ran.rows)
            if batches is None:
                batches = self.batches[ran.rows] = Duration()
            batches.count += 1
            batches.total_s += ran.compute_s / ran.rows
