"""Carbon intensities over time, looked up at any moment; shared by files and live sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.interval import Interval
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

SPREAD: Final = {Method.MEASURED: 0.05, Method.MODELLED: 0.2}
"""How far off an hour's figure may be, as a fraction. Settled hours: twice the 2 to 3 % by which two revisions of
Electricity Maps' hours of 2022 differ on average (umassos/decarbonization-potential, commit 3493a630). Estimates and
forecasts: the upper end of the day-ahead errors of CarbonCast (Maji et al., BuildSys 2022, as recalled)."""

_LAST_S: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class IntensitySample:
    """A figure that holds from a time on.

    Attributes:
        time_s: since 1970 UTC.
        g_per_kwh: gCO2e/kWh.
        method: ``measured`` where it is settled, ``modelled`` where it is estimated or forecast.
    """

    time_s: float
    g_per_kwh: float
    method: Method = Method.MEASURED

    @property
    def range_g_per_kwh(self) -> Interval:
        """The figure within what its method leaves open, gCO2e/kWh."""
        return Interval.about(self.g_per_kwh, SPREAD[self.method])


class Series:
    """Samples in the order of time, each holding for one step.

    Args:
        samples: at least one, times that increase.
        step_s: how long each holds; :func:`step_of` their times where None is given.
        holds_s: how long each of them holds, where that is not the same for all.

    Raises:
        InvalidInput: no samples, times that do not increase, a figure that is negative, NaN or infinite, a step that
            is not above 0.
    """

    def __init__(
        self, samples: Sequence[IntensitySample], step_s: float | None = None, holds_s: Sequence[float] | None = None
    ) -> None:
        self.samples = tuple(samples)
        self._time_s: NDArray[np.float64] = np.array([each.time_s for each in samples])
        steps = np.diff(self._time_s)
        figures = np.array([each.g_per_kwh for each in samples])
        if not self.samples or not (steps > 0.0).all() or not ((figures >= 0.0) & np.isfinite(figures)).all():
            raise InvalidInput("samples of carbon intensity: allowed: one or more, times that increase, 0 or more")
        self.step_s = step_s or step_of(self._time_s)
        if not 0.0 < self.step_s < float("inf"):
            raise InvalidInput(f"step_s is {self.step_s}; allowed: above 0, finite")
        self._hold_s = [self.step_s] * len(self.samples) if holds_s is None else list(holds_s)

    @property
    def span_s(self) -> tuple[float, float]:
        """When the first sample begins to hold and the last one ends."""
        return self.samples[0].time_s, self.samples[-1].time_s + self._hold_s[-1]

    def covering(self, time_s: float) -> IntensitySample | None:
        """The sample whose step holds the time."""
        index = self._before(time_s)
        if index < 0 or time_s >= self.samples[index].time_s + self._hold_s[index]:
            return None
        return self.samples[index]

    def interpolated(self, time_s: float, longest_gap_s: float) -> IntensitySample | None:
        """On the line between the neighbours of a gap, where no more than ``longest_gap_s`` is missing."""
        index = self._before(time_s)
        if not 0 <= index < len(self.samples) - 1:
            return None
        left, right = self.samples[index : index + 2]
        if right.time_s - left.time_s - self._hold_s[index] > longest_gap_s:
            return None
        part = (time_s - left.time_s) / (right.time_s - left.time_s)
        return IntensitySample(time_s, left.g_per_kwh + part * (right.g_per_kwh - left.g_per_kwh), Method.MODELLED)

    def held(self, time_s: float, longest_s: float) -> IntensitySample | None:
        """The last sample, as an estimate, for no more than ``longest_s`` after its step ended."""
        last = self.samples[-1]
        age_s = time_s - last.time_s - self._hold_s[-1]
        return IntensitySample(last.time_s, last.g_per_kwh, Method.MODELLED) if 0.0 <= age_s <= longest_s else None

    def within(self, from_s: float, until_s: float) -> list[IntensitySample]:
        """The samples whose step touches a span of time."""
        held = zip(self.samples, self._hold_s, strict=True)
        return [each for each, hold_s in held if each.time_s + hold_s > from_s and each.time_s < until_s]

    def _before(self, time_s: float) -> int:
        return int(np.searchsorted(self._time_s, time_s, side="right")) - 1


def time_from_iso(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; UTC where it names no zone.

    >>> time_from_iso("1970-01-01T02:00+01:00")
    3600.0

    Raises:
        ValueError: not one, or before 1970, or so late that no calendar prints it.
    """
    moment = datetime.fromisoformat(text)
    time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0.0 <= time_s < _LAST_S:
        raise ValueError(f"{text} is not within 1970 to 8999")
    return time_s


def step_of(times_s: Sequence[float] | NDArray[np.float64]) -> float:
    """The most frequent distance between times, the shortest of those that tie; one hour for a lone time.

    >>> step_of([0.0, 900.0, 1800.0, 5400.0])
    900.0
    """
    lengths, counts = np.unique(np.diff(times_s), return_counts=True)
    return float(lengths[counts.argmax()]) if lengths.size else SECONDS_PER_HOUR


def holds_of(times_s: Sequence[float]) -> list[float]:
    """How long a row holds at each of some times, in files whose step may change on the way.

    It holds until the next row, unless rows are missing there: as long as those before it, then. A distance is a gap
    where it is longer than those on both sides of it, by half of their mean at least (a month beside a shorter one and
    the day on which clocks go back are none), and comes no more than twice in a row (once at an end).

    >>> holds_of([0.0, 60.0, 120.0, 180.0, 195.0, 210.0, 225.0, 255.0, 270.0])
    [60.0, 60.0, 60.0, 15.0, 15.0, 15.0, 15.0, 15.0, 15.0]
    """
    runs = [(step_s, len([*run])) for step_s, run in groupby(np.diff(times_s).tolist())]
    holds_s: list[float] = []
    for index, (step_s, count) in enumerate(runs):
        beside_s = [runs[each][0] for each in (index - 1, index + 1) if 0 <= each < len(runs)]
        is_long = bool(beside_s) and step_s > max(beside_s) and step_s * len(beside_s) >= 1.5 * sum(beside_s)
        if is_long and count <= len(beside_s):
            step_s = holds_s[-1] if holds_s else beside_s[0]
        holds_s += [step_s] * count
    return [*holds_s, holds_s[-1] if holds_s else SECONDS_PER_HOUR]
