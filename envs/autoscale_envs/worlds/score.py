"""What a choice is worth: ``autoscale.agents.reward`` over many environments, or one."""

from typing import NamedTuple

from autoscale.agents.reward import MISS_PENALTY
from autoscale_envs.variance.processes import Numbers
from autoscale_envs.worlds.blocks import SimulatedQuery
from autoscale_envs.worlds.dynamics import Costs, objective
from autoscale_envs.worlds.parameters import WorldParameters


class Score(NamedTuple):
    """The reward, and whether the answer came too late or was less accurate than asked; numbers or arrays."""

    reward: Numbers
    is_late: Numbers
    is_inaccurate: Numbers


def score(tables: WorldParameters, query: SimulatedQuery, spent: Costs) -> Score:
    """The reward of what was spent, in units of the network's cost on the reference target."""
    floor = tables.options.min_accuracy
    is_late = spent.latency_s > tables.limits_s.take(query.network)
    is_inaccurate = spent.pair.accuracy < (-1.0 if floor is None else floor)
    value = -objective(tables, query, spent) / tables.references.take(query.network)
    return Score(value - MISS_PENALTY * (is_late | is_inaccurate), is_late, is_inaccurate)
