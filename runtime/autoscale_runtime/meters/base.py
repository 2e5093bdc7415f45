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
        looks: how often a gauge was looked at until then.
        doubt_j: by how much the counter may be off, of what it counted between looks.
    """

    time_s: float
    counter: float
    gaps: int = 0
    looks: int = 0
    doubt_j: float = 0.0


class Reading(NamedTuple):
    """What was spent in a window.

    Attributes:
        energy_j: joules.
        method: how they are known.
        source: the meter, and the power table where one has a part in it.
        window_s: how long the window was.
        sampling_s: how far apart the samples lie on which it rests, on average; None where that is not known.
        uncertainty_j: by how much it may be off either way, by its sampling and by what its maker says of the gain,
            where that is known; None where neither is.
    """

    energy_j: float
    method: Method
    source: str
    window_s: float
    sampling_s: float | None = None
    uncertainty_j: float | None = None


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
        method: how it knows that.
        refresh_s: how often the counter is renewed; None where nobody says so.
        gain_error: by what share of itself the counter may be off, as its maker or others found; 0 where nobody says.
    """

    shortest_s: ClassVar[float]
    scope: str
    method: Method = Method.MEASURED
    refresh_s: float | None = None
    gain_error: float = 0.0
    _gaps: int = 0
    _looks: int = 0
    _doubt_j: float = 0.0

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

    def looked(self, doubt_j: float) -> None:
        """Note that a gauge was looked at, and by how much what was counted since the look before may be off."""
        self._looks += 1
        self._doubt_j += doubt_j

    def begin(self) -> Mark:
        """Open a window."""
        time_s, counter = self.clock(), self._counter()
        return Mark(time_s, counter, self._gaps, self._looks, self._doubt_j)

    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """All that the counter counted since the mark, whoever spent it; the target plays no part.

        A window within which the counter could not be read has no reading, nor has one in which it stood still:
        what is switched on spends something.
        """
        if self.clock() - mark.time_s < self.shortest_s:
            return None
        now = CounterMeter.begin(self)
        energy_j, window_s = now.counter - mark.counter, now.time_s - mark.time_s
        if self._gaps != mark.gaps or not 0.0 < energy_j < math.inf:
            return None
        sampling_s = self.sampling_s(mark, now)
        doubt_j = None if sampling_s is None else self.doubt_j(mark, now, sampling_s) + self.gain_error * energy_j
        return Reading(energy_j, self.method, self.scope, window_s, sampling_s, doubt_j)

    def sampling_s(self, begun: Mark, now: Mark) -> float | None:
        """How far apart the samples of a window lie: a gauge's looks; of a counter, how often it is renewed."""
        looks = now.looks - begun.looks
        return (now.time_s - begun.time_s) / looks if looks else self.refresh_s

    def doubt_j(self, begun: Mark, now: Mark, sampling_s: float) -> float:
        """By how much a window's reading may be off by sampling.

        Both ends of a counter's window lie up to one renewal off, in which it counts on at the window's mean power.
        """
        if now.looks > begun.looks:
            return now.doubt_j - begun.doubt_j
        return (now.counter - begun.counter) * min(sampling_s / (now.time_s - begun.time_s), 1.0)

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
        "rapl-perf": "autoscale_runtime.meters.rapl_perf:RaplPerfMeter",
        "ina3221": "autoscale_runtime.meters.ina3221:Ina3221Meter",
        "battery": "autoscale_runtime.meters.battery:BatteryMeter",
        "nvml": "autoscale_runtime.meters.nvml:NvmlMeter",
        "modelled": "autoscale_runtime.meters.modelled:ModelledMeter",
        "none": "autoscale_runtime.meters.null:NullMeter",
    },
    group="autoscale.meters",
)

PREFERRED: Final = ("rapl", "rapl-perf", "ina3221", "battery", "modelled")
"""What a session uses where nothing else is asked for, the most wanted first; see ``meters.choice``."""
