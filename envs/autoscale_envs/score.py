"""What a choice is worth: ``autoscale.reward`` over many environments, or one."""

from typing import NamedTuple

from autoscale.reward import MISS_PENALTY
from autoscale_envs.blocks import Query
from autoscale_envs.dynamics import Costs, objective
from autoscale_envs.processes import Numbers
from autoscale_envs.tables import Tables


class Score(NamedTuple):
    """The reward, and whether the answer came too late or was less accurate than asked; numbers or arrays."""

    reward: Numbers
    is_late: Numbers
    is_inaccurate: Numbers


def score(tables: Tables, query: Query, spent: Costs) -> Score:
    """The reward of what was spent, in units of the network's cost on the reference target."""
    floor = tables.options.min_accuracy
    is_late = spent.latency_s > tables.limits_s.take(query.network)
    is_inaccurate = spent.pair.accuracy < (-1.0 if floor is None else floor)
    value = -objective(tables, query, spent) / tables.references.take(query.network)
    return Score(value - MISS_PENALTY * (is_late | is_inaccurate), is_late, is_inaccurate)
