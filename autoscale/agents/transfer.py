"""What was learned on one device starts another: targets correspond by place, processor, precision and relative step.

The paper (AutoScale, MICRO 2020, section 6) starts a phone from another one's table, because energy and latency keep
their order across devices.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autoscale.agents.base import Agent
from autoscale.errors import PolicyError
from autoscale.query.forecast import Indices
from autoscale.query.target import Target


def transfer(agent: Agent, targets: Sequence[Target], seed: int = 0) -> Agent:
    """A new agent of the same kind for other targets, with what the given one learned.

    A target without a counterpart (a processor or precision the old device lacks) starts as if nothing were known,
    where the agent's kind has such a start; a policy that no longer learns takes the closest there is.

    Args:
        agent: who learned; it stays as it is.
        targets: of the new device.
        seed: of the new agent's random generator.

    Raises:
        PolicyError: an agent that keeps nothing by target.
        InvalidTarget: the agent's kind cannot work with these targets.
    """
    learned = agent.state()
    if not learned.keys() & {*agent.per_target}:
        raise PolicyError(f"agent '{agent.name}' has learned nothing that another device could start from")
    heir = type(agent).from_options(targets, agent.options(), seed)
    source, is_same_kind = counterparts(agent.targets, targets)
    fresh = heir.state()
    for name in agent.per_target:
        taken = learned[name][..., source]
        if name in fresh:
            taken = np.where(is_same_kind, taken, np.broadcast_to(fresh[name], taken.shape)).astype(taken.dtype)
        learned[name] = taken
    heir.restore(learned)
    return heir


def counterparts(old: Sequence[Target], new: Sequence[Target]) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """For every new target the closest old one, and whether place, processor and precision agree.

    Settings are compared by rank: the highest step of one device is the highest of another, whatever its frequency.

    Returns:
        Indices into ``old`` and flags, both of shape (new,).
    """
    old_steps, new_steps = relative_steps(old), relative_steps(new)
    distances = [
        [
            (*_differences(mine, theirs), abs(step - their_step))
            for theirs, their_step in zip(old, old_steps, strict=True)
        ]
        for mine, step in zip(new, new_steps, strict=True)
    ]
    closest = [min(range(len(old)), key=row.__getitem__) for row in distances]
    agrees = [row[index][:3] == (False, False, False) for row, index in zip(distances, closest, strict=True)]
    return np.array(closest, dtype=np.intp), np.array(agrees)


def relative_steps(targets: Sequence[Target]) -> list[float]:
    """Each target's setting by its rank among those of its processor and precision: 0 the lowest, 1 the highest."""
    ranks = []
    for target in targets:
        settings = sorted(_setting(each) for each in targets if _kind(each) == _kind(target))
        ranks.append(settings.index(_setting(target)) / (len(settings) - 1) if len(settings) > 1 else 1.0)
    return ranks


def _differences(mine: Target, theirs: Target) -> tuple[bool, bool, bool, bool]:
    return (
        mine.place != theirs.place,
        mine.processor != theirs.processor,
        mine.precision != theirs.precision,
        mine.host != theirs.host,
    )


def _kind(target: Target) -> tuple[str, ...]:
    return target.place, target.host, target.processor, target.precision


def _setting(target: Target) -> int:
    return target.frequency_hz or target.threads or 0
