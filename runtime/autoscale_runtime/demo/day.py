"""The demonstration's day: what the link and the other programs do while the queries come."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale_runtime.link.conditions import LinkConditions


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the day.

    Attributes:
        name: for people.
        link: its middle conditions.
        co_runners: busy processes on each of the device's cores.
        spread_db: standard deviation of the signal around its middle; the rate follows it.
    """

    name: str
    link: LinkConditions
    co_runners: int = 0
    spread_db: float = 2.0


FAST: Final = LinkConditions(rate_bps=160e6, round_trip_s=0.005, jitter_s=0.001, rssi_dbm=-48.0)
GOOD: Final = LinkConditions(rate_bps=60e6, round_trip_s=0.008, jitter_s=0.001, rssi_dbm=-63.0)
WEAK: Final = LinkConditions(rate_bps=2e6, round_trip_s=0.080, jitter_s=0.020, loss=0.01, rssi_dbm=-86.0)
OUTAGE: Final = LinkConditions(rate_bps=0.0, rssi_dbm=-97.0)


MOST_CO_RUNNERS: Final = 16

LEAST_LIMIT_S: Final = 0.050
"""The paper's limit of non-streaming vision."""

SLACK: Final = 2.0
"""How often ``device-cpu-fp32`` could answer within a limit when nothing else runs."""


def limit_s(reference_s: float) -> float:
    """A network's limit on this machine, on which ``device-cpu-fp32`` takes ``reference_s`` when nothing else runs."""
    return max(SLACK * reference_s, LEAST_LIMIT_S)


def day(co_runners: int) -> tuple[Phase, ...]:
    """The phases in their order, the last with so many busy processes on each of the device's cores."""
    return (
        Phase("fast link", FAST),
        Phase("weak link", WEAK),
        Phase("good link", GOOD),
        Phase("outage", OUTAGE),
        Phase("good link", GOOD),
        Phase("busy CPU", FAST, co_runners),
    )


def heavy_co_runners(latency_s: float, limit_s: float) -> int:
    """How many busy processes on a core make a query of ``latency_s`` late by a third, sharing the core fairly.

    On a fast machine it takes more of them than on a slow one; at least 3, at most ``MOST_CO_RUNNERS``.
    """
    return min(max(math.ceil(1.33 * limit_s / latency_s) - 1, 3), MOST_CO_RUNNERS)


def conditions(phase: Phase, rng: np.random.Generator) -> LinkConditions:
    """The link for one query of a phase: its middle conditions with a little fading."""
    fade_db = float(np.clip(rng.normal(0.0, phase.spread_db), -5.0, 5.0))
    link = phase.link
    return LinkConditions(
        rate_bps=link.rate_bps * 10.0 ** (fade_db / 20.0),
        round_trip_s=link.round_trip_s,
        jitter_s=link.jitter_s,
        loss=link.loss,
        uplink_bps=None if link.uplink_bps is None else link.uplink_bps * 10.0 ** (fade_db / 20.0),
        rssi_dbm=None if link.rssi_dbm is None else link.rssi_dbm + fade_db,
    )
