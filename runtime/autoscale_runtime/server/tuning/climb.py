"""Uphill, one step of one dimension at a time, until no step is better.

As DeepRecSys finds its batch size (Gupta et al., ISCA 2020, section V): latency-bounded throughput has one hill in each
dimension, near enough, and each look is dear.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

GAIN: Final = 1.05
"""A step must be better by so much: two looks at one setting differ by some per cent."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How one model is served.

    Attributes:
        max_batch_size: requests that run together, at most.
        instances: batches that run at once.
        threads: of each.
    """

    max_batch_size: int = 1
    instances: int = 1
    threads: int = 1


def climbed(start: Setting, most: Setting, cores: int, rate_of: Callable[[Setting], float]) -> dict[Setting, float]:
    """The settings that were looked at, each with its rate, in the order of looking.

    Args:
        start: where to begin.
        most: the ends of the dimensions.
        cores: instances times threads are no more, since they would take turns.
        rate_of: looks at a setting; more is better.
    """
    seen = {start: rate_of(start)}
    best = start
    while True:
        for step in _steps(best, most, cores):
            if step not in seen:
                seen[step] = rate_of(step)
        up = best_of(seen)
        if seen[up] < GAIN * seen[best] or up == best:
            return seen
        best = up


def best_of(seen: Mapping[Setting, float]) -> Setting:
    """The one with the highest rate; of equals the one that was looked at first."""
    return max(seen, key=lambda setting: seen[setting])


def _steps(setting: Setting, most: Setting, cores: int) -> Iterator[Setting]:
    """Half and double in each dimension."""
    ends = asdict(most)
    for name, value in asdict(setting).items():
        for other in {max(1, value // 2), min(2 * value, ends[name])} - {value}:
            step = replace(setting, **{name: other})
            if step.instances * step.threads <= max(cores, setting.instances * setting.threads):
                yield step
