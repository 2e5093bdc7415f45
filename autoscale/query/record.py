"""What was decided for a query, what came of it, and the row that is kept of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autoscale.query.belief import Belief, TargetBelief, Three
from autoscale.query.considered import Considered
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

ANSWERED: Final = "answered"
SOURCES: Final = {"device": "on_device", "edge": "peer", "cloud": "in_cloud"}
"""Place to the name Firebase gives it (``inferenceSource``), and ``peer`` for a nearby device."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One target that was tried.

    Attributes:
        target: what was tried.
        latency_s: how long it took to answer or to fail.
        reason: ``answered``, or why not.
        error: the name of the error's class; None where it answered.
    """

    target: Target
    latency_s: float
    reason: str = ANSWERED
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one query and what came of it.

    Attributes:
        requested: the pinned target, or the inference mode.
        chosen: the agent's choice.
        attempts: all that were tried, in order; the last one answered.
        predicted_latency_s: what the agent believed of the choice, a median; where it believes nothing, what the world
            expected, if it had an idea.
        predicted_energy_j: likewise, of the device.
        outcome: what it cost in all, failed attempts included.
        probability: with which the agent chose ``chosen``, so that another policy can be evaluated on this.
        reward: of the outcome, as the agent learnt it.
        left_out: targets that could not be chosen when it was decided, each with the reason: a link that is down, a
            machine that does not know the model or holds another.
        handed_through: why nothing was decided and the application's own runtime ran it as it was told; empty where a
            target was chosen.
        coverage: share of the model's nodes that ran on the target's processor, as the runtime says; None where it
            says nothing.
        belief: what the agent believed of every target when it chose; None where it believes nothing it could say.
        belief_after: the same, once it had learned from this query.
    """

    requested: str
    chosen: Target
    attempts: tuple[Attempt, ...]
    predicted_latency_s: float | None
    predicted_energy_j: float | None
    outcome: Outcome
    probability: float
    reward: float
    left_out: Mapping[Target, str] = field(default_factory=dict)
    handed_through: str = ""
    coverage: float | None = None
    belief: Belief | None = field(default=None, compare=False, repr=False)
    belief_after: Belief | None = field(default=None, compare=False, repr=False)

    @property
    def chance_late(self) -> float | None:
        """How likely the choice was to be late, as the agent believed; None where it believes nothing."""
        believed = self._believed()
        return None if believed is None else believed.chance_late

    @property
    def latency_quantiles_s(self) -> Three | None:
        """The latency of the choice that 5, 50 and 95 in 100 such queries do not exceed, as the agent believed."""
        believed = self._believed()
        return None if believed is None else believed.latency_quantiles_s()

    @property
    def energy_quantiles_j(self) -> Three | None:
        """The same of the device's energy."""
        believed = self._believed()
        return None if believed is None else believed.energy_quantiles_j()

    def _believed(self) -> TargetBelief | None:
        return None if self.belief is None else self.belief.of(self.belief.targets.index(self.chosen))

    @property
    def selected(self) -> Target:
        """The target that answered."""
        return self.attempts[-1].target

    @property
    def did_fallback(self) -> bool:
        """Whether another target than the chosen one answered."""
        return len(self.attempts) > 1

    @property
    def inference_source(self) -> str:
        """Where the answer came from: ``on_device``, ``peer`` or ``in_cloud``."""
        return SOURCES[self.selected.place]


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the ledger; it never holds a query's inputs or outputs.

    Attributes:
        time_s: when the query came, seconds since the epoch.
        device: the device profile's name.
        model: the network's name.
        goal: what was asked.
        observation: what was seen.
        decision: what was decided and what came of it.
        regions: electricity region of ``device``, ``edge``, ``cloud`` and ``network``, as far as known.
        intensity_kinds: likewise whether the observation's intensity is ``average`` or ``marginal``.
        considered: what stood to be chosen, so that other policies can be judged by this row; None: not kept.
    """

    time_s: float
    device: str
    model: str
    goal: Goal
    observation: Observation
    decision: Decision
    regions: Mapping[str, str] = field(default_factory=dict)
    intensity_kinds: Mapping[str, str] = field(default_factory=dict)
    considered: Considered | None = None
