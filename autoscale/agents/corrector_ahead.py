"""The corrector with a short horizon: what a choice leaves behind is worth something to the queries that follow.

A radio that is awake answers the next query without waking; a model that is open needs no opening. The agent plans as
if the query of now were asked ``horizon`` times: each target costs the mean of this query and of ``horizon - 1`` like
it after it (``Context.forecast_again``), and where only the first of them is late, that is charged as the reward does.
It pays where queries follow each other within a radio's tail and nothing near can help; docs/agents.md has the figures.
In a world that does not know what choices leave behind it is the corrector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from autoscale.agents.corrector import Corrector
from autoscale.agents.reward import MISS_PENALTY
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.target import Target

HORIZON: Final = 10


class CorrectorAhead(Corrector):
    """Chooses by the mean of so many queries like the one that is asked.

    Args:
        targets: what it chooses from.
        seed: of its random generator.
        horizon: how many; 1 looks at the query alone.

    Raises:
        InvalidInput: a horizon below 1.
    """

    name = "corrector-ahead"

    def __init__(self, targets: Sequence[Target], seed: int = 0, horizon: int = HORIZON) -> None:
        if type(horizon) is not int or horizon < 1:
            raise InvalidInput(f"horizon is {horizon!r}; allowed: a whole number, 1 or more")
        super().__init__(targets, seed)
        self.horizon = horizon

    def options(self) -> Mapping[str, Any]:
        """Its horizon."""
        return {"horizon": self.horizon}

    def _planned(self, context: Context, forecast: Forecast, residual: Floats) -> Forecast:
        again, goal = context.forecast_again, context.goal
        if again is None or self.horizon == 1 or goal.objective == "latency":
            return forecast
        after, share = self._completed(context, again), 1.0 / self.horizon
        now_s, then_s = (each * np.exp(residual) for each in (forecast.latency_s, after.latency_s))
        missed = share * MISS_PENALTY * context.reference * ((now_s > goal.latency_s) & (then_s <= goal.latency_s))
        figures = {
            name: share * getattr(forecast, name) + (1.0 - share) * getattr(after, name) + missed
            for name in ("energy_j", "carbon_g")
        }
        return replace(forecast, latency_s=after.latency_s, **figures)
