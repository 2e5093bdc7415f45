"""What would have been best, now that the day is over: nobody knew it before."""

from collections import Counter
from collections.abc import Mapping, Sequence

from autoscale_runtime.demo.play import StepResult


def best_static(days: Mapping[str, Sequence[StepResult]]) -> tuple[list[StepResult], dict[str, str]]:
    """For each network, of all fixed choices that were lived through, the one that spent least over the whole day.

    Returns:
        The day as those choices had it, and each network's target.

    Args:
        days: fixed policy to what became of its queries, each the same ones.
    """
    networks = dict.fromkeys(each.step.task.network.name for each in next(iter(days.values())))
    chosen = {name: min(days, key=lambda policy: _spent_j(days[policy], name)) for name in networks}
    lived = [days[chosen[each.step.task.network.name]][i] for i, each in enumerate(next(iter(days.values())))]
    return lived, {name: _mostly(days[policy], name) for name, policy in chosen.items()}


def clairvoyant(days: Mapping[str, Sequence[StepResult]]) -> list[StepResult]:
    """Query by query the cheapest answer in time that any policy had, or the cheapest where none was in time.

    It knows what each choice will take this very time, noise and all: no policy that chooses beforehand can have less.
    """
    return [min(alike, key=lambda each: (is_late(each), _energy_j(each))) for alike in zip(*days.values(), strict=True)]


def _spent_j(day: Sequence[StepResult], network: str) -> float:
    return sum(_energy_j(each) for each in day if each.step.task.network.name == network)


def _mostly(day: Sequence[StepResult], network: str) -> str:
    """Where most of a network's queries were sent: a fixed choice is left only where it cannot be had."""
    chosen = (str(each.decision.chosen) for each in day if each.decision and each.step.task.network.name == network)
    return Counter(chosen).most_common(1)[0][0]


def is_late(answered: StepResult) -> bool:
    """Whether an answer came after its goal's limit, or not at all."""
    return answered.decision is None or answered.decision.outcome.is_late(answered.step.task.goal)


def _energy_j(answered: StepResult) -> float:
    """The device's; of a lost query infinite, since nothing made up for it."""
    return float("inf") if answered.decision is None else answered.decision.outcome.energy_j.device
