"""A query that was decided, as another policy is judged by it."""

from dataclasses import dataclass

from autoscale.agents.reward import reward
from autoscale.errors import InvalidInput
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """One query of a log.

    Attributes:
        targets: what there was to choose from, in the order of the context's figures.
        context: what was seen.
        chosen: index of the target that was chosen.
        probability: with which it was chosen, above 0.
        outcome: what came of it, failed attempts and fallback included.
        considered: targets and context again, with what was believed where that was kept; None where nobody told.
        answered: which target answered; None where that was not kept.

    Raises:
        InvalidInput: a probability that is none, or a choice that was not admitted.
    """

    targets: tuple[Target, ...]
    context: Context
    chosen: int
    probability: float
    outcome: Outcome
    considered: Considered | None = None
    answered: Target | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.probability <= 1.0:
            raise InvalidInput(f"probability is {self.probability}; allowed: above 0, up to 1")
        if self.chosen not in self.context.admitted:
            raise InvalidInput(
                f"chosen is {self.chosen}; allowed: one of the admitted {self.context.admitted.tolist()}"
            )

    @property
    def reward(self) -> float:
        """The outcome as agents learn it."""
        return reward(self.outcome, self.context.goal, self.context.reference)

    @property
    def is_missed(self) -> bool:
        """Whether the answer was late, or is known to be less accurate than the goal's floor."""
        return self.outcome.is_late(self.context.goal) or self.outcome.misses_accuracy(self.context.goal)
