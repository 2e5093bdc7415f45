"""A network in two parts, run one after the other, whoever runs each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds

Tail = TypeVar("Tail", bound=Runner)


@dataclass(frozen=True, slots=True)
class Halved:
    """An answer of both parts.

    Attributes:
        outputs: those asked for, in that order.
        head_s: how long the head took.
        head_cpu_s: the work of this process's cores meanwhile.
        last: what the tail answered.
    """

    outputs: list[Array]
    head_s: float
    head_cpu_s: float
    last: Answer


class Halves(Generic[Tail]):
    """Both parts, put together.

    Args:
        head: takes the network's inputs, and gives what crosses.
        tail: takes what crosses.
        inputs: of the whole.
        outputs: of the whole.
    """

    def __init__(self, head: Runner, tail: Tail, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        self.head, self.tail = head, tail
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._made = [each.name for each in head.outputs]

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Halved:
        """Run the head, hand on what crosses, and put the answer together; errors are those of the parts."""
        check_feeds(self._inputs, feeds)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        made = self.head.run(None, {each.name: feeds[each.name] for each in self.head.inputs}).outputs
        head_s, head_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        known = {**feeds, **dict(zip(self._made, made, strict=True))}
        names = output_names or [each.name for each in self._outputs]
        wanted = [name for name in names if name not in self._made]
        sent = {each.name: known[each.name] for each in self.tail.inputs}
        last = self.tail.run(wanted or None, sent, None if timeout_s is None else max(timeout_s - head_s, 0.0))
        known |= dict(zip(wanted, last.outputs, strict=False))
        return Halved([known[name] for name in names], head_s, head_cpu_s, last)


class SlicesRunner(Runner):
    """Both parts on this device.

    Args:
        halves: loaded, each for its own processor or engine.
        specs: what the whole takes and gives.
        learn: told the seconds of the head, of both, and the core-seconds of the head, of both, after each query.
    """

    def __init__(
        self,
        halves: Halves[Runner],
        specs: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
        learn: Callable[[float, float, float, float], None],
    ) -> None:
        self.inputs, self.outputs = specs
        self._halves, self._learn = halves, learn

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query; errors are those of the parts."""
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        both = self._halves.run(output_names, feeds, timeout_s)
        taken_s, taken_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        self._learn(both.head_s, taken_s, both.head_cpu_s, taken_cpu_s)
        return Answer(both.outputs)

    def is_random(self) -> bool:
        """Whether either part is known to draw at random."""
        return self._halves.head.is_random() or self._halves.tail.is_random()

    def reset(self) -> None:
        """Begin a new stream in both."""
        self._halves.head.reset()
        self._halves.tail.reset()

    def close(self) -> None:
        """Let both go."""
        self._halves.head.close()
        self._halves.tail.close()
