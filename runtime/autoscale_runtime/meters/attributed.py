"""Per-query energy from a counter that is too coarse for one query: the measured sum, spread by a power table.

A counter such as RAPL counts the whole machine, and a query is over before it has ticked a few times. So the
counter is read over windows of many queries. Over a window, the power table says what the machine should have
spent (its idle power, and the CPU time of *all* processes, at the table's watts; where the counter sees the
radio, what that took for the queries too); the counter says what it did spend. The ratio of the two calibrates
the table, and each query is given its modelled energy times that ratio. Thus other processes are charged for
their own CPU time, and a query for its CPU time and for the machine's idle power while it lasts, as in the
paper. Nothing else is subtracted.

One window can be wrong: its ratio counts only as far as it agrees with the median of the last ones.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import ClassVar, Final, NamedTuple, Self

from autoscale.errors import InvalidInput
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters.base import CounterMeter, Mark, Meter, Reading
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.sensors.cpu_time import cpu_time

FADE: Final = 0.8
"""What a window's weight is multiplied with for every later one: the last five or so count."""

KEPT: Final = 9
FEWEST: Final = 3
"""Of fewer windows nobody can say which one is wrong."""

AGREES: Final = 2.0
"""A window whose ratio is more than so many times the median of all, or less by that, does not count."""

LOST: Final = 2
"""So many windows in a row without a measurement, and the counter is gone: what it reported no longer counts."""


class _Window(NamedTuple):
    mark: Mark
    busy_s: float


def machine_busy_s() -> float:
    """Core-seconds that all cores of this machine have worked since boot."""
    return cpu_time().busy_s


def calibration_of(windows: Sequence[tuple[float, float]]) -> float | None:
    """Measured over expected joules of the windows that agree, the later ones counting more; None of too few.

    Args:
        windows: (measured, expected) joules above 0, in the order of time.

    >>> calibration_of([(10.0, 5.0)] * 3 + [(9000.0, 5.0)])
    2.0
    """
    if len(windows) < FEWEST:
        return None
    from statistics import median  # here: a session's import need not wait for it

    middle = median(measured_j / expected_j for measured_j, expected_j in windows)
    measured_sum_j = expected_sum_j = 0.0
    for measured_j, expected_j in windows:
        agrees = middle / AGREES <= measured_j / expected_j <= middle * AGREES
        measured_sum_j = FADE * measured_sum_j + agrees * measured_j
        expected_sum_j = FADE * expected_sum_j + agrees * expected_j
    return measured_sum_j / expected_sum_j if expected_sum_j > 0.0 else middle


def spread_of(windows: Sequence[tuple[float, float]], calibration: float) -> float:
    """By what share the windows that agree lie off what they are taken for, root mean square.

    >>> round(spread_of([(9.0, 1.0), (11.0, 1.0), (10.0, 1.0), (90.0, 1.0)], 10.0), 3)
    0.082
    """
    offs = [measured_j / expected_j / calibration for measured_j, expected_j in windows]
    near = [each - 1.0 for each in offs if 1.0 / AGREES <= each <= AGREES]
    return (sum(each * each for each in near) / len(near)) ** 0.5 if near else 0.0


class AttributedMeter(Meter):
    """A counter calibrates a power table; until its third window is over, the reading is the table's.

    Args:
        counter: what measures, on its own clock.
        table: what spreads.
        busy_s: core-seconds that the machine has worked since some moment.

    Attributes:
        calibration: measured over modelled joules; None until three windows were measured.
    """

    name: ClassVar[str] = "attributed"

    def __init__(
        self, counter: CounterMeter, table: ModelledMeter, busy_s: Callable[[], float] = machine_busy_s
    ) -> None:
        self.counter = counter
        self.table = table
        self.sees_radio = counter.sees_radio
        self._busy_s = busy_s
        self._lock = Lock()
        self._windows: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._unmeasured = 0
        self._radio_j = 0.0
        self.calibration: float | None = None
        self._sampling_s: float | None = None
        self._doubt: float | None = None
        self._window = self._open()

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """It is made of two meters.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("an attributed meter is made of two: AttributedMeter(counter, table)")

    def why_unavailable(self) -> str | None:
        """What keeps the counter from working."""
        return self.counter.why_unavailable()

    def begin(self) -> Mark:
        """Open a window of one query."""
        return self.table.begin()

    def end(self, mark: Mark, target: Target | None = None) -> Reading:
        """The query's share of what was measured; modelled as long as nothing was.

        Where the table lacks the target's processor, the share rests on default watts, and so does the reading. What
        it may be off by is what the counter may be, and how far the windows disagree; how well the table tells
        one query from another beside it nobody knows.
        """
        reading = self.table.end(mark, target)
        if self._is_over():
            self._calibrate()
        factor = self.calibration
        if factor is None:
            return reading
        energy_j = reading.energy_j * factor
        if reading.method is Method.DEFAULT:
            return reading._replace(energy_j=energy_j)
        source = f"{self.counter.scope}, spread by {self.table.source}"
        doubt_j = None if self._doubt is None else energy_j * self._doubt
        return Reading(energy_j, self.counter.method, source, reading.window_s, self._sampling_s, doubt_j)

    def radio_beside_j(self, modelled_j: float) -> float:
        """All of it; where the counter sees the radio, that is one of those whom the measured sum is spread over."""
        if not self.sees_radio:
            return modelled_j
        with self._lock:
            self._radio_j += modelled_j
        return modelled_j * (1.0 if self.calibration is None else self.calibration)

    def _open(self) -> _Window:
        return _Window(self.counter.begin(), self._busy_s())

    def _is_over(self) -> bool:
        return self.counter.clock() - self._window.mark.time_s >= self.counter.shortest_s

    def _calibrate(self) -> None:
        with self._lock:
            if not self._is_over():
                return
            window, measured = self._window, self.counter.end(self._window.mark)
            self._window = self._open()
            radio_j, self._radio_j = self._radio_j, 0.0
            self._unmeasured = 0 if measured is not None else self._unmeasured + 1
            if self._unmeasured >= LOST:
                self._windows.clear()
            if measured is not None:
                busy_s = max(self._window.busy_s - window.busy_s, 0.0)
                expected_j = self.table.energy_j(measured.window_s, busy_s) + radio_j
                # A table may say that nothing was to be spent, which calibrates nothing.
                if expected_j > 0.0:
                    self._windows.append((measured.energy_j, expected_j))
                self._sampling_s = measured.sampling_s
            self.calibration = calibration_of(self._windows)
            if self.calibration is not None and measured is not None and measured.uncertainty_j is not None:
                self._doubt = measured.uncertainty_j / measured.energy_j + spread_of(self._windows, self.calibration)
