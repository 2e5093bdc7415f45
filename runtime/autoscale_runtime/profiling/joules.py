"""What a setting's runs draw, where a meter of this device counts joules."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.interval import Interval
from autoscale_runtime.meters.base import METERS, CounterMeter

PREFERRED: Final = ("rapl", "battery")
"""Counters that see the processor or the whole device, the most wanted first."""

WINDOWS: Final = 3
WINDOW_S: Final = 0.2
"""How long a window is, where the counter does not ask for a longer one."""

REST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Joules of one run, and what the counter counted.

    Attributes:
        energy_j: of one run, the least and the most of the windows beside their middle.
        scope: what the counter counts.
    """

    energy_j: Interval
    scope: str


class Joules:
    """A counter, with what it counts while nothing runs.

    Args:
        counter: of joules.
        idle_w: what the whole device draws, awake and idle, by its profile; a counter that sees less of it than that
            is given the rest.

    Attributes:
        rest_w: what the counter counted while nothing ran; NaN before ``rest``.
    """

    def __init__(self, counter: CounterMeter, idle_w: float) -> None:
        self.counter, self._idle_w = counter, idle_w
        self.rest_w = float("nan")

    @property
    def window_s(self) -> float:
        """How long its windows are."""
        return max(WINDOW_S, 2.0 * self.counter.shortest_s)

    @property
    def sees_device(self) -> bool:
        """Whether it counts all that the device draws, and not its processor alone."""
        return self.counter.sees_radio

    def rest(self) -> None:
        """Count while nothing runs."""
        mark = self.counter.begin()
        time.sleep(max(REST_S, self.window_s))
        reading = self.counter.end(mark)
        if reading is not None:
            self.rest_w = reading.energy_j / reading.window_s

    def spent(self, run: Callable[[], object]) -> Spent | None:
        """Joules of the whole device for one run; None where the counter told nothing, or too little.

        Of a counter that sees the processor alone: what it counted beyond its rest, and the device's idle power.
        """
        found = [each for each in (self._window(run) for _ in range(WINDOWS)) if each is not None]
        if len(found) < WINDOWS or np.isnan(self.rest_w):
            return None
        beside_w = 0.0 if self.sees_device else self._idle_w - self.rest_w
        joules = sorted(max(energy_j + beside_w * took_s, 0.0) for energy_j, took_s in found)
        return (
            Spent(Interval(joules[0], joules[len(joules) // 2], joules[-1]), self.counter.scope) if joules[0] else None
        )

    def _window(self, run: Callable[[], object]) -> tuple[float, float] | None:
        """Joules and seconds of one run, the mean over a window of them."""
        clock, count = self.counter.clock, 0
        mark, began_s = self.counter.begin(), clock()
        while clock() - began_s < self.window_s:
            run()
            count += 1
        took_s, reading = clock() - began_s, self.counter.end(mark)
        return None if reading is None else (reading.energy_j / count, took_s / count)


def counter_here(names: tuple[str, ...] = PREFERRED) -> tuple[CounterMeter | None, str]:
    """The first of these meters that counts joules here, and why there is none before it, for people to read."""
    reasons = []
    for name in names:
        kind = METERS.get(name)
        meter = kind.on_this_host(None)
        if not isinstance(meter, CounterMeter):
            reasons.append(f"{name}: counts nothing")
            continue
        why = meter.why_unavailable()
        if why is None:
            return meter, "; ".join(reasons)
        reasons.append(f"{name}: {why}")
    return None, "; ".join(reasons)
