"""Where a query goes first, whatever an agent thinks: no agent breaks what mode, rules and consent leave open."""

from collections.abc import Sequence
from typing import Final

from autoscale.agents.base import Choice
from autoscale.errors import InvalidTarget
from autoscale.query.context import Context
from autoscale.query.record import Attempt
from autoscale.query.target import Target

NOT_OPEN: Final = "the agent chose it, though it is not open to this query"


def opened(choice: Choice, context: Context, targets: Sequence[Target]) -> tuple[int, list[Attempt]]:
    """The choice where it is admitted; else the best that is, behind an attempt that was refused and cost nothing.

    Args:
        choice: of an agent, which may be anybody's.
        context: what the agent was shown.
        targets: of the world.
    """
    admitted: list[int] = context.admitted.tolist()
    if choice.index in admitted:
        return choice.index, []
    known = context.forecast
    instead = admitted[0] if known is None else known.best(context.goal, admitted)
    return instead, [Attempt(targets[choice.index], 0.0, NOT_OPEN, InvalidTarget.__name__)]
