"""How many queries a start from another phone's policy saves: ``python -m benchmarks.transfer``.

On each of three phones an agent learns ten networks, asked in turn; what it learned starts an agent on another phone,
beside one that starts from nothing and meets the same queries. Judged is what each thinks best: its most probable
target, not what it explores. It has settled after as many queries of a network as it takes until the energy beyond the
oracle's is within five points of where the one that started from nothing ends, and stays so (``metrics.settled``), in
the mean of networks and seeds.
"""

import argparse
import json
import sys
from collections.abc import Callable
from itertools import permutations, product
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale import Agent, Context, make_agent
from autoscale.agents.reward import reward
from autoscale.agents.transfer import transfer
from autoscale.arrays import Floats, Indices
from autoscale_envs import WorldOptions
from autoscale_envs.evaluation.metrics import excess_of, settled
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

PHONES: Final = ("mi8pro", "s10e", "moto-x-force")
PAPER: Final = 0.212
"""The paper's saving by transfer (AutoScale, MICRO 2020)."""
ENDING: Final = 30
"""Queries of a network at the end of a run that tell its level."""
EARLY: Final = 10
COLUMNS: Final = (
    "settled from nothing",
    "by transfer",
    "at its own end",
    "first ten from nothing",
    "by transfer",
    "whole run from nothing",
    "by transfer",
    "end from nothing",
    "by transfer",
)
"""How many queries; then the energy beyond the oracle's."""


class Untold(SimWorld):
    """Of a phone nobody has a profile of: no forecast."""

    def observe(self, query: Any = None) -> Context:
        """What is sensed alone."""
        seen = super().observe(query)
        return Context(seen.model, seen.observation, seen.goal, seen.admitted, None, seen.reference)


class Kind(NamedTuple):
    """An agent, its world, and how many queries of each network it is asked."""

    agent: str
    world: Callable[..., SimWorld]
    visits: int


KINDS: Final = {
    "q-learning": Kind("q-learning", SimWorld, 200),
    "corrector, no profile": Kind("corrector", Untold, 70),
    "corrector": Kind("corrector", SimWorld, 50),
}


def play(world: SimWorld, agent: Agent, visits: int) -> Floats:
    """Let it learn; the excess of what it thinks best, by visit and network, shape (visits, networks)."""
    count = len(world.parameters.networks)
    found: list[list[float]] = [[] for _ in range(count)]
    while min(map(len, found)) < visits:
        context = world.observe()
        found[world.parameters.networks.index(context.model)].append(_excess(world, agent, context))
        choice = agent.select(context)
        outcome = world.perform(None, context, choice).outcome
        agent.learn(context, choice.index, outcome, reward(outcome, context.goal, context.reference))
    return np.array([each[:visits] for each in found]).T


def _excess(world: SimWorld, agent: Agent, context: Context) -> float:
    """Of its most probable target."""
    truth, chosen = world.truth(), int(agent.probabilities(context).argmax())
    best = truth.best(context.goal, context.admitted)
    value, meets = truth.objective(context.goal), truth.latency_s <= context.goal.latency_s
    return float(excess_of(value[chosen], value[best], meets[chosen], meets[best]))


def curves(kind: str, seeds: int) -> dict[tuple[str, str], Floats]:
    """Of each pair of phones, and of each phone from ``"nothing"``, the excess, shape (seeds, visits)."""
    name, make_world, visits = KINDS[kind]
    parameters = {phone: make_parameters(WorldOptions(device=phone)) for phone in PHONES}
    found: dict[tuple[str, str], list[Floats]] = {}
    learned = {}
    for seed, phone in product(range(seeds), PHONES):  # these are also those that start from nothing
        world = make_world(parameters[phone], seed=seed)
        learned[seed, phone] = agent = make_agent(name, world.targets, seed)
        found.setdefault(("nothing", phone), []).append(play(world, agent, visits).mean(axis=1))
        print(f"{kind}, seed {seed}, {phone} ...", file=sys.stderr, flush=True)
    for seed, (source, phone) in product(range(seeds), permutations(PHONES, 2)):
        world = make_world(parameters[phone], seed=seed)
        heir = transfer(learned[(seed + 1) % seeds, source], world.targets, seed)  # of other hidden factors
        found.setdefault((source, phone), []).append(play(world, heir, visits).mean(axis=1))
        print(f"{kind}, seed {seed}, {source} to {phone} ...", file=sys.stderr, flush=True)
    return {pair: np.array(each) for pair, each in found.items()}


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[*KINDS], help="all where none is named")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {kind: summary(curves(kind, asked.seeds)) for kind in asked.only or KINDS}
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for kind, rows in found.items():
        print(f"\n| {kind} | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
        for name, row in rows["pairs"].items():
            told = [*(f"{each:.0f}" for each in row[:3]), *(f"{each:.1%}" for each in row[3:])]
            print(f"| {name} | {' | '.join(told)} |")
        low, high = rows["saved"][1:]
        print(
            f"Saved over all pairs: {rows['saved'][0]:.0%} of queries ({low:.0%} to {high:.0%}); the paper {PAPER:.1%}"
        )


def summary(found: dict[tuple[str, str], Floats]) -> dict[str, Any]:
    """``COLUMNS`` of each pair and of their mean; the share of queries that transfer saves, with a 95 % interval."""
    pairs, seeds, rng = [*permutations(PHONES, 2)], len(found["nothing", PHONES[0]]), np.random.default_rng(0)
    rows = {f"{source} to {phone}": _row(found["nothing", phone], found[source, phone]) for source, phone in pairs}
    rows["mean"] = np.mean([*rows.values()], axis=0).tolist()
    drawn = [_saved(found, rng.integers(seeds, size=seeds)) for _ in range(300)]
    return {"pairs": rows, "saved": [_saved(found, np.arange(seeds)), *np.quantile(drawn, (0.025, 0.975)).tolist()]}


def _row(alone: Floats, started: Floats) -> list[float]:
    own = _settled(started, started[:, -ENDING:].mean())
    parts = (slice(EARLY), slice(None), slice(-ENDING, None))
    return [*_both_settled(alone, started), own, *(each[:, part].mean() for part in parts for each in (alone, started))]


def _saved(found: dict[tuple[str, str], Floats], seeds: Indices) -> float:
    """Of the queries that settling takes, over all pairs."""
    pairs = permutations(PHONES, 2)
    each = [_both_settled(found["nothing", phone][seeds], found[source, phone][seeds]) for source, phone in pairs]
    alone, started = np.sum(each, axis=0)
    return float(1.0 - started / max(alone, 1.0))


def _both_settled(alone: Floats, started: Floats) -> tuple[float, float]:
    """After how many queries of a network either is where the first ends."""
    level = alone[:, -ENDING:].mean()
    return _settled(alone, level), _settled(started, level)


def _settled(curve: Floats, level: float) -> float:
    """The run's length where it never does."""
    return min(settled(curve.mean(axis=0) - level), float(curve.shape[1]))


if __name__ == "__main__":
    main()
