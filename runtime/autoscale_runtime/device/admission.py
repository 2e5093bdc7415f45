"""Which routes a goal allows, whatever is open just now."""

from collections.abc import Mapping, Sequence

import numpy as np

from autoscale.arrays import Indices
from autoscale.errors import InvalidGoal
from autoscale.query.goal import Goal
from autoscale_runtime.device.routes.base import Route


class Admission:
    """The routes that may answer a query of one goal.

    Args:
        routes: of the session.
        goal: of the query.
        barred: links over which it must not leave, each with the reason.
        distrusted: indices of routes whose answers fail verification.
        prefer: the kind of this device's processors to choose from, where one of it is left; None for any.

    Attributes:
        usable: indices of those that may answer at all, by falling back too.
        preferred: indices of those that the goal's mode chooses from.

    Raises:
        InvalidGoal: none is left.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        goal: Goal,
        barred: Mapping[str, str],
        distrusted: frozenset[int],
        prefer: str | None = None,
    ) -> None:
        floor = goal.min_accuracy
        here = [i for i, route in enumerate(routes) if route.target.link not in barred]
        accurate = [i for i in here if floor is None or _is_accurate(routes, i, floor)]
        self.usable = [i for i in accurate if i not in distrusted]
        self.preferred = [i for i in self.usable if goal.mode.prefers(routes[i].target)]
        if prefer is not None:
            kind = [
                i for i in self.preferred if not routes[i].target.is_remote and routes[i].target.processor == prefer
            ]
            self.preferred = kind or self.preferred
        self._may_fall_back = goal.mode.may_fall_back
        self._admitted: dict[int, Indices] = {}
        if not self.candidates:
            raise InvalidGoal(_nothing_left(routes, goal, barred))

    @property
    def candidates(self) -> list[int]:
        """Indices of all routes that may answer, in one way or the other."""
        return self.usable if self._may_fall_back else self.preferred

    def admitted(self, is_open: Sequence[bool]) -> Indices:
        """The routes to choose from, links that are down left out; where that leaves none, whatever may answer."""
        key = sum(1 << i for i in self.usable if is_open[i])
        if key not in self._admitted:
            preferred = [i for i in self.preferred if key >> i & 1]
            fallback = [i for i in self.usable if key >> i & 1] if self._may_fall_back else []
            self._admitted[key] = np.array(preferred or fallback or self.preferred or self.usable, dtype=np.intp)
        return self._admitted[key]


def _is_accurate(routes: Sequence[Route], index: int, floor: float) -> bool:
    """Whether it is known to be; of a model in one precision that nobody measured, that one is the reference."""
    accuracy = routes[index].accuracy
    if accuracy is not None:
        return accuracy >= floor
    here = {route.target.precision for route in routes if not route.target.is_remote}
    return here == {routes[index].target.precision} and all(route.accuracy is None for route in routes)


def _nothing_left(routes: Sequence[Route], goal: Goal, barred: Mapping[str, str]) -> str:
    known = ", ".join(
        f"{route.target} ({'unknown' if route.accuracy is None else f'{route.accuracy:.3f}'})" for route in routes
    )
    floor = goal.min_accuracy
    limits = f"mode {goal.mode}" + (f" and min_accuracy {floor}" if floor is not None else "")
    without = "".join(f"; not {link}: {reason}" for link, reason in barred.items())
    return f"no target meets {limits}{without}; there are, with their accuracy: {known or 'none'}"
