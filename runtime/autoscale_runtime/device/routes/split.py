"""The route whose first half stays here: the head of a network on this device, its tail on another machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.device.copies import LazyRunner
from autoscale_runtime.device.first_guess import first_guess_s
from autoscale_runtime.device.halves import Halves
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.local import WEIGHT
from autoscale_runtime.device.routes.remote import RemoteRoute
from autoscale_runtime.device.routes.remote_verification import RemoteVerification
from autoscale_runtime.device.sized_mean import Size, SizedMean
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.splitting.split_model import SplitModel
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.wire.cost import RemoteAnswer
from autoscale_runtime.wire.runner import RemoteRunner


@dataclass(frozen=True, slots=True)
class SplitAnswer(RemoteAnswer):
    """An answer of both halves.

    Attributes:
        here_s: how long the head took.
        here_cpu_s: the work of this process's cores meanwhile.
    """

    here_s: float
    here_cpu_s: float


class SplitRunner(RemoteRunner):
    """Both halves as one model on another machine.

    Args:
        head: loaded on this device.
        tail: on the other.
        inputs: of the whole.
        outputs: of the whole.
    """

    def __init__(
        self, head: Runner, tail: RemoteRunner, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> None:
        self._head, self._tail = head, tail
        self._specs = tuple(inputs), tuple(outputs)  # of which it needs no description
        self._halves = Halves(head, tail, inputs, outputs)

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> SplitAnswer:
        """Run the head, send what crosses, and put the answer together; errors as for a remote model."""
        both = self._halves.run(output_names, feeds, timeout_s)
        assert isinstance(both.last, RemoteAnswer)
        return SplitAnswer(both.outputs, both.last.remote, both.last.identity, both.head_s, both.head_cpu_s)

    @property
    def connection(self) -> int:
        """As the tail's."""
        return self._tail.connection

    def probe(self, timeout_s: float) -> tuple[int, int]:
        """As the tail's."""
        return self._tail.probe(timeout_s)

    def close(self) -> None:
        """Let the head go and end the connection."""
        self._head.close()
        self._tail.close()


class SplitRoute(RemoteRoute):
    """A network in two parts. What its head does here is learned apart from what the link and the far machine do.

    Args:
        target: where the tail is, with the cut.
        head: for this device.
        tail: there.
        split: what both are.
        bundle: the whole as it is here.
        account: what computing and sending cost this device.
        hub: where the link's transfers are reported and its estimate comes from.
        verification: decides whose answers these are; the tail's file is what the far machine reports.
    """

    def __init__(
        self,
        target: Target,
        head: LazyRunner,
        tail: RemoteRunner,
        split: SplitModel,
        bundle: Bundle,
        account: DeviceAccount,
        hub: SensorHub,
        verification: RemoteVerification,
    ) -> None:
        runner = SplitRunner(head, tail, bundle.inputs, bundle.outputs)
        rest = replace(bundle, profile=split.tail.profile)
        super().__init__(target, runner, rest, account, hub, verification)
        self._head = head
        self._crossing_bytes = SizedMean(split.tail.profile.input_bytes, 1.0)
        guess_s = first_guess_s(split.head.profile.macs)
        self._here_s, self._here_cpu_s = SizedMean(guess_s, WEIGHT), SizedMean(guess_s, WEIGHT)

    def load(self) -> None:
        """Load the head."""
        self._head.load()

    def sent_bytes(self, query: Query) -> int:
        """What crosses."""
        return round(self._crossing_bytes.at(query.size))

    def expected_here_s(self, size: Size) -> tuple[float, float]:
        """From the last queries of the size."""
        return self._here_s.at(size), self._here_cpu_s.at(size)

    def learn_here(self, answer: RemoteAnswer, size: Size) -> float:
        """As the runner timed it."""
        assert isinstance(answer, SplitAnswer)
        self._crossing_bytes.add(answer.remote.sent_bytes, size)
        self._here_s.add(answer.here_s, size)
        self._here_cpu_s.add(answer.here_cpu_s, size)
        return answer.here_s
