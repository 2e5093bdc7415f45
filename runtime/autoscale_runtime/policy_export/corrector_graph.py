"""The corrector as an ONNX graph: what it has learned inside as constants, its rule of choice as nodes.

The rule has its home in ``autoscale.agents.corrector`` and ``autoscale.agents.correction.exploring``; this says it in
another language, step by step under the same names, and ``tests/runtime/policy_export`` holds the two together.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.agents.cells import Cells
from autoscale.agents.correction import conditions, exploring, holes
from autoscale.agents.correction.conditions import EFFECTS, POSITION, SHIFT
from autoscale.agents.correction.fleet import fleet_from_state
from autoscale.agents.correction.hierarchy import LATENCY, QUANTITIES, ROW, TINY, Hierarchy
from autoscale.agents.correction.network import LEVEL, Level, Network
from autoscale.agents.correction.shared import CHANGE, Shared
from autoscale.agents.correction.stored import cells_of, from_state
from autoscale.agents.correction.told import FIGURES, SAME
from autoscale.agents.correction.turns import EVERY, TURN
from autoscale.agents.corrector import Corrector
from autoscale.arrays import Floats, Indices
from autoscale.query.goal import Goal
from autoscale_runtime.policy_export.graph import Graph
from autoscale_runtime.policy_export.interface import DEVICE, LINK, observed

_FIGURES: Final = {"energy": "energy_j", "latency": "latency_s", "carbon": "carbon_g"}


def corrector_graph(agent: Corrector, goal: Goal) -> tuple[bytes, tuple[str, ...]]:
    """The graph's file, and the networks in the order of their indices."""
    known = _Known(agent, goal.on_time)
    count = known.cells.processor.size
    graph = Graph()
    network = graph.input("network", (), np.int64)
    forecast = {name: graph.input(name, (count,)) for name in FIGURES}
    admitted = graph.input("admitted", (count,), np.bool_)
    seen = graph.input("observation", (len(observed(agent.targets)),))
    limit_s, floor = graph.input("latency_limit_s", ()), graph.input("min_accuracy", ())
    uniform = graph.input("uniform", ())

    forecast |= {name: _mended(graph, forecast[name], name) for name in ("latency_s", _FIGURES[goal.objective])}
    case = _case(graph, known, network, [forecast[name] for name in ("latency_s", _FIGURES[goal.objective])])
    forecast |= _from_fleet(graph, known, case, forecast)
    logs = {name: _log(graph, forecast[name]) for name in _FIGURES.values()}
    mean, variance = _believed(graph, known, case, seen, ROW[goal.objective])
    middle = graph("Add", logs[_FIGURES[goal.objective]], mean[0])
    margin = graph("Add", logs["latency_s"], graph("Sub", mean[1], graph("Log", limit_s)))
    of_case = graph("Gather", graph.constant(known.noise), case)
    noise = [graph("Gather", of_case, np.array(each, np.int64)) for each in (ROW[goal.objective], LATENCY)]
    doubt, spread = variance[0], graph("Sqrt", graph("Add", variance[1], noise[1]))
    learned, sharper = (_told_by_one(graph, *each) for each in zip(variance, noise, strict=True))
    accurate = _accurate(graph, forecast["accuracy"], floor, admitted)
    cost = graph("Add", middle, graph("Mul", graph("Min", doubt, exploring.WIDEST), 0.5))
    is_hole = graph("Or", graph("IsNaN", cost), graph("IsNaN", margin))
    cost, margin = (graph("Where", is_hole, holes.HOLE, each) for each in (cost, margin))
    best, in_time = _best_of(graph, cost, accurate, margin, spread, goal.on_time)
    late = _chance_late(graph, margin, spread)
    horizon, stakes = (graph("Gather", graph.constant(each), case) for each in (known.horizon, known.stakes))
    most_late = graph("Gather", graph.constant(known.most_late), case)
    is_late = graph("Greater", graph("Gather", margin, best), 0.0)
    over = graph("Sub", margin, graph("Mul", exploring.tolerated(goal.on_time), graph("Sqrt", noise[1])))
    hope = graph("Sub", 1.0, _chance_late(graph, over, graph("Sqrt", sharper)))
    times, pays, cell = (late, over, hope, is_late), (horizon, stakes), known.cells.precision
    looks = _looks(graph, best, cost, learned, in_time, times, cell, pays, most_late, accurate)
    looks_now = graph("Or", is_late, graph("Gather", graph.constant(known.looks), case))
    looks = graph("Where", looks_now, looks, 0.0)
    chance = _chances(graph, best, cost, in_time, looks, admitted)
    due = graph("And", graph("Gather", graph.constant(known.is_due), case), graph.constant(known.waits))
    hopeful = graph("And", graph("And", due, accurate), graph("LessOrEqual", forecast["latency_s"], limit_s))
    turn = graph("Min", TURN, graph("Div", 1.0 - goal.on_time, late))
    chance = _give_turn(graph, chance, logs[_FIGURES[goal.objective]], graph("Gather", cost, best), hopeful, turn)
    index = _draw(graph, chance, uniform, admitted)
    graph.output(index, "target", (), np.int64)
    graph.output(graph("Gather", chance, index), "probability", ())
    return graph.model("corrector", "autoscale: chooses where an inference query runs"), tuple(known.names)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is believed of a network's targets under usual conditions, (quantities, targets)."""

    mean: Floats
    variance: Floats


