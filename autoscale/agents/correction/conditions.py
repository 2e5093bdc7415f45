"""What of an observation bends a processor's cost: load, memory and heat on the device; signal and trip on a link."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.query.observation import UNKNOWN_LINK, Observation

EFFECTS: Final = 5
"""Of each processor: a shift, the position of the setting, and three conditions."""
SHIFT, POSITION, CONDITIONS = 0, 1, 2

SPREAD: Final = (0.01, 0.1, 0.3, 0.2, 0.1)
"""Standard deviation of each effect before anything was seen, in ln(actual / forecast) for each unit of its feature."""

USUAL_RSSI_DBM: Final = -65.0
USUAL_ROUND_TRIP_S: Final = 0.02
USUAL_C: Final = 35.0

Key = tuple[str, str, str, str]


class Conditions:
    """Features of each processor under an observation; what is not sensed is as usual, 0.

    Args:
        processors: as ``Cells`` has them.
    """

    def __init__(self, processors: Sequence[Key]) -> None:
        self._links = links_of(processors)
        self._remotes = sorted({link for link in self._links if link is not None})

    def __call__(self, seen: Observation) -> Floats:
        """Shape (processors, EFFECTS); the position is left at 0."""
        rows: dict[str | None, list[float]] = {None: [1.0, 0.0, *_device(seen)]}
        for link in self._remotes:
            rows[link] = [1.0, 0.0, *_remote(seen, link)]
        return np.array([rows[link] for link in self._links])


def links_of(processors: Sequence[Key]) -> list[str | None]:
    """The link to each processor; None on the device."""
    return [None if place == "device" else f"{place}:{host}" if host else place for place, host, *_ in processors]


def _device(seen: Observation) -> tuple[float, float, float]:
    heat = 0.0 if seen.temperature_c is None else min(max((seen.temperature_c - USUAL_C) / 10.0, 0.0), 4.0)
    return seen.cpu_load or 0.0, seen.memory_load or 0.0, heat


def _remote(seen: Observation, link: str) -> tuple[float, float, float]:
    state = seen.links.get(link, UNKNOWN_LINK)
    rssi_dbm, trip_s = state.rssi_dbm, state.round_trip_s
    weak = 0.0 if rssi_dbm is None else min(max((USUAL_RSSI_DBM - rssi_dbm) / 20.0, -2.0), 2.0)
    far = 0.0 if not trip_s else min(max(math.log10(trip_s / USUAL_ROUND_TRIP_S), -2.0), 2.0)
    return weak, far, seen.cpu_load or 0.0
