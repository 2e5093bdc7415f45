"""Starts from what the world forecasts, and corrects it: a Bayesian model of what the forecast misses.

The residual ln(actual / forecast) of energy, latency and carbon is the sum of what the device, a processor, a network
on the processor, a precision and a target have of their own (``correction.hierarchy``), of effects of load, memory,
heat, signal and clock (``correction.shared``), and of noise, all learned. Among the targets whose chance to be in time
is what the goal asks, the least expected objective is chosen; others as far as a look at them pays
(``correction.exploring``). A world without a forecast is one whose forecast says the same of all targets.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.cells import Cells
from autoscale.agents.correction.conditions import Conditions
from autoscale.agents.correction.exploring import (
    EVEN,
    LOOKS_EVERY,
    best_of,
    chance_late,
    completed,
    draw,
    expected,
    floor,
    horizon_of,
    late_looks,
    looks,
    told_by_one,
    tolerated,
)
from autoscale.agents.correction.fleet import (
    FLEET,
    checked_release,
    corrected,
    fleet_from_state,
    fleet_to_state,
    statement_of,
)
from autoscale.agents.correction.hierarchy import CARBON, ENERGY, LATENCY, QUANTITIES, ROW, TINY, Hierarchy, Triple
from autoscale.agents.correction.holes import filled, logarithms, mended
from autoscale.agents.correction.lesson import take_in
from autoscale.agents.correction.network import LEVEL, SETTLED, Level, Network, Scale
from autoscale.agents.correction.pooling import Statement
from autoscale.agents.correction.shared import DRIFT_EVERY, STALE, Shared
from autoscale.agents.correction.stored import cells_of, from_state, to_state
from autoscale.agents.correction.told import (
    accurate_enough,
    figures_of,
    forecast_of,
    margin_of,
    residuals_of,
    tells_apart,
)
from autoscale.agents.correction.turns import EVERY, Turns, turn_of
from autoscale.agents.correction.view import View
from autoscale.arrays import Flags, Floats, Indices, Numbers
from autoscale.query.belief import Belief
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

MEMORY: Final = 60.0
"""How many observations of a target are remembered; older ones fade."""

MOST_BYTES: Final = 5_000_000
"""What is known of networks takes no more than this; beyond, the one not asked for the longest time is forgotten."""

BYTES_BESIDE: Final = 800
"""What a network takes beside its arrays' figures: its objects, its name."""

NOTED: Final = 0.2
"""How far the logarithm of how far targets lie apart has to move, for networks to be worked out again by it."""