class _Known:
    """What the agent has learned, by case: one a network, then of others where the forecast tells something, then where
    it does not.
    """

    def __init__(self, agent: Corrector, on_time: float) -> None:
        self.cells = cells_of(agent.targets, agent.state())
        self.links = list(dict.fromkeys(each.link for each in agent.targets if each.is_remote))
        tree = Hierarchy(self.cells)
        self.shared, turns, scale, networks = from_state(agent.state(), self.cells, tree)
        fleet = fleet_from_state(agent.state())
        unmet = 1.0 + len(networks)
        networks |= {name: Network(tree.nothing(), spacing=unmet) for name in fleet if name not in networks}
        self.names = list(networks)
        nothing = np.zeros((QUANTITIES, self.cells.processor.size))
        factors = np.exp([*(fleet.get(name, nothing) for name in self.names), nothing, nothing])
        self.fleet: Floats | None = factors if fleet else None
        told_nothing = Network(tree.nothing(), scale=scale.value, level=Level(LEVEL), spacing=unmet)
        strangers = [Network(tree.nothing(), spacing=unmet), told_nothing]
        usual = self.shared.is_informed
        everyone = [*((each, usual) for each in networks.values()), (strangers[0], True), (strangers[1], False)]
        cases = [self._case(tree, network, is_informed) for network, is_informed in everyone]
        self.mean, self.variance = (np.array([getattr(each, name) for each in cases]) for name in _Case.__slots__)
        self.horizon = np.array([exploring.horizon_of(network.queries) for network, _ in everyone])
        spacing = [network.spacing for network, _ in everyone]
        stakes = np.array([turns.stakes(*each) for each in zip(self.horizon.tolist(), spacing, strict=True)])
        stakes[[not is_informed for _, is_informed in everyone]] = 0.0
        self.stakes: Floats = stakes.take(self.cells.precision, 1)
        self.is_due = np.array([n.queries % EVERY == EVERY - 1 and is_informed for n, is_informed in everyone])
        self.looks = np.array([n.queries % exploring.LOOKS_EVERY == 1 for n, _ in everyone])
        self.most_late = np.array([exploring.late_looks(on_time, told, each.queries) for each, told in everyone])
        self.waits = turns.due()[self.cells.precision]
        restless = np.array([network.restless for network, _ in everyone])
        self.noise = self.shared.noise.take(self.cells.processor, 1) * restless[:, :, None]

    def _case(self, tree: Hierarchy, network: Network, is_informed: bool) -> _Case:
        """A network's case; what all networks share depends on whether the forecast tells targets apart."""
        shared = Shared(len(self.cells.processors))
        shared.sums[...], shared.is_informed = self.shared.sums, is_informed
        shared.refresh()
        mean, variance = tree.predict(network.known, network.scale, shared.moments)
        position = self.shared.effects[:, :, POSITION].take(self.cells.processor, 1) * self.cells.position
        level = 0.0 if is_informed else np.array(network.level.mean)[:, None]
        if (moved := network.moved(QUANTITIES, len(self.cells.processors))) is not None:
            mean, variance = np.stack([mean, variance]) + moved.take(self.cells.processor, 2)
        return _Case(mean + position + level, variance)


