"""What looking ahead could gain over the best choice of the moment: ``python -m benchmarks.lookahead``.

Choices leave traces: a warm device, a radio awake. The oracle takes what is best now. Beside it, in the same world of
known hidden factors: who knows all queries to come and searches whole episodes (a beam over what is left behind); who
knows none of them and plans as if the query of now were asked again and again, ``HORIZON`` times; and who looks at the
moment too, but as if every radio had been used one mean gap ago, so that its tail is a running cost, not one query's.

``--agents`` plays agents in the same cases instead, which learn as they go: the corrector, the one that looks ahead,
whatever else is named; ``--deep`` trains DQN and PPO for each case and phone, of so many queries and a discount of
``PATIENCE``, so that what comes counts. The savings are beside the first agent.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale import Agent, make_agent, run_query
from autoscale.arrays import Flags, Floats, Indices
from autoscale_envs import SimWorld, Training, WorldOptions
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.worlds.dynamics import State, calm, expected, transition
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.query import SimulatedQuery
from autoscale_envs.worlds.view import lone

PHONES: Final = ("mi8pro", "s10e", "moto-x-force")
LTE: Final[dict[str, Any]] = {"links": {"cloud": "lte"}}
NO_TABLET: Final[dict[str, Any]] = {**LTE, "remotes": {"cloud": "gpu-server"}}
CASES: Final[dict[str, dict[str, Any]]] = {
    "S1, nothing varies": {"scenario": "S1"},
    "S6, heat": {"scenario": "S6"},
    "S6, heat, a query every 0.1 s": {"scenario": "S6", "gap_s": 0.1},
    "S6, heat, the device alone": {"scenario": "S6", "remotes": {}},
    "D8, outages": {"scenario": "D8"},
    "LTE, a query every 0.5 s": LTE,
    "LTE, no tablet, every 0.5 s": NO_TABLET,
    "LTE, no tablet, every 3 s": {**NO_TABLET, "gap_s": 3.0},
    "LTE, no tablet, every 30 s": {**NO_TABLET, "gap_s": 30.0},
}
HORIZON: Final = 10
MISS: Final = 10.0
"""What a late answer weighs, in units of the reference: the reward's own."""
GRAIN: Final = (0.05, 0.01)
"""Paths that end within so many °C and seconds of rest of each other are one, the cheaper."""
LONGEST_REST_S: Final = 12.0
COLD: Final = {"S1, models opened by their first query": {"scenario": "S1", "cold_start": True}}
"""A case for agents alone."""
DEEP: Final = ("dqn", "ppo")
PATIENCE: Final = 0.9
"""The deep agents' discount: of what comes after ten queries a third counts."""
WHO: Final = ("moment", "running", "planned", "known")


class Asked(NamedTuple):
    """A query, and which targets can be reached."""

    query: SimulatedQuery
    reachable: Flags


class Paths(NamedTuple):
    """What has been chosen so far, several ways: state of shape (paths, 1), the rest of shape (paths,)."""

    state: State
    worth: Floats
    energy_j: Floats
    late: Floats
    first: Indices


