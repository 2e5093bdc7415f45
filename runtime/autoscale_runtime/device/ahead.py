"""The next decision of a session, worked out while nobody waits for it.

It is for a query like the last, and used once, where all that it goes by is still the same; so the choices are those
that would be made without it. At most one is made for each query that was answered, and ever fewer while those before
went unused: where queries follow each other at once, there is no time for any.
"""

from collections.abc import Callable, Hashable, Mapping
from threading import Lock
from time import perf_counter
from typing import Final, NamedTuple

from autoscale.arrays import Indices
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.device.device_context import DeviceContext
from autoscale_runtime.device.routes.base import Moment
from autoscale_runtime.device.rules import Saving
from autoscale_runtime.device.sized_mean import Size

MOST_SKIPPED: Final = 3
"""So many answered queries in a row get no decision made ahead, at most, where several that were made went unused."""


class Basis(NamedTuple):
    """What the context of a query is made of.

    Attributes:
        size: of the query.
        nbytes: of its feeds; 0 where nothing can be sent.
        model: what is known of the network.
        goal: of the query.
        moment: what the sensors and grids say, and how long the radio rested.
        barred: links over which it must not leave.
        saving: what has to be saved.
        reference: the unit of the reward.
        standing: what each route's forecasts go by beside these.
        admitted: indices of the targets that may be chosen; of two equal ones there is one array.
    """

    size: Size
    nbytes: int
    model: ModelProfile
    goal: Goal
    moment: Moment
    barred: Mapping[str, str]
    saving: Saving | None
    reference: float
    standing: tuple[Hashable, ...]
    admitted: Indices

    def is_as(self, other: "Basis") -> bool:
        """Whether the two give the same context."""
        return self.admitted is other.admitted and self[:-1] == other[:-1]


class Ahead:
    """A context that is ready for the next query, if any. Thread-safe.

    Args:
        look: what sensors and grids say for a query so many seconds from now.
        clock: seconds, by which the radio rests.

    Attributes:
        making: held while one is made; a query that comes meanwhile waits, since it would make the same.
        pause_s: how long after the last one was made the next query came.
    """

    def __init__(self, look: Callable[[float], Moment], clock: Callable[[], float] = perf_counter) -> None:
        self.making = Lock()
        self.pause_s = self._rest_s = 0.0
        self._look, self._clock = look, clock
        self._ready: tuple[Basis, DeviceContext] | None = None
        self._made_s = 0.0, 0.0
        self._unused = self._skipped = 0

    def is_worthwhile(self) -> bool:
        """Whether to make one, for a query that was just answered: the one before may have gone unused."""
        if self._skipped < min(2 ** max(self._unused - 1, 0) - 1, MOST_SKIPPED):
            self._skipped += 1
            return False
        self._skipped = 0
        return True

    def look(self) -> Moment:
        """As the next query will find it, which comes as long after as the last one did."""
        return self._look(self._rest_s)

    def put(self, basis: Basis, context: DeviceContext) -> None:
        """Have it ready."""
        self._made_s = perf_counter(), self._clock()
        self._ready = basis, context

    def take(self, basis: Basis) -> DeviceContext | None:
        """The context that was made ahead; None where there is none, or what it goes by has changed."""
        if self._ready is None and not self.making.locked():
            return None
        with self.making:
            ready, self._ready = self._ready, None
        if ready is None:
            return None
        self.pause_s, self._rest_s = perf_counter() - self._made_s[0], self._clock() - self._made_s[1]
        if not ready[0].is_as(basis):
            self._unused += 1
            return None
        self._unused = 0
        return ready[1]

    def clear(self) -> None:
        """Forget it."""
        with self.making:
            self._ready = None
