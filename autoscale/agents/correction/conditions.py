"""What of an observation bends a processor's cost: load, memory and heat on the device; signal and trip on a link."""

import math
from collections.abc import Sequence
from struct import pack
from typing import Final

import numpy as np

from autoscale.agents.cells import Cells
from autoscale.agents.correction.hierarchy import QUANTITIES
from autoscale.arrays import Floats, Indices
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
    """Features under an observation, and what they explain; what is not sensed is as usual, 0.

    Args:
        cells: of the targets.

    Attributes:
        row: of each processor, the row of its features: those on the device share one, those over a link another.
    """

    def __init__(self, cells: Cells) -> None:
        links = links_of(cells.processors)
        self._remotes = sorted({link for link in links if link is not None})
        self.row = [0 if link is None else 1 + self._remotes.index(link) for link in links]
        rows = len(self._remotes) + 2  # the last is of the position alone
        at = rows * (QUANTITIES * cells.processor + np.arange(QUANTITIES)[:, None])
        conditions_at, positions_at = at + np.array(self.row)[cells.processor], at + rows - 1
        positions = np.tile(cells.position, (QUANTITIES, 1))
        both = np.stack([positions_at, conditions_at])
        self._places: list[tuple[Indices, Floats]] = [
            (np.ascontiguousarray(both[:, :quantities]), positions[:quantities]) for quantities in range(QUANTITIES + 1)
        ]
        self._figures = f"{EFFECTS * rows}d"

    def __call__(self, seen: Observation) -> Floats:
        """Shape (rows, EFFECTS); the position is left at 0, but for the last row."""
        figures = [1.0, 0.0, *_device(seen)]
        for link in self._remotes:
            figures += (1.0, 0.0, *_remote(seen, link))
        figures += (0.0, 1.0, 0.0, 0.0, 0.0)
        features: Floats = np.ndarray((len(self._remotes) + 2, EFFECTS), buffer=pack(self._figures, *figures))
        return features

    def of(self, processor: int, seen: Observation) -> tuple[float, float, float]:
        """What of an observation bends one processor's cost."""
        row = self.row[processor]
        return _remote(seen, self._remotes[row - 1]) if row else _device(seen)

    def explained(self, effects: Floats, features: Floats, quantities: int) -> Floats:
        """What conditions and position do to every target, shape (quantities, targets).

        Args:
            effects: of each processor's quantities, shape (processors * QUANTITIES, EFFECTS).
            features: as a call gives them.
            quantities: the first so many.
        """
        places, positions = self._places[quantities]
        both = effects.dot(features.T).take(places)
        explained: Floats = both[0]
        explained *= positions
        explained += both[1]
        return explained


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
