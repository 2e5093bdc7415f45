"""Why a query went where it went: candidates, what ruled each out, what was believed, what happened."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.query.belief import Belief, Three
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

SHOWN: Final = 8
"""How many candidates are shown of a query, the best first."""
SAME: Final = 0.005
"""Costs that lie closer are called the same."""


@dataclass(frozen=True, slots=True)
class Believed:
    """What was believed of one target, one query.

    Attributes:
        latency_s: the median; quantiles are those of 5, 50 and 95 in 100 such queries.
        latency_mean_s: the mean.
        latency_quantiles_s: see there.
        energy_j: the median, of the device.
        energy_mean_j: the mean.
        energy_quantiles_j: likewise.
        chance_late: that the answer comes after the goal's limit.
    """

    latency_s: float
    latency_mean_s: float
    latency_quantiles_s: Three
    energy_j: float
    energy_mean_j: float
    energy_quantiles_j: Three
    chance_late: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target that could have been chosen.

    Attributes:
        target: which.
        verdict: ``chosen``, or what ruled it out.
        latency_s: as believed, the median; as the world forecast it where the agent believes nothing; None: not known.
        energy_j: likewise, of the device.
        chance: with which it would be chosen; None where the agent does not say.
        before: what was believed when it was chosen; None where the agent believes nothing it could say.
        after: once the agent had learned from the query; None where that was not kept.
    """

    target: str
    verdict: str
    latency_s: float | None
    energy_j: float | None
    chance: float | None
    before: Believed | None
    after: Believed | None


