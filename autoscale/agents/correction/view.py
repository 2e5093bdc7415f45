"""What was worked out for one query, kept for who asks about it and for what is learned of it."""

from autoscale.agents.base import Choice
from autoscale.arrays import Flags, Floats
from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast


class View:
    """What was worked out for one context."""

    __slots__ = (
        "belief",
        "chance",
        "choice",
        "context",
        "forecast",
        "in_time",
        "margin",
        "mean",
        "variance",
    )

    def __init__(
        self,
        context: Context,
        forecast: Forecast,
        mean: Floats,
        variance: Floats,
        margin: Floats,
        in_time: Flags,
        chance: Floats,
    ) -> None:
        self.context, self.forecast = context, forecast
        self.mean, self.variance, self.margin = mean, variance, margin
        self.in_time, self.chance = in_time, chance
        self.belief: Belief | None = None
        self.choice: Choice | None = None
