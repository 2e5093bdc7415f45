"""What a choice was worth: ``autoscale.agents.reward`` over many environments, or one."""

from typing import NamedTuple

from autoscale.agents.reward import reward_of
from autoscale.arrays import Numbers, looked_up
from autoscale_envs.worlds.carbon import added_g, objective
from autoscale_envs.worlds.dynamics import Costs
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import SimulatedQuery


class Score(NamedTuple):
    """What the answer was worth; numbers or arrays.

    Attributes:
        reward: as the agent learns it.
        is_late: whether it came too late.
        is_inaccurate: whether it was less accurate than asked.
        objective: what the goal minimises.
        carbon_g: grams the query added, of all machines.
    """

    reward: Numbers
    is_late: Numbers
    is_inaccurate: Numbers
    objective: Numbers
    carbon_g: Numbers


def score(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Score:
    """The reward of what was cost, in units of the network's cost on the reference target."""
    floor = parameters.options.min_accuracy
    is_late = cost.latency_s > looked_up(parameters.limits_s, query.network)
    is_inaccurate = cost.coefficients.accuracy < (-1.0 if floor is None else floor)
    carbon_g = added_g(parameters, query, cost)
    value = carbon_g if parameters.options.objective == "carbon" else objective(parameters, query, cost)
    reward = reward_of(value, looked_up(parameters.references, query.network), is_late, is_inaccurate)
    return Score(reward, is_late, is_inaccurate, value, carbon_g)
