"""The objective as one number, larger is better.

The paper's formula hardly punishes a late answer (within the limit it adds ``alpha * latency``; beyond it nothing is
taken away but that bonus), so an agent that follows it gives deadlines up for a few millijoules. ``reward`` departs
from it: every miss costs as much as ``MISS_PENALTY`` queries on the reference target.
"""

from typing import Final

from autoscale.arrays import Numbers
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome

MISS_PENALTY: Final = 10.0
"""How many reference queries' worth of energy (carbon, time) a late or inaccurate answer is charged."""


def reward(outcome: Outcome, goal: Goal, reference: float = 1.0) -> float:
    """Minus the objective in units of the reference target's, minus a penalty for a miss.

    Args:
        outcome: what the query cost.
        goal: what was asked.
        reference: the objective's value on the reference target (``device:cpu/fp32`` at its highest setting), so
            that networks of all sizes give rewards of one size.
    """
    return float(
        reward_of(outcome.objective_value(goal), reference, outcome.is_late(goal), outcome.misses_accuracy(goal))
    )


def reward_of(objective: Numbers, reference: Numbers, is_late: Numbers, is_inaccurate: Numbers) -> Numbers:
    """The rule, on numbers or arrays of them; arguments as for ``reward``, with the objective's value."""
    return expected_reward(objective, reference, is_late | is_inaccurate)


def expected_reward(objective: Numbers, reference: Numbers, missed: Numbers) -> Numbers:
    """The same where only the chance of missing the goal is known."""
    return -objective / reference - MISS_PENALTY * missed