class Setting(NamedTuple):
    """A world whose hidden factors are known."""

    parameters: WorldParameters
    hidden: Hidden

    def begun(self, state: State) -> Paths:
        """One path, of nothing yet."""
        return Paths(
            State.of([np.full((1, 1), each) for each in state.figures()]),
            np.zeros(1),
            np.zeros(1),
            np.zeros(1),
            np.array([-1]),
        )

    def extended(self, paths: Paths, asked: Asked, width: int) -> Paths:
        """Each path by each target, of which the ``width`` cheapest that differ in what they leave are kept."""
        parameters, query = self.parameters, asked.query
        targets = np.arange(len(parameters.targets))
        cost = expected(parameters, self.hidden, 0, query, paths.state, targets)
        late = (cost.latency_s > parameters.limits_s[query.network]).astype(float)
        weight = np.where(asked.reachable, cost.device_j + MISS * parameters.references[query.network] * late, np.inf)
        worth = paths.worth[:, None] + weight
        left = [
            np.broadcast_to(each, worth.shape).ravel()
            for each in transition(parameters, query, paths.state, cost).figures()
        ]
        kept = _cheapest(worth.ravel(), left, width)
        path, target = np.divmod(kept, len(targets))
        return Paths(
            State.of([each[kept, None] for each in left]),
            worth.ravel()[kept],
            paths.energy_j[path] + np.broadcast_to(cost.device_j, worth.shape)[path, target],
            paths.late[path] + np.broadcast_to(late, worth.shape)[path, target],
            np.where(paths.first[path] < 0, target, paths.first[path]),
        )

    def taking(self, paths: Paths, asked: Asked, target: int) -> Paths:
        """One path, by one target."""
        return self.extended(paths, asked._replace(reachable=np.arange(len(self.parameters.targets)) == target), 1)

    def running(self, paths: Paths, asked: Asked) -> int:
        """What would be best now, had the radios been used one mean gap ago."""
        rested = [np.minimum(each, self.parameters.options.gap_s) for each in paths.state.rest_s]
        awake = paths._replace(state=paths.state._replace(rest_s=rested), first=np.array([-1]))
        return int(self.extended(awake, asked, 1).first[0])

    def ahead(self, paths: Paths, asked: Asked, width: int) -> int:
        """The first of the best ``HORIZON`` choices, were the query of now asked again and again."""
        again = asked._replace(query=asked.query._replace(gap_s=self.parameters.options.gap_s))
        future = paths._replace(first=np.array([-1]))
        for each in repeat(again, HORIZON):
            future = self.extended(future, each, width)
        return int(future.first[future.worth.argmin()])


def _cheapest(worth: Floats, left: Sequence[Floats], width: int) -> Indices:
    """Indices of the cheapest of each kind of what is left, the cheapest first."""
    order = np.argsort(worth)[: np.isfinite(worth).sum()]
    if width == 1:
        return order[:1]
    grains = [left[0][order] / GRAIN[0], *(np.minimum(each[order], LONGEST_REST_S) / GRAIN[1] for each in left[2:])]
    _, firsts = np.unique(np.rint(np.stack(grains)), axis=1, return_index=True)
    return order[np.sort(firsts)[:width]]


