"""An ordered fallback list, as applications keep one by hand: the first entry that works, until it does not."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.fixed import highest_setting
from autoscale.arrays import Indices
from autoscale.errors import PolicyError
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import PLACES, PRECISIONS, PROCESSORS, Target

AGAIN: Final = 100
"""So many queries of a network later the list is tried from its top again."""


class FallbackList(Agent):
    """The device's processors from the most special to the CPU, then machines near by, then the cloud.

    Each entry is its fastest setting in its shortest precision that is accurate enough. A network begins at the top; a
    late or inaccurate answer sends it one entry down, and past the last one it stays there, until ``AGAIN`` queries
    after it left the top.
    """

    name = "fallback-list"
    is_by_name = True

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        found = _entries(self.targets)
        self._names = [*found]
        self._entries = [np.array(each, dtype=np.intp) for each in found.values()]
        self._at: dict[str, tuple[int, int]] = {}

    def select(self, context: Context) -> Choice:
        """The first entry, from where the network is, that is open; from the top where none is."""
        at, _ = self._at.get(context.model.name, (0, 0))
        for entry in (*self._entries[at:], *self._entries[:at]):
            own = np.intersect1d(entry, context.admitted)
            if own.size:
                return Choice(self._best(context, own), 1.0)
        return Choice(int(context.admitted[0]), 1.0)

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Go down the list where the entry in use failed its goal, and back to its top after a while."""
        at, since = self._at.get(context.model.name, (0, 0))
        since = since + 1 if at else 0
        if since >= AGAIN:
            at = since = 0
        elif (outcome.is_late(context.goal) or outcome.misses_accuracy(context.goal)) and index in self._entries[at]:
            at = min(at + 1, len(self._entries) - 1)
        self._at[context.model.name] = (at, since)

    def state(self) -> Arrays:
        """Of each network, which entry it is at, and how many queries ago it left the top."""
        at, since = zip(*self._at.values(), strict=True) if self._at else ((), ())
        return {
            "networks": np.array([*self._at], dtype=np.str_),
            "entries": np.array([self._names[each] for each in at], dtype=np.str_),
            "since": np.array(since, dtype=np.intp),
        }

    def restore(self, state: Arrays) -> None:
        """Take it back; at the top where the list has no such entry.

        Raises:
            PolicyError: it is missing, or not of as many networks.
        """
        if state.keys() != {"networks", "entries", "since"} or len({each.shape for each in state.values()}) != 1:
            raise PolicyError(f"agent '{self.name}' needs where each network is in its list, but the policy lacks it")
        own = {each: number for number, each in enumerate(self._names)}
        kept = zip(*(state[each].tolist() for each in ("networks", "entries", "since")), strict=True)
        self._at = {network: (own.get(entry, 0), since if entry in own else 0) for network, entry, since in kept}

    def _best(self, context: Context, own: Indices) -> int:
        floor, forecast = context.goal.min_accuracy, context.forecast
        if floor is not None and forecast is not None:
            accurate = own[~(forecast.accuracy[own] < floor)]
            own = accurate if accurate.size else own
        lengths = {each: PRECISIONS.index(self.targets[each].precision) for each in own.tolist()}
        shortest = max(lengths.values())
        return highest_setting(self.targets, [each for each, length in lengths.items() if length == shortest])


def _entries(targets: Sequence[Target]) -> dict[str, list[int]]:
    """Name to the indices of the targets of each entry that there is, in the list's order."""
    found = {f"{place}:{each}": list[int]() for place in PLACES for each in reversed(PROCESSORS)}
    for index, target in enumerate(targets):
        found[f"{target.place}:{target.processor}"].append(index)
    return {name: indices for name, indices in found.items() if indices}
