"""Environments: who runs beside, how strong the signals are, and what changes or fails unannounced.

``S1`` to ``S5`` and ``D1`` to ``D4`` are those of the paper (AutoScale, MICRO 2020); the loads and signal levels are
ours: the paper names the conditions, not their figures. ``S6`` and ``D5`` to ``D8`` are what the paper leaves out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, listing
from autoscale.profiles.link import USUAL_DBM

LEVELS_DBM: Final = {
    "rssi": {"regular": USUAL_DBM["rssi"], "middle": -72.0, "weak": -86.0},
    "rsrp": {"regular": USUAL_DBM["rsrp"], "middle": -98.0, "weak": -112.0},
}
"""Mean signal by what the link's dBm mean: of the whole channel (Wi-Fi) or of one reference signal (cellular)."""


def _check(what: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInput(f"{what} is {value!r}; allowed: a number, {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class CoRunner:
    """Something that runs beside the query: fractions of all cores and of the memory's bandwidth, on average."""

    cpu_load: float = 0.0
    memory_load: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check("cpu_load of a co-runner", self.cpu_load, 0.0, 1.0)
        _check("memory_load of a co-runner", self.memory_load, 0.0, 1.0)
        _check("weight of a co-runner", self.weight, 1e-9, 1e9)


@dataclass(frozen=True, slots=True)
class Signal:
    """A link's signal: the name of its mean, how far it strays, and how long it remembers (0: not at all)."""

    level: str = "regular"
    sd_db: float = 2.0
    memory_s: float = 20.0

    def __post_init__(self) -> None:
        if self.level not in LEVELS_DBM["rssi"]:
            raise InvalidInput(f"level of a signal is {self.level!r}; allowed: {listing(LEVELS_DBM['rssi'])}")
        _check("sd_db of a signal", self.sd_db, 0.0, 40.0)
        _check("memory_s of a signal", self.memory_s, 0.0, 1e6)


@dataclass(frozen=True, slots=True)
class Outages:
    """The links to the cloud fail: for what share of the time, and how long each time, on average."""

    share: float
    mean_s: float = 10.0

    def __post_init__(self) -> None:
        _check("share of outages", self.share, 0.0, 0.95)
        _check("mean_s of outages", self.mean_s, 1e-3, 1e6)


@dataclass(frozen=True)
class Scenario:
    """One environment.

    Attributes:
        name: as ``S1``.
        title: what it is.
        co_runners: those that take turns; one of weight 1 stays for good.
        dwell_s: how long one stays on average, where they take turns.
        cloud: signal of the link to the cloud.
        edge: signal of the link to the connected edge device.
        change: by up to which factor every processor's computing takes longer (above 1) or shorter (below 1) from some
            moment on, which nothing announces; see ``unrest.py``.
        change_queries: between which queries that moment lies.
        drift: mean amplitude of a slow drift of each processor, in logarithms.
        drift_period_s: how long it takes to go and come back.
        outages: of the links to the cloud; None for none.
        air_c: temperature of the air.
        start_c: of the device, when an episode begins; None for that of the air.
        heat_w: what else heats the device (sun, screen, charger), and no query pays.

    Raises:
        InvalidInput: a figure out of its range.
    """

    name: str
    title: str
    co_runners: tuple[CoRunner, ...] = (CoRunner(),)
    dwell_s: float = 20.0
    cloud: Signal = Signal()
    edge: Signal = Signal()
    change: float = 1.0
    change_queries: tuple[int, int] = (100, 160)
    drift: float = 0.0
    drift_period_s: float = 120.0
    outages: Outages | None = None
    air_c: float = 25.0
    start_c: float | None = None
    heat_w: float = 0.0

    def __post_init__(self) -> None:
        if not self.co_runners or not all(isinstance(each, CoRunner) for each in self.co_runners):
            raise InvalidInput(f"co_runners are {self.co_runners!r}; allowed: one CoRunner or more; CoRunner() is none")
        _check("dwell_s", self.dwell_s, 1e-3, 1e9)
        _check("change", self.change, 0.01, 100.0)
        _check("drift", self.drift, 0.0, 3.0)
        _check("drift_period_s", self.drift_period_s, 1e-3, 1e9)
        _check("air_c", self.air_c, -40.0, 60.0)
        _check("start_c", self.beginning_c, -40.0, 100.0)
        _check("heat_w", self.heat_w, 0.0, 100.0)
        if len(self.change_queries) != 2 or not 0 <= self.change_queries[0] <= self.change_queries[1]:
            raise InvalidInput(f"change_queries are {self.change_queries!r}; allowed: two whole numbers, rising")

    @property
    def beginning_c(self) -> float:
        """The device's temperature when an episode begins."""
        return self.air_c if self.start_c is None else self.start_c

    @property
    def is_restless(self) -> bool:
        """Whether processors change in the midst of an episode."""
        return self.change != 1.0 or self.drift > 0.0

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

PAPERS: Final = {
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
HARDER: Final = {
    each.name: each
    for each in (
        Scenario("S6", "in the sun: hot from the start, and throttling", air_c=35.0, start_c=45.0, heat_w=5.0),
        Scenario("D5", "an unannounced change for the worse", change=3.0),
        Scenario("D6", "an unannounced change for the better", change=1.0 / 3.0),
        Scenario("D7", "slow drift of every processor", drift=0.3),
        Scenario("D8", "outages of the link to the cloud", outages=Outages(share=0.2)),
    )
}
SCENARIOS: Final = PAPERS | HARDER