class Corrector(Agent):
    """A forecast, corrected; it says what it believes, and how sure it is."""

    name = "corrector"
    per_target = (
        "tree",
        "shifts",
        "sums",
        "effects",
        "spread",
        "noise",
        "figures",
        "alarms",
        "idle",
        "failures",
        "steady",
        "aged",
        "tries",
        FLEET,
    )
    derived = ("above",)

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._group(Cells(self.targets))
        self._scale = Scale()
        self._networks: dict[str, Network] = {}
        self._answered = 0
        self._fleet: dict[str, Floats] = {}
        self._view: View | None = None
        self._uniform: float | None = None

    def _group(self, cells: Cells) -> None:
        """Begin anew with what targets have in common."""
        self._cells, self._tree, self._conditions = cells, Hierarchy(cells), Conditions(cells)
        self._processor, self._precision = cells.processor.tolist(), cells.precision.tolist()
        self._position = cells.position.tolist()
        self._shared, self._turns = Shared(len(cells.processors)), Turns(len(cells.precisions))
        self._most_networks = max(MOST_BYTES // (16 * QUANTITIES * self._tree.nodes + BYTES_BESIDE), 1)

    def select(self, context: Context) -> Choice:
        """The target with the least expected cost in time, or one that is worth a look."""
        view = self._look(context)
        choice = view.choice or self._drawn(view)
        self._uniform = view.choice = None
        return choice

    def anticipate(self, context: Context) -> None:
        """Choose, so that nothing is left to do."""
        self.believe(context)
        view = self._look(context)
        view.choice = view.choice or self._drawn(view)

    def _drawn(self, view: View) -> Choice:
        """A target by its chance, and by a random number that is the next choice's, whichever context that is in."""
        if self._uniform is None:
            self._uniform = self.rng.random()
        number = draw(view.chance.cumsum(), self._uniform)
        return Choice(int(view.context.admitted[number]), view.chance.item(number))

    def learn(
        self,
        context: Context,
        index: int,
        outcome: Outcome,
        reward: float,
        next_context: Context | None = None,
    ) -> None:
        """Correct what is believed of a target, and of all that has something in common with it."""
        network, processor, precision = self._network(context), self._processor[index], self._precision[index]
        shared, tree = self._shared, self._tree
        features = (self._position[index], *self._conditions.of(processor, context.observation))
        was_due = self._turns.is_due(precision)
        cells, path = shared.cells(processor), tree.path(network.known, index)
        doubt = [cell.variance for cell in cells]
        mean, variance = tree.predict_one(path, network.scale, [cell.mean for cell in cells], doubt)
        residuals = residuals_of(self._told_of(context, index), outcome)
        if not shared.is_informed:
            self._compare(network, path, residuals, mean, doubt)
        knows = shared.is_informed and tree.has_tried(path)  # else it may be what the network has of its own there
        changed = self._turns.chance_changed(precision) if knows else 0.0
        lesson = take_in(
            cells,
            features,
            residuals,
            mean,
            variance,
            network,
            processor,
            changed=changed,
            changes=shared.changes[processor],
        )
        shared.changes[processor] += lesson.is_shared
        self._turns.tried(precision, was_due, lesson, outcome.is_late(context.goal))
        most = [
            MEMORY / cell.noise * (STALE if changed else 1.0)
            for cell, changed in zip(cells, lesson.has_changed, strict=True)
        ]
        told = tree.learn(path, network.scale, lesson.residual, lesson.precision, most)
        tree.put(network.known, index, path)
        for q, cell in enumerate(cells):
            if lesson.precision[q]:
                cell.told(told.weight[q], told.weighted[q])
        shared.put(processor)
        if not shared.is_informed:
            self._rescale()
            shared.refresh()
        self._answered += 1
        network.answered(self._answered, processor)
        if network.queries % DRIFT_EVERY == 0.0:
            shared.drift()
        self._view = None

    def _compare(self, network: Network, path: Triple, seen: Triple, mean: Triple, offset: Triple) -> None:
        """Learn how far targets lie apart, from the first one on a processor, the network's level being known.

        Of a processor that was tried the tree tells already most of what a target will be: it would make targets look
        alike that are not, and what no other processor resembles would never be worth a look.
        """
        for q in (ENERGY, LATENCY):
            if network.level.variance[q] < SETTLED and self._tree.is_untried(path, q) and seen[q] == seen[q]:
                explained = offset[q] + network.level.variance[q]
                self._scale.take_in(seen[q] - mean[q] - network.level.mean[q], explained)

    def _rescale(self) -> None:
        """Of targets that were found to lie closer, or further apart, than when a network first asked, think so."""
        now = self._scale.value
        told_nothing = [each for each in self._networks.values() if any(each.level.variance)]
        for network in told_nothing:
            if abs(math.log(now / network.scale)) > NOTED:
                self._shared.add(self._tree.rescale(network.known, network.scale, now))
                network.scale = now

    def probabilities(self, context: Context) -> Floats:
        """With what chance each target would be chosen now, shape (targets,)."""
        return self._everywhere(context, self._look(context).chance)

    def believe(self, context: Context) -> Belief:
        """What is believed of every target now, and with what chance each would be chosen."""
        view = self._look(context)
        if view.belief is None:
            view.belief = self._belief(context, view)
        return view.belief

    def _belief(self, context: Context, view: View) -> Belief:
        forecast, mean = view.forecast, view.mean
        network = self._network(context)
        noise = self._shared.noise[:CARBON] * np.array(network.restless[:CARBON])[:, None]
        level = np.array(network.level.variance[:CARBON])[:, None]
        deviation = np.sqrt(view.variance[:CARBON] + level + noise.take(self._cells.processor, 1))
        late = chance_late(view.margin, deviation[LATENCY])
        return Belief(
            self.targets,
            forecast.latency_s * np.exp(mean[LATENCY]),
            deviation[LATENCY],
            forecast.energy_j * np.exp(mean[ENERGY]),
            deviation[ENERGY],
            late,
            self._everywhere(context, view.in_time) > 0.0,
            self._everywhere(context, view.chance),
        )

    def _everywhere(self, context: Context, admitted: Numbers) -> Floats:
        """Figures of the admitted targets as those of all targets, 0 elsewhere."""
        figures = np.zeros(len(self.targets))
        figures[context.admitted] = admitted
        return figures

    def statement(self) -> Statement:
        """What it would tell a fleet of devices of this model (``correction.pooling``): means, no query of it."""
        return statement_of(self._networks, self._fleet, len(self.targets))

    def start_from(self, released: Mapping[str, Floats]) -> None:
        """Take what a fleet released (``Pool.release``) as part of the forecast; what is learned goes on top of it.

        Raises:
            PolicyError: it is of other targets.
        """
        self._fleet = checked_release(released, len(self.targets))
        self._view = None

    def state(self) -> Arrays:
        """What it has learned; see ``correction.stored``."""
        own = to_state(self._cells, self._tree, self._shared, self._turns, self._scale, self._networks)
        return own | fleet_to_state(self._fleet)

    def restore(self, state: Arrays) -> None:
        """Take back what was learned, by this agent or by the ``cost-model`` of earlier releases.

        Raises:
            PolicyError: arrays are missing or of another shape.
        """
        self._group(cells_of(self.targets, state))
        self._shared, self._turns, self._scale, self._networks = from_state(state, self._cells, self._tree)
        for name in list(self._networks)[: -self._most_networks]:  # of a policy with fewer targets, more have room
            del self._networks[name]
        self._answered = max((each.last for each in self._networks.values()), default=0)
        self.start_from(fleet_from_state(state))

    def _look(self, context: Context) -> View:
        """What is believed of the targets of a context, worked out once until something is learned."""
        if self._view is None or self._view.context is not context:
            self._view = self._looked(context)
        return self._view

    def _looked(self, context: Context) -> View:
        forecast, network = self._told(context), self._network(context)
        goal, admitted = context.goal, np.asarray(context.admitted)
        row = ROW[goal.objective]
        mean, variance = self._believed(network, context.observation, max(row, LATENCY) + 1)
        planned = self._planned(context, forecast, mean[LATENCY])
        promised = logarithms(planned.objective(goal))
        middle = promised + mean[row]
        margin = everywhere = margin_of(forecast, context, mean[LATENCY])
        if planned is not forecast:
            margin = margin_of(planned, context, mean[LATENCY])
        doubt, unsure, processor = variance[row], variance[LATENCY], self._cells.processor
        accurate = (
            None if goal.min_accuracy is None else accurate_enough(forecast.accuracy, goal.min_accuracy, admitted)
        )
        if admitted.size != middle.size:
            middle, margin, doubt, unsure = (each.take(admitted) for each in (middle, margin, doubt, unsure))
            processor = processor.take(admitted)
        spread = partial(self._latency_spread, network, unsure, processor)
        cost, margin = filled(expected(middle, doubt), margin)
        best, in_time = best_of(cost, accurate, margin, spread, goal.on_time)
        chance = floor(best, cost, in_time)
        is_late = margin.item(best) > 0.0
        if is_late or network.queries % LOOKS_EVERY == 1:
            cell = self._cells.precision.take(admitted)
            noise = [(self._shared.noise[q] * network.restless[q]).take(processor) for q in (row, LATENCY)]
            late = chance_late(margin, np.sqrt(unsure + noise[1]))
            over = margin if goal.on_time == EVEN else margin - tolerated(goal.on_time) * np.sqrt(noise[1])
            hope = 1.0 - chance_late(over, np.sqrt(told_by_one(unsure, noise[1])))
            most_late = late_looks(goal.on_time, self._shared.is_informed, network.queries)
            learned = told_by_one(doubt, noise[0])
            horizon = horizon_of(network.queries)
            stakes = self._turns.stakes(horizon, network.spacing).take(cell) if self._shared.is_informed else None
            told = (learned, in_time, accurate, late, over, hope, is_late)
            worth = looks(best, cost, *told, cell, horizon, most_late, stakes)
            chance = chance if worth is None else np.maximum(chance, worth)
        chance = completed(best, chance)
        if network.queries % EVERY == EVERY - 1 and self._shared.is_informed:
            late = chance_late(margin, spread())
            self._give_turn(chance, context, forecast, promised, float(cost[best]), accurate, late)
        return View(context, forecast, mean, variance, everywhere, in_time, chance)

    def _latency_spread(self, network: Network, variance: Floats, processor: Indices) -> Floats:
        """Standard deviation of the ln(latency) that targets will show, by the variance of its middle."""
        noise = self._shared.noise[LATENCY] * network.restless[LATENCY]
        return np.asarray(np.sqrt(variance + noise.take(processor)))

    def _give_turn(
        self,
        chance: Floats,
        context: Context,
        forecast: Forecast,
        promised: Floats,
        cost: float,
        accurate: Flags | None,
        late: Floats,
    ) -> None:
        """Share chances with the target that would be the best if the forecast were right, if its turn has come.

        A turn costs no more late answers than the goal allows.
        """
        goal, admitted = context.goal, context.admitted
        promised = promised[admitted]
        hopeful = self._turns.due()[self._cells.precision[admitted]] & (promised < cost)
        hopeful &= forecast.latency_s[admitted] <= goal.latency_s
        if accurate is not None:
            hopeful &= accurate
        if hopeful.any():
            index = int(np.where(hopeful, promised, np.inf).argmin())
            turn = turn_of(float(late[index]), goal.on_time)
            chance *= 1.0 - turn
            chance[index] += turn

    def _told(self, context: Context) -> Forecast:
        """The forecast, with what the fleet found of it."""
        return self._completed(context, forecast_of(context, self.targets))

    def _told_of(self, context: Context, index: int) -> Triple:
        """Energy, latency and carbon of one target as that has them, which where all are told need no other's."""
        view = self._view
        if view is not None and view.context is context:
            return figures_of(view.forecast, index)
        told = figures_of(forecast_of(context, self.targets), index)
        is_whole = not self._fleet and min(told) > TINY and math.isfinite(sum(told))
        return told if is_whole else figures_of(self._told(context), index)

    def _planned(self, context: Context, forecast: Forecast, residual: Floats) -> Forecast:
        """By which it chooses; an agent that looks ahead thinks of more than this query.

        Args:
            context: the query.
            forecast: of it.
            residual: what ln(latency) is believed to be off by, shape (targets,).
        """
        return forecast

    def _completed(self, context: Context, forecast: Forecast) -> Forecast:
        forecast = mended(forecast, context.goal)
        found = self._fleet.get(context.model.name) if self._fleet else None
        return forecast if found is None else corrected(forecast, found)

    def _believed(self, network: Network, seen: Observation, quantities: int) -> tuple[Floats, Floats]:
        """Mean and variance of every target's residual, of the first quantities, of shape (quantities, targets)."""
        shared, processor = self._shared, self._cells.processor
        moments = self._tree.predict(network.known, network.scale, shared.moments[:, :quantities])
        mean, variance = moments[0], moments[1]
        mean += self._conditions.explained(shared.linear, self._conditions(seen), quantities)
        variance += shared.shift_variance[:quantities].take(processor, 1)
        if network.shifts and (moved := network.moved(quantities, len(self._cells.processors))) is not None:
            moments += moved.take(processor, 2)
        if not shared.is_informed:
            mean += np.array(network.level.mean[:quantities])[:, None]
        return mean, variance

    def _network(self, context: Context) -> Network:
        """What is known of the network that asks; of one not met, that it is like the others."""
        network = self._networks.pop(context.model.name, None)
        if network is None:
            is_informed = tells_apart(self._told(context), context.goal)
            if not (self._networks or is_informed):
                self._group(Cells(self.targets, by_precision=True))
            if is_informed != self._shared.is_informed:
                self._shared.is_informed = is_informed
                self._shared.refresh()
            network = Network(self._tree.nothing(), spacing=1.0 + len(self._networks))
            if not is_informed:
                network.scale, network.level = self._scale.value, Level(LEVEL)
            if len(self._networks) >= self._most_networks:
                del self._networks[next(iter(self._networks))]
        self._networks[context.model.name] = network  # the one asked for last is the last
        return network
