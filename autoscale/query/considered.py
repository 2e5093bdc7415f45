"""What stood to be chosen when a query was decided: what another policy is judged by, on the same query."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.target import Target


@dataclass(frozen=True, slots=True)
class Considered:
    """What an agent chose from, and what it thought of it.

    Attributes:
        targets: all of the world's, in its order.
        context: what the agent saw: which of them were admitted, what was expected of each, the state of the world.
        belief: what it believed of each when it chose; None where it believes nothing, or where that was not kept.
        belief_after: the same, once it had learned from the query; a ledger keeps of it what it says of the choice,
            and NaN elsewhere.
        left_out: targets that could not be chosen, each with the reason where it is known.
        coverage: share of the model's nodes that ran on the processor of the target that answered; None for unknown.
    """

    targets: tuple[Target, ...]
    context: Context
    belief: Belief | None = field(default=None, repr=False)
    belief_after: Belief | None = field(default=None, repr=False)
    left_out: Mapping[Target, str] = field(default_factory=dict)
    coverage: float | None = None
