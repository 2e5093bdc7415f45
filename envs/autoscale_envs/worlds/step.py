"""A step of the simulator: what choices are answered with, and what they leave behind."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autoscale.arrays import Indices, Numbers, row_of
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.worlds.compiled import Compiled
from autoscale_envs.worlds.dynamics import State, answering, attempted, costs, transition
from autoscale_envs.worlds.loops import Loops, Number
from autoscale_envs.worlds.observe import SENSED, Rows, felt, network_rows
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import ALONE, SimulatedQuery, per_link
from autoscale_envs.worlds.score import Score, score


class Answer(NamedTuple):
    """What choices are answered with; numbers or arrays.

    Attributes:
        latency_s: see ``Costs``.
        device_j: likewise.
        score: what that was worth.
        is_refused: whether the target was none that could be chosen.
    """

    latency_s: Numbers
    device_j: Numbers
    score: Score
    is_refused: Numbers


def answer(
    parameters: WorldParameters,
    hidden: Hidden,
    environment: Numbers,
    query: SimulatedQuery,
    state: State,
    target: Numbers,
    is_up: Numbers,
) -> tuple[Answer, State]:
    """A step; arguments as for ``dynamics.costs``, and whether the links to the cloud are up."""
    at, is_refused = (parameters, hidden, environment, query, state, target), False
    if parameters.may_refuse:
        is_refused = parameters.refuses(is_up, query.network, target)
        cost = attempted(*at, is_refused)
        target = answering(parameters, query.network, target, is_refused)
    else:
        cost = costs(*at)
    worth, after = score(parameters, query, cost), transition(parameters, query, state, cost, target)
    return Answer(cost.latency_s, cost.device_j, worth, is_refused), after


class CompiledWorld:
    """The same for many environments, compiled; of a world where no target has to be opened.

    Args:
        parameters: of the world.
        hidden: the factors of its environments, which are read in each step where they lie.
        state: what earlier choices left behind; each step changes it where it lies.
        queries: of each environment in a block.

    Raises:
        MissingExtra: llvmlite is not installed.
    """

    def __init__(self, parameters: WorldParameters, hidden: Hidden, state: State, queries: int) -> None:
        self._parameters, self._state, self._queries = parameters, state, queries
        self._step, self._rows = self._written_step(hidden), self._written_rows()

    def step(self, block: Sequence[Any], targets: Indices) -> Answer:
        """Answer the queries that ``Streams.block`` tells."""
        figures, flags = self._step(*block[:-1], np.ascontiguousarray(targets, np.intp))
        latency_s, device_j, reward, objective, carbon_g = figures
        is_late, is_inaccurate, is_refused = flags
        return Answer(latency_s, device_j, Score(reward, is_late, is_inaccurate, objective, carbon_g), is_refused)

    def rows(self, block: Sequence[Any]) -> Rows:
        """These as rows of features, shape (n, 24)."""
        position, network, *_, seen = block
        rows: Rows = self._rows(position, network, seen)[0]
        return rows

    def _written_step(self, hidden: Hidden) -> Compiled:
        loops, length, at = self._begun()
        parameters, links = self._parameters, len(self._parameters.remotes)
        network, elapsed_s = loops.given(np.intp, length, at=at), loops.given(np.float64, length, at=at)
        alone = loops.given(np.float32, ALONE, length, at=at)
        of_links = loops.given(np.float32, per_link(parameters.parts), links, length, at=at)
        query, is_up = SimulatedQuery(network, elapsed_s, *alone, *of_links), loops.given(np.bool_, length, at=at)
        target = loops.given(np.intp, loops.count)
        told, after = answer(parameters, hidden, loops.environment, query, self._felt(loops), target, is_up)
        worth = told.score
        loops.tell(np.float64, [*told[:2], worth.reward, worth.objective, worth.carbon_g])
        loops.tell(np.bool_, [worth.is_late, worth.is_inaccurate, told.is_refused])
        for mine, value in zip(self._state.figures(), after.figures(), strict=True):
            loops.put(mine, value)
        return Compiled(loops)

    def _written_rows(self) -> Compiled:
        loops, length, at = self._begun()
        parameters, network = self._parameters, loops.given(np.intp, length, at=at)
        row = row_of(network_rows(parameters.networks, parameters.goals), network)
        row[SENSED] = loops.given(np.float32, SENSED.stop - SENSED.start, length, at=at)
        for feature, value in felt(self._felt(loops), parameters.device.battery_wh is not None).items():
            row[feature] = value
        loops.tell(np.float32, row, by_environment=True)
        return Compiled(loops)

    def _begun(self) -> tuple[Loops, int, Number]:
        """Loops, how long a block's rows are, and where in them an environment's query stands."""
        count = len(self._state.battery)
        loops = Loops(count)
        return loops, self._queries * count, loops.given(np.intp, count) * count + loops.environment

    def _felt(self, loops: Loops) -> State:
        return State.of([loops.entry(each, loops.environment) for each in self._state.figures()])
