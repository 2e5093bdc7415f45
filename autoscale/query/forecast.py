"""What a world expects of each of its targets, before one is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.query.goal import Goal


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected figures, one entry a target, all of shape (targets,).

    Attributes:
        latency_s: from the call to the answer.
        energy_j: of the device.
        carbon_g: operational and embodied, of every machine.
        accuracy: as a fraction; NaN where nobody measured it.
        open_s: what opening each target would add to the latency, 0 where it is open; None where nothing has to be
            opened.
        open_j: what opening it would cost the device, likewise.
    """

    latency_s: Floats
    energy_j: Floats
    carbon_g: Floats
    accuracy: Floats
    open_s: Floats | None = None
    open_j: Floats | None = None

    def objective(self, goal: Goal) -> Floats:
        """The quantity the goal minimises, shape (targets,)."""
        if goal.objective == "energy":
            return self.energy_j
        return self.carbon_g if goal.objective == "carbon" else self.latency_s

    def best(self, goal: Goal, admitted: Sequence[int] | Indices) -> int:
        """The admitted target with the best objective among those that meet the goal.

        Where none is in time, the best objective of those accurate enough, as the reward has it (late is late); where
        none is accurate enough, the most accurate.
        """
        index = np.asarray(admitted, dtype=np.intp)
        floor = -np.inf if goal.min_accuracy is None else goal.min_accuracy
        accurate = index[~(self.accuracy[index] < floor)]
        if accurate.size == 0:
            return int(index[np.argmax(self.accuracy[index])])
        in_time = accurate[self.latency_s[accurate] <= goal.latency_s]
        candidates = in_time if in_time.size else accurate
        return int(candidates[np.argmin(self.objective(goal)[candidates])])