def _log(graph: Graph, figures: str) -> str:
    """NaN stays NaN, which not all runtimes promise of ``Max``."""
    return graph("Where", graph("IsNaN", figures), math.nan, graph("Log", graph("Max", figures, TINY)))


def _mended(graph: Graph, figures: str, name: str) -> str:
    """NaN for what is not told, a guess where nothing is."""
    is_told = graph("And", graph("Greater", figures, TINY), graph("Less", figures, math.inf))
    otherwise = graph("Where", graph.any(is_told), math.nan, holes.GUESS[name])
    return graph("Where", is_told, figures, otherwise)


def _from_fleet(graph: Graph, known: _Known, case: str, forecast: dict[str, str]) -> dict[str, str]:
    """The forecast's figures with what the fleet found of them."""
    if known.fleet is None:
        return {}
    factors = graph("Gather", graph.constant(known.fleet), case)
    return {
        name: graph("Mul", forecast[name], graph("Gather", factors, np.array(ROW[objective], np.int64)))
        for objective, name in _FIGURES.items()
    }


def _case(graph: Graph, known: _Known, network: str, told: list[str]) -> str:
    """The index of the case: the network's, or of the strangers' the one that fits the forecast."""
    is_informed = graph("And", *(_differ(graph, _log(graph, each)) for each in told))
    others = [graph.constant(np.array(len(known.names) + each, np.int64)) for each in range(2)]
    return graph("Where", graph("Less", network, np.array(0, np.int64)), graph("Where", is_informed, *others), network)


def _differ(graph: Graph, logs: str) -> str:
    """Whether figures tell targets apart."""
    is_hole = graph("IsNaN", logs)
    highest = graph("ReduceMax", graph("Where", is_hole, -math.inf, logs), keepdims=0)
    lowest = graph("ReduceMin", graph("Where", is_hole, math.inf, logs), keepdims=0)
    is_alone = graph("Less", graph.sum(graph.number(graph("Not", is_hole))), 1.5)
    return graph("Or", is_alone, graph("Greater", graph("Sub", highest, lowest), SAME))


def _believed(graph: Graph, known: _Known, case: str, seen: str, row: int) -> tuple[list[str], list[str]]:
    """Mean and variance of the objective's and the latency's residuals, each of shape (targets,)."""
    features, shared = _conditions(graph, known.cells, known.links, seen), known.shared
    shift = graph.sum(graph("Mul", graph.constant(shared.effects), features))
    width = graph.constant(shared.spread[..., SHIFT, SHIFT])
    found = []
    for usual, bent in ((known.mean, shift), (known.variance, width)):
        of_targets = graph("Gather", bent, graph.constant(known.cells.processor.astype(np.int64)), axis=1)
        everything = graph("Add", graph("Gather", graph.constant(usual), case), of_targets)
        found.append([graph("Gather", everything, np.array(each, np.int64)) for each in (row, LATENCY)])
    return found[0], found[1]


def _conditions(graph: Graph, cells: Cells, links: list[str], seen: str) -> str:
    """Features of each processor, shape (processors, EFFECTS)."""
    entries = {"one": graph.constant([1.0]), "none": graph.constant([0.0])}
    load, memory, celsius = (_entry(graph, seen, index) for index in range(len(DEVICE)))
    entries["load"], entries["memory"] = _or(graph, load, load, 0.0), _or(graph, memory, memory, 0.0)
    heat = graph("Div", graph("Sub", celsius, conditions.USUAL_C), 10.0)
    entries["heat"] = _or(graph, celsius, _within(graph, heat, 0.0, 4.0), 0.0)
    for number, link in enumerate(links):
        first = len(DEVICE) + len(LINK) * number
        rssi_dbm, trip_s = _entry(graph, seen, first), _entry(graph, seen, first + 1)
        weak = graph("Div", graph("Sub", conditions.USUAL_RSSI_DBM, rssi_dbm), 20.0)
        entries[f"weak {link}"] = _or(graph, rssi_dbm, _within(graph, weak, -2.0, 2.0), 0.0)
        far = graph("Div", graph("Log", graph("Div", trip_s, conditions.USUAL_ROUND_TRIP_S)), math.log(10.0))
        is_told = graph("Where", graph("Greater", trip_s, 0.0), trip_s, math.nan)
        entries[f"far {link}"] = _or(graph, is_told, _within(graph, far, -2.0, 2.0), 0.0)
    order = list(entries)
    rows = [
        ("one", "none", *(("load", "memory", "heat") if link is None else (f"weak {link}", f"far {link}", "load")))
        for link in conditions.links_of(cells.processors)
    ]
    places = np.array([[order.index(name) for name in row] for row in rows], np.int64)
    assert places.shape[1] == EFFECTS
    return graph("Gather", graph("Concat", *entries.values(), axis=0), places)


