"""The route that stays on the device: a loaded model on some threads of the CPU."""

import time
from collections.abc import Sequence
from typing import Final

from autoscale.errors import TargetError
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method, Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.base import Expected, Failed, Query, Route
from autoscale_runtime.meters.base import Reading

WEIGHT: Final = 0.1
"""Share of a new observation in the running mean of CPU time: the last ten or so count."""

DEFAULT_MACS_PER_S: Final = 5e9
"""Speed assumed until the first query has run: what one laptop core does in fp32, to the order of magnitude."""


class CpuRoute(Route):
    """A model in this process.

    Args:
        target: a target of this device.
        runner: the model, loaded for it.
        accuracy: of this variant.
        macs: of the network, for a first guess at its time.
        account: what its work costs.
        contention: shared by the session's local routes.
    """

    def __init__(
        self,
        target: Target,
        runner: Runner,
        accuracy: float | None,
        macs: int,
        account: DeviceAccount,
        contention: Contention,
    ) -> None:
        self.target = target
        self.accuracy = accuracy
        self._runner = runner
        self._account = account
        self._contention = contention
        self._threads = target.threads or 1
        # The pool's threads do not show in the calling thread's clock.
        self._cpu_clock = time.thread_time if self._threads == 1 else time.process_time
        self._cpu_s = max(macs, 1) / DEFAULT_MACS_PER_S
        self._has_run = False

    def expected(self, query: Query, observation: Observation) -> Expected:
        """From the CPU time of the last queries and the contention that the co-runner load implies."""
        latency_s = self._cpu_s / self._threads * self._contention.ratio(observation.cpu_load)
        energy_j = self._account.table.energy_j(latency_s, self._cpu_s, self.target)
        return Expected(latency_s, energy_j, self._account.added_g(energy_j, latency_s))

    def run(self, query: Query, observation: Observation, timeout_s: float) -> tuple[list[Array], Outcome]:
        """Run it here; a started kernel is not interrupted, whatever the timeout."""
        mark, started_s, started_cpu_s = self._account.begin(), time.perf_counter(), self._cpu_clock()
        try:
            answer = self._runner.run(query.output_names, query.feeds)
        except TargetError as error:
            raise Failed(self._account.end(mark, self.target, time.perf_counter() - started_s), error) from error
        latency_s, cpu_s = time.perf_counter() - started_s, self._cpu_clock() - started_cpu_s
        self._learn(latency_s, cpu_s, observation.cpu_load)
        return answer.outputs, self._account.end(mark, self.target, latency_s, self.accuracy)

    def settle(self) -> "FastPath | None":
        """The route without its learning, for a session that has nothing left to decide.

        None where the energy is told by a meter that must be asked after each query.
        """
        if not self._account.is_modelled:
            return None
        return FastPath(self.target, self._runner, self.accuracy, self._account)

    def close(self) -> None:
        """Let the model go."""
        self._runner.close()

    def _learn(self, latency_s: float, cpu_s: float, cpu_load: float | None) -> None:
        if cpu_s <= 0.0:
            return
        self._cpu_s += (WEIGHT if self._has_run else 1.0) * (cpu_s - self._cpu_s)
        self._has_run = True
        self._contention.observe(cpu_load, latency_s * self._threads / cpu_s)


class FastPath:
    """Runs a model and notes the clocks; what that cost is worked out when somebody asks."""

    def __init__(self, target: Target, runner: Runner, accuracy: float | None, account: DeviceAccount) -> None:
        self.target = target
        self._run = runner.run
        self._accuracy = accuracy
        self._account = account
        self._noted: tuple[float, float, float, float] | None = None

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer the query.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: no answer.
        """
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        outputs = self._run(output_names, feeds).outputs
        self._noted = started_s, started_cpu_s, time.perf_counter(), time.process_time()
        return outputs

    def outcome(self) -> Outcome | None:
        """What the last query cost; None where there was none."""
        if self._noted is None:
            return None
        started_s, started_cpu_s, ended_s, ended_cpu_s = self._noted
        latency_s = ended_s - started_s
        table = self._account.table
        energy_j = table.energy_j(latency_s, ended_cpu_s - started_cpu_s, self.target)
        reading = Reading(energy_j, Method.MODELLED, table.source, latency_s)
        return self._account.outcome(reading, latency_s, self._accuracy)
