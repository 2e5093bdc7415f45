"""Which setting of a large model stays loaded: it is held once, so another setting means to load it again."""

import logging
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Final

from autoscale.errors import AutoScaleError
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale_runtime.device.copies import LazyRunner

_LOG: Final = logging.getLogger("autoscale.session")


class Resident:
    """One variant in one engine, at the setting that is loaded.

    The rule is that of renting skis: what a better setting would have saved on each query since the last change is
    summed up, and once the sum is what loading costs, it is loaded. Whatever comes, that is at most twice what would
    have been best in hindsight.

    Args:
        runners: index of each target to its runner; all of the same copies.
        price: what loading costs, as an index and seconds to the goal's objective: the work, and an answer that is late
            for it.
        accept: told the index of a target that was loaded; whether its answers can be trusted.
    """

    def __init__(
        self,
        runners: Mapping[int, LazyRunner],
        price: Callable[[int, float], float],
        accept: Callable[[int], bool],
    ) -> None:
        self._runners = dict(runners)
        self._copies = next(iter(runners.values())).copies
        self._price = price
        self._accept = accept
        self._forgone = 0.0
        self._is_moving = False

    def weigh(self, forecast: Forecast, goal: Goal) -> None:
        """Take in what a query would have cost at each setting, and change the setting behind it where that pays."""
        loaded = [index for index, runner in self._runners.items() if runner.loaded is not None]
        if self._is_moving or not 0 < len(loaded) < len(self._runners):
            return
        objective, best = forecast.objective(goal), forecast.best(goal, [*self._runners])
        now, worst = forecast.best(goal, loaded), max(loaded, key=lambda index: float(objective[index]))
        self._forgone = max(self._forgone + float(objective[now] - objective[best]), 0.0)
        if best not in loaded and self._forgone > self._price(best, self._copies.opening_s):
            self._is_moving = True
            self._forgone = 0.0
            Thread(target=self._move, args=(worst, best), name="autoscale-loading", daemon=False).start()

    def _move(self, old: int, new: int) -> None:
        try:
            self._copies.replace(self._runners[old], self._runners[new])
            if not self._accept(new):
                self._copies.replace(self._runners[new], self._runners[old])
                del self._runners[new]
        except AutoScaleError as error:
            _LOG.warning("the model stays loaded as it was: %s", error)
            self._runners.pop(new, None)
        finally:
            self._is_moving = False