def _entry(graph: Graph, seen: str, index: int) -> str:
    return graph("Gather", seen, np.array([index], np.int64))


def _or(graph: Graph, told: str, value: str, otherwise: float) -> str:
    """A value where it was told, else another."""
    return graph("Where", graph("IsNaN", told), otherwise, value)


def _within(graph: Graph, value: str, least: float, most: float) -> str:
    return graph("Min", graph("Max", value, least), most)


def _accurate(graph: Graph, accuracy: str, floor: str, admitted: str) -> str:
    """Which of the admitted targets are accurate enough; where none is, the most accurate; without a floor all."""
    enough = graph("And", admitted, graph("Not", graph("Less", accuracy, floor)))
    is_known = graph("And", admitted, graph("Not", graph("IsNaN", accuracy)))
    most = graph("ReduceMax", graph("Where", is_known, accuracy, -math.inf), keepdims=1)
    truest = graph("And", is_known, graph("GreaterOrEqual", accuracy, most))
    return graph.either(graph("IsNaN", floor), admitted, graph.either(graph.any(enough), enough, truest))


def _best_of(graph: Graph, cost: str, accurate: str, margin: str, spread: str, on_time: float) -> tuple[str, str]:
    """The best target, of shape (1,), and which are as good as in time."""
    limit = graph("Mul", spread, exploring.tolerated(on_time))
    in_time = graph("And", graph("LessOrEqual", margin, limit), accurate)
    cheapest = graph.least_at(graph("Where", in_time, cost, math.inf))
    hopeful = graph("Where", accurate, margin, math.inf)
    likeliest = graph.least_at(graph("Div", hopeful, spread))
    is_likely = graph("LessOrEqual", graph("Gather", hopeful, likeliest), 0.0)
    late = graph.least_at(graph("Where", accurate, cost, math.inf))
    best = graph("Where", graph.any(in_time), cheapest, graph("Where", is_likely, likeliest, late))
    alone = graph("Equal", _numbered(graph, cost), likeliest)
    otherwise = graph.either(is_likely, alone, accurate)
    return best, graph.either(graph.any(in_time), in_time, otherwise)


def _numbered(graph: Graph, like: str) -> str:
    """0, 1, 2 ... along the targets."""
    size = graph("Squeeze", graph("Shape", like))
    return graph("Range", np.array(0, np.int64), size, np.array(1, np.int64))


def _chance_late(graph: Graph, margin: str, spread: str) -> str:
    steep = _within(graph, graph("Mul", margin, graph("Div", -exploring.LOGISTIC, spread)), -40.0, 40.0)
    return graph("Div", 1.0, graph("Add", graph("Exp", steep), 1.0))


def _chances(graph: Graph, best: str, cost: str, in_time: str, looks: str, admitted: str) -> str:
    """With what chance each target is chosen; 0 for those not admitted."""
    ratio = graph("Exp", graph("Sub", cost, graph("Gather", cost, best)))
    size = graph.sum(graph.number(admitted), keep=True)
    greed = graph("Add", graph("Mul", ratio, exploring.GREED), 1.0 - exploring.GREED)
    chance = graph("Where", in_time, graph("Div", 1.0, graph("Mul", size, greed)), 0.0)
    is_best = graph("Equal", _numbered(graph, cost), best)
    chance = graph("Where", is_best, 0.0, graph("Max", chance, looks))
    others = graph.sum(chance, keep=True)
    is_much = graph("Greater", others, exploring.MOST)
    chance = graph("Where", is_much, graph("Mul", chance, graph("Div", exploring.MOST, others)), chance)
    rest = graph("Sub", 1.0, graph("Where", is_much, exploring.MOST, others))
    return graph("Where", is_best, rest, chance)


