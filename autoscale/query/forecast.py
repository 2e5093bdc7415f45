"""What a world expects of each of its targets, before one is chosen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats, Indices
from autoscale.query.goal import Goal


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected figures, one entry a target, all of shape (targets,).

    What a world shows with a ``Context``: ``Context(..., forecast=lambda: Forecast(...))``. NaN stands for what it does
    not know of a target.

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
        may = np.zeros(self.latency_s.shape, dtype=np.bool_)
        may[admitted] = True
        best = best_targets(self.latency_s, self.objective(goal), self.accuracy, may, goal.latency_s, goal.min_accuracy)
        return int(best)

    def without_vain_cuts(self, goal: Goal, admitted: Indices, cut: Collection[int]) -> Indices:
        """A network is left in one piece unless in two it is expected to be better than on every whole target.

        Args:
            goal: of the query.
            admitted: indices of the targets that can be chosen.
            cut: indices of those in two parts.
        """
        whole = [index for index in admitted.tolist() if index not in cut]
        if not whole or len(whole) == len(admitted):
            return admitted
        best = self.best(goal, whole)
        vain = {index for index in admitted.tolist() if index in cut and self.best(goal, [best, index]) == best}
        return np.array([index for index in admitted.tolist() if index not in vain], dtype=np.intp)


def best_targets(
    latency_s: Floats,
    objective: Floats,
    accuracy: Floats,
    admitted: NDArray[np.bool_],
    limit_s: Floats | float,
    floor: float | None,
) -> Indices:
    """The rule of ``Forecast.best``, for one query or many; all figures of shape (..., targets).

    Args:
        latency_s: expected.
        objective: expected.
        accuracy: fractions, NaN where unknown.
        admitted: what may be chosen, at least one of each row.
        limit_s: the latest useful answer; a number, or of shape (..., 1).
        floor: the lowest acceptable accuracy, or None.

    Returns:
        Indices of targets, of shape (...).
    """
    accurate = admitted if floor is None else admitted & ~(accuracy < floor)
    in_time = accurate & (latency_s <= limit_s)
    best: Indices = np.where(in_time, objective, np.inf).argmin(axis=-1)
    # Of one query a look at the best tells whether there is any, in a fraction of the time.
    is_met = in_time[best] if in_time.ndim == 1 else in_time.any(axis=-1)
    if is_met.all():
        return best
    late = np.where(accurate, objective, np.inf).argmin(axis=-1)
    truest = np.where(admitted, accuracy, -np.inf).argmax(axis=-1)
    return np.where(is_met, best, np.where(accurate.any(axis=-1), late, truest))
