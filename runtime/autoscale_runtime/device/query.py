"""What a caller asks of a device."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from autoscale.errors import DeadlineExceeded, InvalidInput, TargetError, check_type
from autoscale.query.goal import Goal
from autoscale_runtime.backends.cancellation import CURRENT, Cancellation
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.device.sized_mean import FIXED, Size


@dataclass(eq=False, slots=True)
class Binding:
    """To which target a stream is bound; the index of it, or None before its first answer."""

    index: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller asks.

    Attributes:
        output_names: None for all, in the model's order.
        feeds: its inputs.
        size: how large these are.
        goal: of this query; None for the session's.
        may_leave: whether its data may leave this device.
        ends_s: when nobody needs an answer any more, by ``time.perf_counter``.
        stream: which it belongs to, where its caller says so.
        cancellation: by which its caller may give it up; None where that cannot happen.
    """

    output_names: Sequence[str] | None
    feeds: Feeds
    size: Size = FIXED
    goal: Goal | None = None
    may_leave: bool = True
    ends_s: float = math.inf
    stream: Binding | None = field(default=None, compare=False)
    cancellation: Cancellation | None = field(default=None, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the feeds."""
        return sum(array.nbytes for array in self.feeds.values())

    @property
    def left_s(self) -> float:
        """How long its caller still waits for it."""
        return math.inf if self.ends_s == math.inf else max(self.ends_s - time.perf_counter(), 0.0)

    @property
    def is_awaited(self) -> bool:
        """Whether its caller still waits for it."""
        return self.left_s > 0.0 and (self.cancellation is None or not self.cancellation.is_called_off)

    def kept(self) -> "Query":
        """The query as it is now, whatever its caller does with the arrays."""
        return replace(self, feeds={name: array.copy() for name, array in self.feeds.items()})


@contextmanager
def awaited(query: Query, timeout_s: float | None) -> Iterator[Query]:
    """The query while its caller waits for it, so long and no longer.

    Raises:
        InvalidInput: a timeout that is not above 0.
        DeadlineExceeded: it took longer, and gave no answer.
    """
    if timeout_s is not None:
        check_type("timeout_s", timeout_s, (int, float), "seconds above 0, or None")
        if not timeout_s > 0.0:
            raise InvalidInput(f"timeout_s is {timeout_s}; allowed: seconds above 0, or None")
        ends_s = time.perf_counter() + timeout_s
        query = replace(query, ends_s=ends_s, cancellation=query.cancellation or Cancellation())
    if query.cancellation is None:
        yield query
        return
    is_limited = timeout_s is not None and math.isfinite(timeout_s)
    watch = threading.Timer(timeout_s or 0.0, query.cancellation.call_off) if is_limited else None
    token = CURRENT.set(query.cancellation)
    try:
        if watch is not None:
            watch.daemon = True
            watch.start()
        yield query
    except TargetError as error:
        if query.left_s > 0.0:
            raise
        raise DeadlineExceeded(f"no answer within timeout_s = {timeout_s}: {error}") from error
    finally:
        CURRENT.reset(token)
        if watch is not None:
            watch.cancel()