def _told_by_one(graph: Graph, variance: str, noise: str) -> str:
    return graph("Mul", variance, graph("Div", variance, graph("Add", variance, noise)))


def _looks(
    graph: Graph,
    best: str,
    cost: str,
    learned: str,
    in_time: str,
    times: tuple[str, str, str, str],
    cell: Indices,
    pays: tuple[str, str],
    most_late: str,
    accurate: str,
) -> str:
    """Chances of the targets worth a look.

    The times are the chance of being late, how far above the limit and the hope of being in time, of each target, and
    whether the best is late.
    What pays is the horizon of what a figure teaches, and what each target may have become.
    """
    (late, over, hope, is_late), (horizon, stakes) = times, pays
    above = graph("Sub", cost, graph("Gather", cost, best))
    dearer = graph("Sub", graph("Exp", graph("Min", above, exploring.LARGEST_GAP)), 1.0)
    above, gap = graph("Max", above, 0.0), graph("Max", dearer, 0.0)
    width = graph("Sqrt", learned)
    away = graph("Div", above, width)
    fall = graph("Mul", away, graph("Add", graph("Mul", away, 0.4), 1.16))
    undercut = graph("Mul", width, graph("Exp", graph("Sub", -0.919, fall)))
    rescued = graph("Add", undercut, graph("Mul", hope, exploring.RESCUE))
    cheaper = graph("Mul", hope, graph("Sub", undercut, graph("Min", dearer, 0.0)))
    saved = graph("Where", is_late, rescued, cheaper)
    changed = graph("Mul", 0.5 * CHANGE, graph("Exp", graph("Div", graph("Max", above, over), -CHANGE)))
    found = graph("Mul", stakes, changed)
    worth = graph("Max", graph("Sub", graph("Add", graph("Mul", horizon, saved), found), gap), 0.0)
    may = graph("And", accurate, graph("Not", graph("Equal", _numbered(graph, gap), best)))
    worth = graph("Where", may, worth, 0.0)
    members = graph.constant((cell == np.arange(cell.max() + 1)[:, None]).astype(np.float64))
    together = graph("Gather", graph("MatMul", members, worth), graph.constant(cell.astype(np.int64)))
    worth = graph("Mul", worth, graph("Div", worth, graph("Where", graph("Greater", together, 0.0), together, 1.0)))
    total = graph("Max", graph.sum(worth, keep=True), exploring.WORTHWHILE)
    looks = graph("Mul", worth, graph("Div", exploring.LOOKING, total))
    out = graph("Where", in_time, 0.0, graph("Mul", looks, late))
    expected_late = graph.sum(out, keep=True)
    fewer = graph("Mul", looks, graph("Div", most_late, graph("Max", expected_late, TINY)))
    cut = graph("Where", in_time, looks, fewer)
    return graph("Where", graph("Greater", expected_late, most_late), cut, looks)


def _give_turn(graph: Graph, chance: str, promised: str, cost: str, hopeful: str, turn: str) -> str:
    """Share chances with the target that would be the best if the forecast were right, if its turn has come."""
    hopeful = graph("And", hopeful, graph("Less", promised, cost))
    first = graph.least_at(graph("Where", hopeful, promised, math.inf))
    turn = graph("Gather", turn, first)
    is_its = graph("Equal", _numbered(graph, chance), first)
    shared = graph("Add", graph("Mul", chance, graph("Sub", 1.0, turn)), graph("Where", is_its, turn, 0.0))
    return graph("Where", graph.any(hopeful), shared, chance)


def _draw(graph: Graph, chance: str, uniform: str, admitted: str) -> str:
    """The index that a uniform number stands for."""
    reached = graph("CumSum", chance, np.array(0, np.int64))
    passed = graph.sum(graph("Cast", graph("LessOrEqual", reached, uniform), to=7))
    last = graph("ReduceMax", graph("Where", admitted, _numbered(graph, chance), np.array(-1, np.int64)), keepdims=0)
    return graph("Min", passed, last)
