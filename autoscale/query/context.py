"""What an agent sees when it chooses."""

from collections.abc import Callable

from autoscale.arrays import Indices
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation


class Context:
    """One query as an agent meets it; it cannot tell which world shows it.

    Args:
        model: what is known of the network.
        observation: what is known of the world.
        goal: what counts as a good answer.
        admitted: indices of the targets it may choose now, at least one, shape (n,).
        forecast: gives what the world expects of every target; called at most once, when first asked for.
        reference: the goal's objective on ``device:cpu/fp32`` at its highest setting, the unit of the reward.
        again: gives the forecast of a query like this one that comes after this one was answered by the same target:
            its radio awake, its model open; called likewise. None from a world that does not know.
    """

    __slots__ = (
        "_again",
        "_forecast",
        "_make_again",
        "_make_forecast",
        "admitted",
        "goal",
        "model",
        "observation",
        "reference",
    )

    def __init__(
        self,
        model: ModelProfile,
        observation: Observation,
        goal: Goal,
        admitted: Indices,
        forecast: Callable[[], Forecast] | None = None,
        reference: float = 1.0,
        again: Callable[[], Forecast] | None = None,
    ) -> None:
        self.model = model
        self.observation = observation
        self.goal = goal
        self.admitted = admitted
        self.reference = reference
        self._make_forecast = forecast
        self._forecast: Forecast | None = None
        self._make_again = again
        self._again: Forecast | None = None

    @property
    def forecast(self) -> Forecast | None:
        """What the world expects of every target, or None if it has no idea."""
        if self._forecast is None and self._make_forecast is not None:
            self._forecast = self._make_forecast()
            self._make_forecast = None  # it may hold the query's inputs, which a record of this must not
        return self._forecast

    @property
    def forecast_again(self) -> Forecast | None:
        """What each target would cost in the next query like this one, had it answered this one; None: not known."""
        if self._again is None and self._make_again is not None:
            self._again = self._make_again()
            self._make_again = None
        return self._again

    @property
    def first_forecast(self) -> Forecast | None:
        """The forecast without what the world has learned from queries since it was calibrated.

        An agent that corrects a forecast corrects this one: of two learners of one error each would take it away, and
        both together twice. In a world that does not learn it is the forecast.
        """
        return self.forecast

    def __reduce__(self) -> tuple[object, ...]:
        """With all that is expected worked out: what would do that is of this process."""
        known = self.model, self.observation, self.goal, self.admitted, self.reference
        return _ToldContext, (*known, self.forecast, self.first_forecast, self.forecast_again)


class _ToldContext(Context):
    """A context that came from another process, or is a copy."""

    __slots__ = ("_first",)

    def __init__(
        self,
        model: ModelProfile,
        observation: Observation,
        goal: Goal,
        admitted: Indices,
        reference: float,
        forecast: Forecast | None,
        first: Forecast | None,
        again: Forecast | None,
    ) -> None:
        super().__init__(model, observation, goal, admitted, reference=reference)
        self._forecast, self._first, self._again = forecast, first, again

    @property
    def first_forecast(self) -> Forecast | None:
        """As it was there."""
        return self._first
