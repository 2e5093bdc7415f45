"""Streams of queries that carry a state from one to the next: each stays on the target that it began on.

Two precisions, or two machines, round a state differently; mixed, the errors of both add up. A state that callers feed
back is known again by its values, so that any number of streams may cross in one session. Where the file itself keeps
the state, a session has one stream at a time, and a target begins each from the file's own first values.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np

from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query
from autoscale_runtime.models.state import State

REMEMBERED: Final = 4096
"""The last states that were given out; a stream that is older begins anew."""

LOOKED_AT: Final = 4096
"""Values of a state that are compared, spread evenly."""


class Streams:
    """Which stream is on which target. Thread-safe.

    Args:
        state: outputs to the inputs that callers feed them back to.
        outputs: the names of the network's outputs, in its order.
        keeps_state: whether the model's file remembers one query in the next.
    """

    def __init__(self, state: State, outputs: Sequence[str], keeps_state: bool = False) -> None:
        self.keeps_state = keeps_state
        self._pairs = sorted(state.items(), key=lambda each: each[1])
        self._outputs = outputs
        self._targets: OrderedDict[int, int] = OrderedDict()
        self._current: int | None = None
        self._guard = Lock()

    @property
    def may_carry_on(self) -> bool:
        """Whether a query may carry a stream on that its caller does not name."""
        return self.keeps_state or bool(self._pairs)

    @property
    def is_bound(self) -> bool:
        """Whether a stream is under way whose state no other target has."""
        return self._current is not None

    def target_of(self, query: Query) -> int | None:
        """The index of the target that gave the state which a query brings; None where it begins a stream."""
        if query.stream is not None:
            return query.stream.index
        if self.keeps_state:
            return self._current
        if not self._pairs:
            return None
        key = _key([query.feeds.get(into) for _, into in self._pairs])
        with self._guard:
            return None if key is None else self._targets.get(key)

    def answered(self, query: Query, answer: Sequence[Array], index: int) -> None:
        """Be told of an answer, which the stream's next query may bring back."""
        if query.stream is not None:
            query.stream.index = index
        if self.keeps_state:
            self._current = index
        if not self._pairs:
            return
        given = dict(zip(query.output_names or self._outputs, answer, strict=True))
        key = _key([given.get(out) for out, _ in self._pairs])
        if key is None:
            return
        with self._guard:
            self._targets[key] = index
            self._targets.move_to_end(key)
            if len(self._targets) > REMEMBERED:
                self._targets.popitem(last=False)

    def end(self) -> None:
        """Let the next query begin a stream."""
        self._current = None


def _key(arrays: Sequence[Array | None]) -> int | None:
    """What states with the same values have in common; None where one is missing."""
    if any(each is None for each in arrays):
        return None
    return hash(tuple(_values(each) for each in arrays if each is not None))


def _values(array: Array) -> tuple[tuple[int, ...], bytes]:
    flat = np.asarray(array).reshape(-1)
    return array.shape, flat[:: max(1, flat.size // LOOKED_AT)].tobytes()
