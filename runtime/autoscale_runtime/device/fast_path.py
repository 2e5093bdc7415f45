"""Runs a model and notes the clocks; what that cost is worked out when somebody asks."""

from collections.abc import Sequence

from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.meters.base import Mark


class FastPath:
    """A target that always gets the query, in a session that has nothing left to learn or record.

    The account is the route's, and so is the sum: the meter's window is noted instead of read.

    Args:
        target: of this device.
        runner: the model, loaded for it.
        accuracy: of this variant.
        account: what its work costs; its energy is modelled.
    """

    def __init__(self, target: Target, runner: Runner, accuracy: float | None, account: DeviceAccount) -> None:
        self.target = target
        self._run = runner.run
        self._mark = account.begin
        self._accuracy = accuracy
        self._account = account
        self._window: tuple[Mark, Mark] | None = None

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer the query.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: no answer.
        """
        begun = self._mark()
        outputs = self._run(output_names, feeds).outputs
        self._window = begun, self._mark()
        return outputs

    def outcome(self) -> Outcome | None:
        """What the last query cost; None where there was none."""
        if self._window is None:
            return None
        begun, ended = self._window
        reading = self._account.table.between(begun, ended, self.target)
        return self._account.outcome(reading, reading.window_s, self._accuracy)
