"""What every meter offers: what was spent between a beginning and an end, and how that is known."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple, Self

from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale.registry import Registry

_LOG: Final = logging.getLogger("autoscale.meters")


class Mark(NamedTuple):
    """Where a window began.

    Attributes:
        time_s: on the meter's clock.
        counter: what its counter read.
        gaps: how often the counter could not be read until then.
    """

    time_s: float
    counter: float
    gaps: int = 0


class Reading(NamedTuple):
    """What was spent in a window.

    Attributes:
        energy_j: joules.
        method: how they are known.
        source: the meter, and the power table where one has a part in it.
        window_s: how long the window was.
    """

    energy_j: float
    method: Method
    source: str
    window_s: float


class Meter(ABC):
    """Something that tells energy. Windows may overlap; each knows its own beginning. Thread-safe.

    Attributes:
        name: as registered.
        sees_radio: whether the radio's joules are within what it tells, as they are in the whole device's.
    """

    name: ClassVar[str]
    sees_radio: bool = False

    @classmethod
    @abstractmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The meter as a session makes it.

        Args:
            power_table: name or file of the device profile that describes this host, if any does.

        Raises:
            InvalidInput: the meter needs a power table and has none, or a wrong one.
        """

    @abstractmethod
    def why_unavailable(self) -> str | None:
        """What keeps it from working on this host, for people to read; None where it works."""

    @abstractmethod
    def begin(self) -> Mark:
        """Open a window."""

    @abstractmethod
    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """What was spent since the mark; None where that cannot be known, which is not zero.

        Args:
            mark: what ``begin`` gave.
            target: where the query ran, for the meters that model or attribute by it.
        """

    def radio_beside_j(self, modelled_j: float) -> float:
        """What a query's reading lacks of the joules that its radio spent, by the model; asked before the window ends.

        Args:
            modelled_j: of the radio, 0 or more.
        """
        return 0.0 if self.sees_radio else modelled_j

    def is_available(self) -> bool:
        """Whether it works on this host."""
        return self.why_unavailable() is None


class CounterMeter(Meter):
    """A meter over a counter of joules that only grows, at a resolution that short windows fall below.

    A subclass writes ``read_j``; it may let any Exception out, for which this class gives no reading. Where the
    counter can be read but did not count all the while, it calls ``gap``: no window around that moment has a reading.
    The first of them is logged.

    Attributes:
        shortest_s: no reading for a window shorter than this.
        scope: what the counter counts, as a reading's source says it.
    """

    shortest_s: ClassVar[float]
    scope: str
    _gaps: int = 0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock

    @abstractmethod
    def read_j(self) -> float:
        """The counter now, in joules since some moment.

        Raises:
            OSError: it cannot be read.
            ValueError: it is garbage, or tells nothing at present.
        """

    def gap(self, problem: object) -> None:
        """Note that the counter missed something between the last time it was read and now."""
        self._gaps += 1
        if self._gaps == 1:
            _LOG.warning("the meter '%s' cannot be read, so it tells nothing: %s", self.name, problem)

    def why_unavailable(self) -> str | None:
        """What went wrong in reading the counter once."""
        try:
            self.read_j()
        except Exception as error:  # a meter may be anybody's
            return str(error) or repr(error)
        return None

    def begin(self) -> Mark:
        """Open a window."""
        return Mark(self.clock(), self._counter(), self._gaps)

    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """All that the counter counted since the mark, whoever spent it; the target plays no part.

        A window within which the counter could not be read has no reading, nor has one in which it stood still:
        what is switched on spends something.
        """
        window_s = self.clock() - mark.time_s
        if window_s < self.shortest_s:
            return None
        energy_j = self._counter() - mark.counter
        if self._gaps != mark.gaps or not 0.0 < energy_j < math.inf:
            return None
        return Reading(energy_j, Method.MEASURED, self.scope, window_s)

    def _counter(self) -> float:
        try:
            return self.read_j()
        except Exception as error:  # likewise
            self.gap(error)
            return math.nan


METERS: Final = Registry(
    "meter",
    {
        "rapl": "autoscale_runtime.meters.rapl:RaplMeter",
        "battery": "autoscale_runtime.meters.battery:BatteryMeter",
        "nvml": "autoscale_runtime.meters.nvml:NvmlMeter",
        "modelled": "autoscale_runtime.meters.modelled:ModelledMeter",
        "none": "autoscale_runtime.meters.null:NullMeter",
    },
    group="autoscale.meters",
)
