"""The nine environments of the paper (AutoScale, MICRO 2020): who runs beside, how strong the signals are.

The loads and signal levels are ours: the paper names the conditions, not their figures.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import one_of
from autoscale.profiles.link import USUAL_DBM


@dataclass(frozen=True, slots=True)
class CoRunner:
    """Something that runs beside the query: fractions of all cores and of the memory's bandwidth, on average."""

    cpu_load: float = 0.0
    memory_load: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Signal:
    """A link's signal: the name of its mean, how far it strays, and how long it remembers (0: not at all)."""

    level: str = "regular"
    sd_db: float = 2.0
    memory_s: float = 20.0


LEVELS_DBM: Final = {
    "rssi": {"regular": USUAL_DBM["rssi"], "middle": -72.0, "weak": -86.0},
    "rsrp": {"regular": USUAL_DBM["rsrp"], "middle": -98.0, "weak": -112.0},
}
"""Mean signal by what the link's dBm mean: of the whole channel (Wi-Fi) or of one reference signal (cellular)."""


@dataclass(frozen=True)
class Scenario:
    """One environment.

    Attributes:
        name: ``S1`` to ``S5`` stand still, ``D1`` to ``D4`` change.
        title: what it is.
        co_runners: those that take turns; one of weight 1 stays for good.
        dwell_s: how long one stays on average, where they take turns.
        cloud: signal of the link to the cloud.
        edge: signal of the link to the connected edge device.
    """

    name: str
    title: str
    co_runners: tuple[CoRunner, ...] = (CoRunner(),)
    dwell_s: float = 20.0
    cloud: Signal = Signal()
    edge: Signal = Signal()

    @cached_property
    def shares(self) -> Floats:
        """The co-runners' weights, added up and divided by their sum, shape (co-runners,)."""
        weights = np.array([each.weight for each in self.co_runners])
        return np.asarray(np.cumsum(weights) / weights.sum())

    def signal(self, place: str) -> Signal:
        """Of the links to a place, ``edge`` or ``cloud``."""
        return self.cloud if place == "cloud" else self.edge


_CPU_HEAVY: Final = CoRunner(cpu_load=0.9, memory_load=0.15)
_MEMORY_HEAVY: Final = CoRunner(cpu_load=0.2, memory_load=0.9)
_MUSIC: Final = CoRunner(cpu_load=0.08, memory_load=0.06)
_BROWSER: Final = (CoRunner(0.05, 0.15, 0.55), CoRunner(0.35, 0.35, 0.3), CoRunner(0.8, 0.5, 0.15))
_WEAK: Final = Signal("weak")

SCENARIOS: Final = {
    each.name: each
    for each in (
        Scenario("S1", "no variance"),
        Scenario("S2", "CPU-heavy co-runner", (_CPU_HEAVY,)),
        Scenario("S3", "memory-heavy co-runner", (_MEMORY_HEAVY,)),
        Scenario("S4", "weak signal to the cloud", cloud=_WEAK),
        Scenario("S5", "weak signal to the connected edge", edge=_WEAK),
        Scenario("D1", "music player", (_MUSIC,)),
        Scenario("D2", "web browser: reading, scrolling, loading", _BROWSER, dwell_s=4.0),
        Scenario("D3", "random signal to the cloud", cloud=Signal("middle", sd_db=10.0, memory_s=0.0)),
        Scenario("D4", "varying co-runners", (CoRunner(), _MUSIC, CoRunner(0.35, 0.35), _CPU_HEAVY, _MEMORY_HEAVY)),
    )
}


def load_scenario(name: str) -> Scenario:
    """The scenario of that name, in either case.

    Raises:
        UnknownName: no such scenario; the message names the nearest.
    """
    one_of("scenario", name.upper(), SCENARIOS)
    return SCENARIOS[name.upper()]
