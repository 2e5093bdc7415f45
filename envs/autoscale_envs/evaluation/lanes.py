"""Many worlds in lockstep: every agent goes through the one loop, and the arithmetic of all is done at once.

A lane is the world of one agent with one seed. Lanes of one seed meet the same queries under the same conditions; what
their agents do changes only their own state. Each is a ``SimWorld``, so ``autoscale.loop.run_query`` serves here as it
does in training and on a device, and a lane's outcomes are to the last bit those of a lone world with that seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autoscale.agents.base import Choice
from autoscale.query.forecast import Floats, Forecast, Indices
from autoscale_envs.variance.battery import start_charge
from autoscale_envs.variance.hidden import nominal
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.blocks import Sensed, SimulatedQuery
from autoscale_envs.worlds.dynamics import (
    CostCoefficients,
    Costs,
    State,
    added_g,
    calm,
    costs,
    expected,
    initial,
    known,
    objective,
    transition,
)
from autoscale_envs.worlds.oracle import best_targets
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.scalar import ScalarWorld
from autoscale_envs.worlds.score import Score, score
from autoscale_envs.worlds.streams import Streams
from autoscale_envs.worlds.world import SimWorld


class Truth(NamedTuple):
    """What the simulator alone knows of every lane's query.

    Attributes:
        objective: expected on each target, shape (lanes, targets).
        meets: whether a target is expected to meet the goal, shape (lanes, targets).
        best: the oracle's target, shape (lanes,).
    """

    objective: Floats
    meets: Flags
    best: Indices


class Turn(NamedTuple):
    """What every lane made of one query; arrays over lanes."""

    chosen: Indices
    truth: Truth
    objective: Floats
    device_j: Floats
    score: Score


class Lane(ScalarWorld):
    """A world's inside whose figures were computed along with those of all other lanes.

    Attributes:
        chosen: the target its agent took for the query now asked.
    """

    chosen: int

    def __init__(self, tables: WorldParameters, lanes: "Lanes", number: int) -> None:
        self.tables = tables
        self._lanes, self._number = lanes, number
        self._all = np.arange(len(tables.targets))

    def show(self, streams: Streams, state: State) -> None:
        """Put the lane before its next query."""
        self.query, self.state = streams.now_at(self._number), state
        self._now = streams.sensed_at(self._number)

    def sensed(self) -> Sensed:
        """What can be sensed of the query."""
        return self._now

    def run(self, target: int) -> Costs:
        """What the query costs there; ``Lanes.advance`` goes to the next."""
        self.check(target)
        self.chosen, spent, at = target, self._lanes.spent, (self._number, target)
        pair = CostCoefficients.of([float(each[at]) for each in spent.pair.rows()])
        return Costs._make((*(float(each[at]) for each in spent[:-1]), pair))

    def forecast(self) -> Forecast:
        """What the profile says of every target."""
        every = self._lanes.forecast
        return Forecast(*(getattr(every, name)[self._number] for name in Forecast.__slots__))

    def best(self) -> int:
        """The oracle's target."""
        return int(self._lanes.truth.best[self._number])


class LaneWorld(SimWorld):
    """A lane as its agent sees it."""

    def __init__(self, lane: Lane) -> None:
        self.tables = lane.tables
        self.targets = lane.tables.targets
        self._single = self._lane = lane

    def take(self, choice: Choice) -> None:
        """``perform`` for an agent that will not look at the outcome."""
        self._lane.check(choice.index)
        self._lane.chosen = choice.index


class Lanes:
    """The worlds, all at the same query.

    Args:
        tables: what they have in common.
        seeds: one each.
        noisy: False leaves out what nobody can know of a single query: jitter, waits in queues, the spread of
            repeated runs.

    Attributes:
        worlds: one a lane.
        forecast: what the profile says of the queries now asked, each array of shape (lanes, targets).
        truth: what is true of them.
        spent: what they will cost, each array of shape (lanes, targets).
    """

    forecast: Forecast
    truth: Truth
    spent: Costs

    def __init__(self, tables: WorldParameters, seeds: Sequence[int], noisy: bool = True) -> None:
        self.tables = tables
        self._noisy = noisy
        self._every = np.arange(len(seeds))
        self._targets = np.arange(len(tables.targets))
        self._streams = Streams(tables, seeds, keeps_sensed=True)
        self._state = initial(tables, start_charge(self._streams.restart(self._every)))
        self._nominal = nominal(1, tables.counts)
        self._lanes = [Lane(tables, self, number) for number in range(len(seeds))]
        self.worlds = [LaneWorld(lane) for lane in self._lanes]
        self._look()

    def advance(self) -> Turn:
        """Take every lane to its next query, once all have chosen."""
        chosen = np.array([lane.chosen for lane in self._lanes], dtype=np.intp)
        tables, query = self.tables, self._query
        spent = costs(tables, self._streams.hidden, self._every, query, self._state, chosen)
        value = objective(tables, query, spent)
        turn = Turn(chosen, self.truth, value, spent.device_j, score(tables, query, spent))
        self._state = transition(tables, query, self._state, spent)
        self._streams.advance()
        self._look()
        return turn

    def _look(self) -> None:
        query, _ = self._streams.now()
        self._query = query if self._noisy else calm(query)
        hidden, wide = self._streams.hidden, self._query.wide()
        state = self._state.wide()
        self.spent = costs(self.tables, hidden, self._every[:, None], wide, state, self._targets)
        self.truth = self._judge(wide, expected(self.tables, hidden, self._every[:, None], wide, state, self._targets))
        wide = known(self.tables, hidden, self._every, query).wide()
        self.forecast = self._tell(wide, expected(self.tables, self._nominal, 0, wide, state, self._targets))
        for lane, *felt in zip(self._lanes, *(each.tolist() for each in self._state.figures()), strict=True):
            lane.show(self._streams, State.of(felt))

    def _judge(self, query: SimulatedQuery, figures: Costs) -> Truth:
        tables, value = self.tables, objective(self.tables, query, figures)
        limit_s, floor = tables.limits_s[query.network], tables.options.min_accuracy
        accuracy = figures.pair.accuracy
        admitted = tables.admitted(self._streams.links_up())
        meets = (figures.latency_s <= limit_s) & ~(accuracy < (-np.inf if floor is None else floor))
        best = best_targets(figures.latency_s, value, accuracy, admitted, limit_s[:, 0], floor)
        return Truth(value, meets, best)

    def _tell(self, query: SimulatedQuery, figures: Costs) -> Forecast:
        grams = added_g(self.tables, query, figures)
        return Forecast(figures.latency_s, figures.device_j, grams, figures.pair.accuracy)