@dataclass(frozen=True, slots=True)
class Happened:
    """What came of the query.

    Attributes:
        target: which answered.
        latency_s: failed attempts included, as are the joules of the device.
        energy_j: see there.
        is_late: whether the answer came after the limit.
        failed: targets that were tried before, each with the reason where it is known.
        coverage: share of the model's nodes that ran on the target's processor; None: not known.
    """

    target: str
    latency_s: float
    energy_j: float
    is_late: bool
    failed: Mapping[str, str]
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one query went where it went; ``str`` of it is for people, ``as_json`` for scripts.

    Attributes:
        model: the network's name.
        objective: what the goal minimises.
        latency_limit_s: the latest an answer is of use; None for no limit.
        min_accuracy: lowest acceptable accuracy; None for no floor.
        on_time: the chance to be in time that a target must have.
        chosen: the agent's choice.
        probability: with which it was chosen.
        belief: ``kept`` as it was, ``worked out again`` from the records, or empty where there is none.
        candidates: the choice, and then the best others.
        more: how many more there were.
        ruled_out: targets that could not be chosen at all, each with the reason.
        happened: what came of it.
    """

    model: str
    objective: str
    latency_limit_s: float | None
    min_accuracy: float | None
    on_time: float
    chosen: str
    probability: float
    belief: str
    candidates: tuple[Candidate, ...]
    more: int
    ruled_out: Mapping[str, str]
    happened: Happened

    def as_json(self) -> dict[str, Any]:
        """The same in values that JSON can hold."""
        told = asdict(self)
        for each in told["candidates"]:
            before = each["before"] or {"latency_quantiles_s": None, "chance_late": None}
            each |= {name: before[name] for name in ("latency_quantiles_s", "chance_late")}
        return told | {"not_admitted": [*self.ruled_out]}

    def __str__(self) -> str:
        limit = "no limit" if self.latency_limit_s is None else f"in {1e3 * self.latency_limit_s:.0f} ms"
        sure = f" with a chance of {self.on_time:g}" if self.on_time != 0.5 else ""
        head = f"{self.model}: least {self.objective} {limit}{sure}; chosen {self.chosen}"
        lines = [f"{head} (probability {self.probability:.3f})", *map(_line, self.candidates)]
        if self.more:
            lines.append(f"  and {self.more} more")
        lines += [f"  {target:30} could not be chosen: {why}" for target, why in self.ruled_out.items()]
        return "\n".join([*lines, *self._outcome()])

    def _outcome(self) -> list[str]:
        found, lines = self.happened, []
        lines += [f"  {target:30} was tried first: {why}" for target, why in found.failed.items()]
        where = "" if found.target == self.chosen else f" on {found.target}"
        late = ", late" if found.is_late else ""
        lines.append(f"  what happened: {1e3 * found.latency_s:.1f} ms, {1e3 * found.energy_j:.1f} mJ{where}{late}")
        if found.coverage is not None:
            lines.append(f"  {found.coverage:.0%} of the network's nodes ran on its processor")
        first = self.candidates[0] if self.candidates else None
        if first is not None and first.target == self.chosen and first.before is not None:
            lines.append(f"  believed of it before: {_told(first.before)}")
            if first.after is not None:
                lines.append(f"  and after:             {_told(first.after)}")
        return lines


def explain(
    considered: Considered,
    chosen: Target,
    probability: float,
    outcome: Outcome,
    attempts: Mapping[Target, str],
    answered: Target,
    belief: str = "kept",
) -> Explanation:
    """Explain a query.

    Args:
        considered: what stood to be chosen, and what was believed of it.
        chosen: the choice.
        probability: with which it was made.
        outcome: what came of it.
        attempts: those that failed, each with the reason.
        answered: which answered.
        belief: how what was believed is known.
    """
    context, targets = considered.context, considered.targets
    index = targets.index(chosen)
    order = sorted(context.admitted.tolist(), key=lambda each: _rank(considered, index, each))
    is_admitted = set(order)
    out = [each for number, each in enumerate(targets) if number not in is_admitted]
    others = [each for each in considered.left_out if each not in targets]
    goal = context.goal
    return Explanation(
        context.model.name,
        str(goal.objective),
        goal.latency_s if math.isfinite(goal.latency_s) else None,
        goal.min_accuracy,
        goal.on_time,
        str(chosen),
        probability,
        "" if considered.belief is None else belief,
        tuple(_candidate(considered, index, each) for each in order[:SHOWN]),
        max(len(order) - SHOWN, 0),
        {str(each): considered.left_out.get(each, "not open to this query") for each in (*out, *others)},
        Happened(
            str(answered),
            outcome.latency_s,
            outcome.energy_j.device,
            bool(outcome.is_late(goal)),
            {str(each): why for each, why in attempts.items()},
            considered.coverage,
        ),
    )


def _rank(considered: Considered, chosen: int, index: int) -> tuple[bool, bool, float]:
    belief = considered.belief
    if belief is None:
        known = considered.context.forecast
        figure = math.nan if known is None else float(known.objective(considered.context.goal)[index])
        return index != chosen, False, math.inf if math.isnan(figure) else figure
    return index != chosen, not belief.is_allowed[index], float(_figures(considered.context, belief)[index])


def _figures(context: Context, belief: Belief) -> Floats:
    """What the goal minimises, as believed; grams are not told, and go by the energy."""
    return belief.latency_s if context.goal.objective == "latency" else belief.energy_j


def _candidate(considered: Considered, chosen: int, index: int) -> Candidate:
    belief, after = considered.belief, considered.belief_after
    known = considered.context.forecast if belief is None else belief
    latency_s, energy_j = (math.nan, math.nan) if known is None else (known.latency_s[index], known.energy_j[index])
    return Candidate(
        str(considered.targets[index]),
        _verdict(considered, chosen, index),
        _known(latency_s),
        _known(energy_j),
        None if belief is None else float(belief.chance[index]),
        None if belief is None else _believed(belief, index),
        None if after is None or np.isnan(after.latency_s[index]) else _believed(after, index),
    )


def _known(figure: float) -> float | None:
    return float(figure) if math.isfinite(figure) else None


def _believed(belief: Belief, index: int) -> Believed:
    one = belief.of(index)
    return Believed(
        one.latency_s,
        one.latency_s * math.exp(0.5 * one.latency_spread**2),
        one.latency_quantiles_s(),
        one.energy_j,
        one.energy_j * math.exp(0.5 * one.energy_spread**2),
        one.energy_quantiles_j(),
        one.chance_late,
    )


def _verdict(considered: Considered, chosen: int, index: int) -> str:
    belief, goal = considered.belief, considered.context.goal
    if belief is None:
        return "chosen" if index == chosen else ""
    figures = _figures(considered.context, belief)
    least = float(figures[belief.is_allowed].min()) if belief.is_allowed.any() else math.nan
    dearer = float(figures[index]) / least - 1.0
    if index == chosen:
        return "chosen" if not dearer > SAME else f"chosen: a look, believed {dearer:.0%} dearer"
    if belief.is_allowed[index]:
        return f"{dearer:.0%} dearer than the best" if dearer > SAME else "as good as the best"
    if belief.chance_late[index] > 1.0 - goal.on_time:
        return f"too likely late: at most {1.0 - goal.on_time:.0%} is allowed"
    return "not accurate enough"


def _line(candidate: Candidate) -> str:
    latency, energy = (_number(each) for each in (candidate.latency_s, candidate.energy_j))
    late = "" if candidate.before is None else f"  late {candidate.before.chance_late:6.1%}"
    return f"  {candidate.target:30} {latency} ms  {energy} mJ{late}  {candidate.verdict}".rstrip()


def _number(figure: float | None) -> str:
    return f"{'?':>8}" if figure is None else f"{1e3 * figure:8.1f}"


def _told(believed: Believed) -> str:
    """Means, the quantiles of 5 and 95 in 100, the chance of being late."""
    latency, energy = believed.latency_quantiles_s, believed.energy_quantiles_j
    return (
        f"{1e3 * believed.latency_mean_s:.3g} ms ({1e3 * latency[0]:.3g} to {1e3 * latency[2]:.3g}), "
        f"{1e3 * believed.energy_mean_j:.3g} mJ ({1e3 * energy[0]:.3g} to {1e3 * energy[2]:.3g}), "
        f"late {believed.chance_late:.1%}"
    )
