"""What the ``cost-model`` of earlier releases had learned, as the corrector's arrays.

It kept, per network, objective and limit, and per condition and target, a weight and the means of ln(actual / forecast)
of the objective and the latency: that is what starts the tree. What it knew of how often a target was late is left
behind, as lateness follows from the latency here.
"""

from typing import Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.agents.correction.hierarchy import CARBON, ENERGY, LATENCY, OWN, QUANTITIES
from autoscale.arrays import Floats
from autoscale.errors import PolicyError

_ROW: Final = {"energy": ENERGY, "latency": LATENCY, "carbon": CARBON}
_SCATTER: Final = 0.1**2
"""Variance of one observation: it mixed conditions within wide bins."""
_FIELDS: Final = 4


def is_cost_model(state: Arrays) -> bool:
    """Whether arrays are of a ``cost-model``."""
    return "beliefs" in state


def upgraded(state: Arrays, targets: int) -> Arrays:
    """The arrays ``tree``, ``networks``, ``queries`` and ``scales``; see ``stored``.

    Raises:
        PolicyError: they are of another shape.
    """
    keys, beliefs = state.get("networks", np.array([], dtype=np.str_)).tolist(), state["beliefs"]
    if beliefs.ndim != 4 or beliefs.shape[:2] != (len(keys) + 1, _FIELDS) or beliefs.shape[-1] != targets:
        raise PolicyError(
            f"policy array 'beliefs' is {beliefs.shape}; 'cost-model' had ({len(keys) + 1}, {_FIELDS}, conditions, "
            f"{targets})"
        )
    sums: dict[str, Floats] = {}
    for key, (weight, cost, latency, _) in zip(keys, beliefs[1:], strict=True):
        name, objective, _ = key.rsplit("|", 2)
        mine = sums.setdefault(name, np.zeros((2, QUANTITIES, targets)))
        for row, mean in {LATENCY: latency, _ROW.get(objective, ENERGY): cost}.items():
            mine[0, row] += weight.sum(0) / _SCATTER
            mine[1, row] += (weight * mean).sum(0) / _SCATTER
    left = [1.0 / (1.0 + OWN[0] * weight) for weight, _ in sums.values()]
    tree = [np.stack([here, here * OWN[0] * each[1]]) for here, each in zip(left, sums.values(), strict=True)]
    nothing = np.stack([np.ones((QUANTITIES, targets)), np.zeros((QUANTITIES, targets))])
    return {
        "tree": np.stack([nothing, *tree]),
        "networks": np.array([*sums], dtype=np.str_),
        "queries": np.array([float(each[0, LATENCY].sum() * _SCATTER) for each in sums.values()]),
        "scales": np.ones(len(sums)),
    }
