"""Many worlds in lockstep: every agent goes through the one loop, and the arithmetic of all is done at once.

Each is the world of one agent with one seed. Worlds of one seed meet the same queries under the same conditions; what
their agents do changes only their own state. Each is a ``SimWorld``, so ``autoscale.loop.run_query`` serves here as it
does in training and on a device, and its outcomes are to the last bit those of a lone world with that seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.query.forecast import Forecast
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.carbon import objective
from autoscale_envs.worlds.coefficients import CostCoefficients
from autoscale_envs.worlds.dynamics import Costs, State
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed, SimulatedQuery
from autoscale_envs.worlds.score import Score
from autoscale_envs.worlds.sim_world import SimWorld
from autoscale_envs.worlds.view import View, forecast_of
from autoscale_envs.worlds.world import BatchedWorld


class Truth(NamedTuple):
    """What the simulator alone knows of every world's query.

    Attributes:
        forecast: what is to be expected, each array of shape (worlds, targets).
        objective: the goal's figure of that as the oracle weighs it, likewise.
        meets: whether a target is so expected to meet the goal, likewise.
        best: the oracle's target, shape (worlds,).
    """

    forecast: Forecast
    objective: Floats
    meets: Flags
    best: Indices


class BatchStep(NamedTuple):
    """What every world made of one query; arrays over worlds. ``changed``: the scenario's change lay behind it."""

    network: Indices
    chosen: Indices
    truth: Truth
    device_j: Floats
    score: Score
    changed: Flags


class Batch:
    """The worlds, all at the same query.

    Args:
        parameters: what they have in common.
        seeds: one each.
        noisy: see ``BatchedWorld``.

    Attributes:
        worlds: as agents see them.
        seats: what stands behind each of them.
        forecast: what the profile says of the queries now asked, each array of shape (worlds, targets).
        truth: what is true of them.
        costs: what they will cost, each array of shape (worlds, targets).
    """

    forecast: Forecast
    truth: Truth
    costs: Costs

    def __init__(self, parameters: WorldParameters, seeds: Sequence[int], noisy: bool = True) -> None:
        self.parameters = parameters
        self._world = BatchedWorld(parameters, seeds, noisy=noisy)
        self.seats = [Seat(self, View(self._world, number)) for number in range(len(seeds))]
        self.worlds = [SimWorld(seat) for seat in self.seats]
        self._look()

    def step(self) -> BatchStep:
        """Take every world to its next query, once all have chosen."""
        chosen, truth = np.array([seat.chosen for seat in self.seats], dtype=np.intp), self.truth
        network, changed = self._world.query.network, self._world.has_changed()
        answer = self._world.step(chosen)
        self._look()
        return BatchStep(network, chosen, truth, answer.device_j, answer.score, changed)

    def _look(self) -> None:
        self.costs = self._world.costs_everywhere()
        self.truth = self._truth()
        self.forecast = forecast_of(self.parameters, *self._world.forecast())
        for seat in self.seats:
            seat.view.refresh()

    def _truth(self) -> Truth:
        parameters, floor = self.parameters, self.parameters.options.min_accuracy
        query, figures = self._world.weighed()
        told = self._world.expected()[1] if parameters.options.cold_start else figures
        is_accurate = ~(figures.coefficients.accuracy < (-np.inf if floor is None else floor))
        return Truth(
            forecast_of(parameters, query, told),
            objective(parameters, query, figures),
            (figures.latency_s <= parameters.limits_s[query.network]) & is_accurate,
            self._world.best(query, figures),
        )


class Seat:
    """A view whose figures were computed along with those of all others, and which waits for them.

    Attributes:
        view: what it shows of its environment.
        chosen: the target its agent took for the query now asked.
    """

    chosen: int

    def __init__(self, batch: Batch, view: View) -> None:
        self.view, self._batch = view, batch
        self.parameters = view.parameters

    @property
    def query(self) -> SimulatedQuery:
        """The query now asked."""
        return self.view.query

    @property
    def state(self) -> State:
        """What earlier choices left behind."""
        return self.view.state

    def choose(self, target: int) -> None:
        """Take a target for the query; ``Batch.step`` goes to the next.

        Raises:
            InvalidTarget: no such target.
        """
        self.view.check(target)
        self.chosen = target

    def run(self, target: int) -> Costs:
        """The same, for those who want to know what it will cost."""
        self.choose(target)
        if self.is_refused(target):
            return self.view.cost_of(target)
        costs, at = self._batch.costs, (self.view.number, target)
        coefficients = CostCoefficients.of([float(each[at]) for each in costs.coefficients.rows()])
        uses = [float(each[at]) for each in costs.uses]
        return Costs._make((*(float(each[at]) for each in costs[:-2]), uses, coefficients))

    def check(self, target: int) -> None:
        """Whether there is such a target.

        Raises:
            InvalidTarget: there is not.
        """
        self.view.check(target)

    def is_refused(self, target: int) -> bool:
        """Whether a target's link is down."""
        return self.view.is_refused(target)

    def forecast(self) -> Forecast:
        """What the profile says of every target."""
        return _row(self._batch.forecast, self.view.number)

    def forecast_again(self) -> Forecast:
        """What it says of the next query like this one; see ``View``."""
        return self.view.forecast_again()

    def truth(self) -> Forecast:
        """What the oracle expects of every target."""
        return _row(self._batch.truth.forecast, self.view.number)

    def best(self) -> int:
        """The oracle's target."""
        return int(self._batch.truth.best[self.view.number])

    def reachable(self) -> Indices:
        """Indices of the targets that can be reached now."""
        return self.view.reachable()

    def is_cloud_up(self) -> bool:
        """Whether the links to the cloud are up."""
        return self.view.is_cloud_up()

    def sensed(self) -> Sensed:
        """What can be sensed of the query."""
        return self.view.sensed()


def _row(every: Forecast, number: int) -> Forecast:
    return Forecast(every.latency_s[number], every.energy_j[number], every.carbon_g[number], every.accuracy[number])
