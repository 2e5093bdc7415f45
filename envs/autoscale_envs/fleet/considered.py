"""What stood to be chosen in each state of the table: what other policies are judged by on a simulated ledger.

It tells what the table knew, no more: the middle of the state's bins and what the profile forecasts there. Chances hang
on nothing else, so that inverse probabilities are exact; and a state has one text, which a file holds once. What
is near could have been chosen, whatever the policy takes of it.
"""

import numpy as np

from autoscale.fleet.ledger.considered_text import considered_text
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.observation import LinkState, Observation
from autoscale_envs.fleet.policy import BINS, LOADS, STATES, TablePolicy
from autoscale_envs.worlds.parameters import WorldParameters


def considered_texts(parameters: WorldParameters, policy: TablePolicy) -> tuple[str, ...]:
    """The column ``considered`` of each state, of networks * STATES."""
    return tuple(_text(parameters, policy, state) for state in range(len(policy.chosen)))


def _text(parameters: WorldParameters, policy: TablePolicy, state: int) -> str:
    network, within = divmod(state, STATES)
    cpu, memory, weak = np.unravel_index(within, (BINS, BINS, 2))
    link = parameters.remotes[policy.cloud].name
    seen = Observation(float(LOADS[cpu]), float(LOADS[memory]), {link: LinkState(policy.levels_dbm[weak])})
    all_told = policy.forecast
    told = Forecast(
        all_told.latency_s[state], all_told.energy_j[state], all_told.carbon_g[state], all_told.accuracy[state]
    )
    reference = float(parameters.references[network])
    context = Context(
        parameters.networks[network], seen, parameters.goals[network], policy.near, lambda: told, reference
    )
    return considered_text(Considered(parameters.targets, context))