def one_run(options: WorldOptions, seed: int, queries: int, width: int) -> dict[str, tuple[float, float]]:
    """Joules and late answers of each."""
    parameters = make_parameters(options)
    view = lone(parameters, seed)
    setting, start, row = Setting(parameters, view.world.hidden), view.state, []
    for _ in range(queries):
        row.append(Asked(calm(view.query), view.admitted()))
        view.run(parameters.reference_target)
    greedy = running = planned = known = setting.begun(start)
    for asked in row:
        greedy = setting.extended(greedy, asked, 1)
        running = setting.taking(running, asked, setting.running(running, asked))
        planned = setting.taking(planned, asked, setting.ahead(planned, asked, max(width // 4, 1)))
        known = setting.extended(known, asked, width)
    found = zip(WHO, (greedy, running, planned, known), strict=True)
    return {name: (float(each.energy_j[0]), float(each.late[0])) for name, each in found}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lookahead", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--width", type=int, default=64, help="paths that are kept; a quarter of them by who plans")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--agents", help="names by commas: play these, not oracles")
    parser.add_argument("--deep", type=int, default=0, help="with --agents: queries that train DQN and PPO, each")
    parser.add_argument("--phones", default=",".join(PHONES))
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    asked = parser.parse_args()
    if asked.agents:
        agents_table(asked)
    else:
        oracles_table(asked)


def oracles_table(asked: argparse.Namespace) -> None:
    """What who plans saves of what who looks at the moment spends."""
    found = {}
    if not asked.json:
        print(
            "| | tails as a running cost | a horizon | knowing what comes | late, with the moment's first |", flush=True
        )
        print("|---|---:|---:|---:|---:|", flush=True)
    for name, given in CASES.items():
        found[name] = case(given, asked.seeds, asked.queries, asked.width)
        if not asked.json:
            print(f"| {name} | {' | '.join(_row(found[name]))} |", flush=True)
    if asked.json:
        print(json.dumps(found, indent=2))


def agents_table(asked: argparse.Namespace) -> None:
    """What each agent saves of the first one's joules, and how often each is late."""
    names = asked.agents.split(",")
    shown = [*names, *(DEEP if asked.deep else ())]
    print(f"| | {' | '.join(shown[1:])} | late: {', '.join(shown)} |")
    print("|---" + "|---:" * len(shown) + "|", flush=True)
    for name, given in (CASES | COLD).items():
        if asked.cases in name:
            worlds = [WorldOptions(device=phone, **given) for phone in asked.phones.split(",")]
            figures = np.array([phone_runs(world, names, asked) for world in worlds])  # (phones, seeds, agents, figure)
            saved, late = 1.0 - figures[..., 0] / figures[..., :1, 0], figures[..., 1].mean(axis=(0, 1)) / asked.queries
            gains = [_with_ends(saved[..., each]) for each in range(1, saved.shape[-1])]
            told = [f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in gains]
            print(f"| {name} | {' | '.join(told)} | {', '.join(f'{each:.1%}' for each in late)} |", flush=True)


def phone_runs(
    options: WorldOptions, names: Sequence[str], asked: argparse.Namespace
) -> list[list[tuple[float, float]]]:
    """Joules and late answers of each agent on one phone, of each seed, over the same queries."""
    parameters, trained = make_parameters(options), deep_agents(options, asked.deep)
    return [
        [
            played(SimWorld(parameters, seed), agent, asked.queries)
            for agent in (*(make_agent(name, parameters.targets, seed) for name in names), *trained)
        ]
        for seed in range(asked.seeds)
    ]


def deep_agents(options: WorldOptions, queries: int) -> list[Agent]:
    """DQN and PPO, trained in that world's own case on other devices of the kind; none for no queries."""
    if not queries:
        return []
    from autoscale_envs.training.sb3_learner import DqnLearner, PpoLearner  # torch takes seconds

    found = []
    for kind, name in ((DqnLearner, "dqn"), (PpoLearner, "ppo")):
        learner = type(f"Patient{kind.__name__}", (kind,), {"discount": PATIENCE})(Training(name, options, seed=1000))
        learner.run(queries, lambda done, reward: True)
        found.append(learner.agent())
    return found


def played(world: SimWorld, agent: Agent, queries: int) -> tuple[float, float]:
    """Its joules and late answers."""
    energy_j, late = 0.0, 0
    for _ in range(queries):
        _, context, decision = run_query(world, agent, None, "AUTO")
        energy_j += decision.outcome.energy_j.device
        late += decision.outcome.is_late(context.goal)
    return energy_j, float(late)


def case(given: dict[str, Any], seeds: int, queries: int, width: int) -> dict[str, dict[str, list[float]]]:
    """Of each the late fraction, and what it saves of the moment's energy: mean and 95 % interval."""
    runs = [
        [one_run(WorldOptions(device=phone, **given), seed, queries, width) for seed in range(seeds)]
        for phone in PHONES
    ]
    figures = np.array([[[*run.values()] for run in phone] for phone in runs])  # (phones, seeds, who, figure)
    saved = 1.0 - figures[..., 0] / figures[..., :1, 0]
    late = figures[..., 1].mean(axis=(0, 1)) / queries
    return {who: {"saved": _with_ends(saved[..., i]), "late": [float(late[i])]} for i, who in enumerate(runs[0][0])}


def _with_ends(saved: Floats) -> list[float]:
    """The mean over phones and seeds, with the ends of a bootstrap's interval that draws each phone's seeds anew."""
    rng, seeds = np.random.default_rng(0), saved.shape[1]
    drawn = rng.integers(seeds, size=(1000, *saved.shape))
    means = np.take_along_axis(np.broadcast_to(saved, drawn.shape), drawn, axis=2).mean(axis=(1, 2))
    return [float(saved.mean()), *map(float, np.quantile(means, (0.025, 0.975)))]


def _row(found: dict[str, dict[str, list[float]]]) -> list[str]:
    gains = [f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in (found[who]["saved"] for who in WHO[1:])]
    return [*gains, ", ".join(f"{found[who]['late'][0]:.1%}" for who in WHO)]


if __name__ == "__main__":
    main()
