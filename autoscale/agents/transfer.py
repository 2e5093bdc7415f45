"""What was learned on one device starts another: targets correspond by place, processor, precision, engine and step.

The paper (AutoScale, MICRO 2020, section 6) starts a phone from another one's table, because energy and latency keep
their order across devices.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from autoscale.agents.base import Agent, Arrays
from autoscale.arrays import Indices
from autoscale.errors import PolicyError
from autoscale.query.target import Target

Origins = Mapping[Target, Target | None]
"""Each new target to the old one it was started from; None where it starts as if nothing were known."""


def transfer(agent: Agent, targets: Sequence[Target], seed: int = 0) -> Agent:
    """A new agent of the same kind for other targets, with what the given one learned; see ``transferred``."""
    return transferred(agent, targets, seed)[0]


def transferred(agent: Agent, targets: Sequence[Target], seed: int = 0) -> tuple[Agent, Origins]:
    """A new agent of the same kind for other targets, with what the given one learned, and what started what.

    A target without a counterpart (a processor or precision the old device lacks) starts as if nothing were known,
    where the agent's kind has such a start; a policy that no longer learns takes the closest there is. A fixed rule,
    and an agent that has learned nothing yet, start afresh for all targets.

    Args:
        agent: who learned; it stays as it is.
        targets: of the new device.
        seed: of the new agent's random generator.

    Raises:
        PolicyError: an agent whose lessons are not kept by target.
        InvalidTarget: the agent's kind cannot work with these targets.
    """
    heir = type(agent).from_options(targets, agent.options(), seed)
    learned = agent.state()
    if agent.is_fixed or not learned:
        return heir, dict.fromkeys(targets)
    if agent.is_by_name:
        heir.restore(learned)
        pairs = zip(targets, *counterparts(agent.targets, targets), strict=True)
        return heir, {new: agent.targets[old] if agrees else None for new, old, agrees in pairs}
    if not learned.keys() & {*agent.per_target}:
        raise PolicyError(
            f"agent '{agent.name}' keeps {sorted(learned)}, none of it by target, so no other targets can start from "
            "it; allowed: the targets it was made for, or an agent that names its arrays in 'per_target'"
        )
    source, is_same_kind = counterparts(agent.targets, targets)
    fresh = heir.state()
    is_same = {*agent.targets} == {*targets}
    own = {name: array for name, array in learned.items() if is_same or name not in agent.derived}
    heir.restore(own | _columns(agent, learned, fresh, source, is_same_kind))
    if not {each for each in targets if not each.is_remote} <= {*agent.targets}:
        heir.arrive()
    has_start = any(name in fresh for name in agent.per_target)
    started = [
        agent.targets[old] if agrees or not has_start else None
        for old, agrees in zip(source, is_same_kind, strict=True)
    ]
    return heir, dict(zip(targets, started, strict=True))


def counterparts(old: Sequence[Target], new: Sequence[Target]) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """For every new target the closest old one, and whether place, processor and precision agree.

    A setting that the old ones have too is the nearest, so a target that both have is its own. Else settings are
    compared by rank: the highest step of one device is the highest of another, whatever its frequency, and be one
    counted in megahertz and the other in threads.

    Returns:
        Indices into ``old`` and flags, both of shape (new,).
    """
    old_steps, new_steps = relative_steps(old), relative_steps(new)
    distances = [
        [
            (*_differences(mine, theirs), mine.setting != theirs.setting, abs(step - their_step))
            for theirs, their_step in zip(old, old_steps, strict=True)
        ]
        for mine, step in zip(new, new_steps, strict=True)
    ]
    closest = [min(range(len(old)), key=row.__getitem__) for row in distances]
    agrees = [row[index][:3] == (False, False, False) for row, index in zip(distances, closest, strict=True)]
    return np.array(closest, dtype=np.intp), np.array(agrees)


def relative_steps(targets: Sequence[Target]) -> list[float]:
    """Each target's setting by its rank among those of its kind and engine: 0 the lowest, 1 the highest."""
    ranks = []
    for target in targets:
        settings = sorted(_setting(each) for each in targets if _kind(each) == _kind(target))
        ranks.append(settings.index(_setting(target)) / (len(settings) - 1) if len(settings) > 1 else 1.0)
    return ranks


def _columns(
    agent: Agent, learned: Arrays, fresh: Arrays, source: Indices, is_same_kind: npt.NDArray[np.bool_]
) -> Arrays:
    """The arrays kept by target, column by column from the old ones; where none is alike, as they start."""
    columns = {}
    for name in learned.keys() & {*agent.per_target}:
        taken = learned[name][..., source]
        if name in fresh:
            taken = np.where(is_same_kind, taken, np.broadcast_to(fresh[name], taken.shape)).astype(taken.dtype)
        columns[name] = taken
    return columns


def _differences(mine: Target, theirs: Target) -> tuple[bool, ...]:
    """What differs, the most telling first; of strange engines, the one that ships is the best guess."""
    return (
        mine.place != theirs.place,
        mine.processor != theirs.processor,
        mine.precision != theirs.precision,
        mine.host != theirs.host,
        mine.engine != theirs.engine,
        theirs.engine != "",
    )


def _kind(target: Target) -> tuple[str, ...]:
    return target.place, target.host, target.processor, target.precision, target.engine


def _setting(target: Target) -> int:
    return target.frequency_hz or target.threads or target.cut or 0
