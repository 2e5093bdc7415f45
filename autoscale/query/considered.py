"""What stood to be chosen when a query was decided: what another policy is judged by, on the same query."""

from dataclasses import dataclass

from autoscale.query.context import Context
from autoscale.query.target import Target


@dataclass(frozen=True, slots=True)
class Considered:
    """What an agent chose from.

    Attributes:
        targets: all of the world's, in its order.
        context: what the agent saw: which of them were admitted, what was expected of each, the state of the world.
    """

    targets: tuple[Target, ...]
    context: Context
