"""Runs a model and notes the clocks; what that cost is worked out when somebody asks."""

import threading
from collections.abc import Sequence

from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.device.query_cost import DeviceAccount


class FastPath:
    """A target that always gets the query, in a session that has nothing left to learn or record.

    The account is the route's: the meter's clocks are noted now, and read when somebody asks.

    Args:
        target: of this device.
        runner: the model, loaded for it.
        accuracy: of this variant.
        account: what its work costs; its energy is modelled.
    """

    def __init__(self, target: Target, runner: Runner, accuracy: float | None, account: DeviceAccount) -> None:
        self.target = target
        self._run = runner.run
        self._wall, self._cpu = account.table.wall_clock, account.table.cpu_clock
        self._accuracy = accuracy
        self._account = account
        self._noted = threading.local()
        self._anybodys: tuple[float, float, float, float] | None = None

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer the query.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: no answer.
        """
        started_s, started_cpu_s = self._wall(), self._cpu()
        outputs = self._run(output_names, feeds).outputs
        self._noted.clocks = self._anybodys = started_s, started_cpu_s, self._wall(), self._cpu()
        return outputs

    def outcome(self) -> Outcome | None:
        """What the last query of this thread cost, else of any; None where there was none."""
        noted = getattr(self._noted, "clocks", self._anybodys)
        if noted is None:
            return None
        started_s, started_cpu_s, ended_s, ended_cpu_s = noted
        reading = self._account.table.clocked(ended_s - started_s, ended_cpu_s - started_cpu_s, self.target)
        return self._account.outcome(reading, reading.window_s, self._accuracy)
