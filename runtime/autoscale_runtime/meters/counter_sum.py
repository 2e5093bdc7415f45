"""Several hardware counters of energy as one that only grows, without the steps that no hardware could have made."""

from collections.abc import Callable, Mapping
from typing import Final

MOST_W: Final = 2000.0
"""No processor package, memory or GPU board draws more: a counter that says so was reset, or is broken."""

TICK_S: Final = 0.1
"""Counters are refreshed at least this often: a step may be of so much more time than has passed."""


class CounterSum:
    """Joules that several counters counted since the first call of ``add``.

    A counter that falls was reset, unless it says where it wraps and the step is then possible. A counter that comes,
    goes, is reset or jumps leaves a gap: its step is not counted, the others' are, and the next one is from there on.
    """

    def __init__(self) -> None:
        self.total_j = 0.0
        self._last_j: Mapping[str, float] = {}
        self._last_s = 0.0

    def add(
        self, now_j: Mapping[str, float], now_s: float, wraps_at_j: Callable[[str], float | None] = lambda name: None
    ) -> list[str]:
        """Count on, and tell what is missing of it; nothing, where all is well.

        Args:
            now_j: counter to what it says.
            now_s: when, monotonic.
            wraps_at_j: counter to where it starts again from 0; None where that is not known.
        """
        before_j, self._last_j = self._last_j, dict(now_j)
        elapsed_s, self._last_s = now_s - self._last_s, now_s
        if not before_j:
            return []
        gaps = [f"{name} came or went" for name in sorted(before_j.keys() ^ now_j.keys())]
        for name in before_j.keys() & now_j.keys():
            step_j = now_j[name] - before_j[name]
            if step_j < 0.0:
                step_j += _range_j(wraps_at_j(name), before_j[name])
            if 0.0 <= step_j <= MOST_W * (elapsed_s + TICK_S):
                self.total_j += step_j
            else:
                gaps.append(f"{name} went from {before_j[name]:g} to {now_j[name]:g} J within {elapsed_s:.3g} s")
        return gaps


def _range_j(wraps_at_j: float | None, before_j: float) -> float:
    """0 where the counter cannot have wrapped, so that its step stays impossible."""
    return wraps_at_j if wraps_at_j is not None and wraps_at_j > before_j else 0.0
