"""An ordered fallback list, as applications keep one by hand: the first entry that works, until it does not."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Choice
from autoscale.agents.fixed import highest_setting
from autoscale.arrays import Indices
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import PLACES, PRECISIONS, PROCESSORS, Target

AGAIN: Final = 100
"""So many queries of a network later the list is tried from its top again."""


class FallbackList(Agent):
    """The device's processors from the most special to the CPU, then machines near by, then the cloud.

    Each entry is its fastest setting in its shortest precision that is accurate enough. A network begins at the top; a
    late or inaccurate answer sends it one entry down, and past the last one it stays there, until ``AGAIN`` queries
    after it left the top. No file keeps where in the list a network is.
    """

    name = "fallback-list"

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._entries = [np.array(each, dtype=np.intp) for each in _entries(self.targets)]
        self._at: dict[str, list[int]] = {}

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
        self._at[context.model.name] = [at, since]

    def _best(self, context: Context, own: Indices) -> int:
        floor, forecast = context.goal.min_accuracy, context.forecast
        if floor is not None and forecast is not None:
            accurate = own[~(forecast.accuracy[own] < floor)]
            own = accurate if accurate.size else own
        lengths = {each: PRECISIONS.index(self.targets[each].precision) for each in own.tolist()}
        shortest = max(lengths.values())
        return highest_setting(self.targets, [each for each, length in lengths.items() if length == shortest])


def _entries(targets: Sequence[Target]) -> list[list[int]]:
    """Indices of the targets of each entry that there is, in the list's order."""
    kinds = [("device", each) for each in reversed(PROCESSORS)]
    kinds += [(place, each) for place in PLACES[1:] for each in reversed(PROCESSORS)]
    found = [[i for i, each in enumerate(targets) if (each.place, each.processor) == kind] for kind in kinds]
    return [each for each in found if each]
