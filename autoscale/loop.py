"""The one loop: sense, select, run, reward, learn. It serves training, evaluation and production alike."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from autoscale.agents.base import Agent, Choice, checked_choice
from autoscale.agents.reward import reward
from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.record import Attempt, Decision
from autoscale.query.target import Target


@dataclass(frozen=True, slots=True)
class Performance:
    """What a world made of a choice.

    Attributes:
        outcome: what the query cost in all; the chosen target answers for its failures, so this is what it learns.
        attempts: the targets tried, in order; the last one answered.
        answer: what the caller of a real world gets.
        lessons: further targets that were tried, each with what it cost by itself.
        left_out: targets that could not be chosen, each with the reason.
        coverage: share of the model's nodes that ran on the processor of the target that answered; None for unknown.
    """

    outcome: Outcome
    attempts: tuple[Attempt, ...]
    answer: Any = None
    lessons: tuple[tuple[int, Outcome], ...] = ()
    left_out: Mapping[Target, str] = field(default_factory=dict)
    coverage: float | None = None


class World(Protocol):
    """What shows contexts and turns choices into outcomes: a device, or a simulator of one."""

    targets: tuple[Target, ...]

    def observe(self, query: Any) -> Context:
        """What an agent may know when ``query`` arrives."""

    def perform(self, query: Any, context: Context, choice: Choice) -> Performance:
        """Run the query on the chosen target.

        Raises:
            TargetError: it failed, and the goal's mode allows no other target.
        """


@dataclass(frozen=True, slots=True)
class Answered:
    """A query that has its answer, and from which nothing was learned yet.

    Attributes:
        answer: what the caller of a real world gets.
        context: what the agent saw.
        decision: what was decided and what it cost.
        lessons: each target that was tried and what it cost, the chosen one first.
    """

    answer: Any
    context: Context
    decision: Decision
    lessons: tuple[tuple[int, Outcome], ...]

    def teach(self, agent: Agent, guard: AbstractContextManager[Any] | None = None) -> Decision:
        """Let the agent that decided learn; the decision with what it believes then.

        Args:
            agent: who decided.
            guard: held meanwhile.
        """
        context = self.context
        with guard or nullcontext():
            for index, outcome in self.lessons:
                agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))
            believed = None if self.decision.belief is None else agent.believe(context)
        return self.decision if believed is None else replace(self.decision, belief_after=believed)


def answer_query(
    world: World, agent: Agent, query: Any, requested: str, guard: AbstractContextManager[Any] | None = None
) -> Answered:
    """Take one query to its answer; ``Answered.teach`` is the rest of the loop.

    Args:
        world: where it happens.
        agent: who chooses; its targets are the world's.
        query: whatever the world takes.
        requested: the pinned target or the inference mode, for the decision.
        guard: held while the agent chooses, not while the query runs; for callers with threads.

    Raises:
        InvalidTarget: the agent chose no target of the world's.
        InvalidInput: it chose with no probability.
        TargetError: the choice failed and the mode allows no other target; there is nothing to learn from it.
    """
    context = world.observe(query)
    with guard or nullcontext():
        name = getattr(agent, "name", type(agent).__name__)
        choice = checked_choice(name, agent.select(context), len(world.targets))
        belief = agent.believe(context)
    predicted_latency_s, predicted_energy_j = _predicted(context, belief, choice.index)  # before anything is learned
    performance = world.perform(query, context, choice)
    decision = Decision(
        requested=requested,
        chosen=world.targets[choice.index],
        attempts=performance.attempts,
        predicted_latency_s=predicted_latency_s,
        predicted_energy_j=predicted_energy_j,
        outcome=performance.outcome,
        probability=choice.probability,
        reward=reward(performance.outcome, context.goal, context.reference),
        left_out=performance.left_out,
        coverage=performance.coverage,
        belief=belief,
    )
    return Answered(performance.answer, context, decision, ((choice.index, performance.outcome), *performance.lessons))


def run_query(
    world: World, agent: Agent, query: Any, requested: str, guard: AbstractContextManager[Any] | None = None
) -> tuple[Any, Context, Decision]:
    """Take one query through the loop; the agent has learned from it when this returns.

    Args:
        world: where it happens.
        agent: who chooses; its targets are the world's.
        query: whatever the world takes.
        requested: the pinned target or the inference mode, for the decision.
        guard: held while the agent chooses and while it learns, not while the query runs; for callers with threads.

    Raises:
        TargetError: the choice failed and the mode allows no other target; the agent learns nothing from it.
    """
    answered = answer_query(world, agent, query, requested, guard)
    return answered.answer, answered.context, answered.teach(agent, guard)


def _predicted(context: Context, belief: Belief | None, index: int) -> tuple[float | None, float | None]:
    """Latency and energy of a target as the agent believes; as the world forecasts, where that says nothing."""
    known = context.forecast if belief is None else belief
    return (None, None) if known is None else (float(known.latency_s[index]), float(known.energy_j[index]))
