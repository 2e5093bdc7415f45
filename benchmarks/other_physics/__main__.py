"""Agents in a world of other physics: ``python -m benchmarks.other_physics [--seeds 10] [--plot FILE.png]``.

Ten networks ask in turn, 200 queries each, on three made-up phones; the last 50 queries of each network are judged, by
what was to be expected of the choices executed. Excess: energy of choices in time over the oracle's; interquartile
means over phones and seeds, and 95 % intervals by bootstrap. Then: the first query of a network that was never asked,
after 60 of each of nine others; networks back within 5 % in 15 of their queries after a processor doubled, or halved,
its cost unannounced; how often what came lay in the intervals that were told (``--plot`` draws it).
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from autoscale import Agent, Choice, Context, Target, make_agent, run_query
from autoscale.arrays import Floats
from benchmarks.other_physics.world import PHONES, OtherPhysics

VISITS: Final = 200
JUDGED: Final = 50
SHARES: Final = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
AGENTS: Final = ("nominal", "lin-ts", "corrector")
MARKS: Final = (0, 1, 5, 10, 20, 50, 100, 200)


class Nominal(Agent):
    """What the table says is best."""

    name = "nominal"

    def select(self, context: Context) -> Choice:
        """The forecast's best."""
        assert context.forecast is not None
        return Choice(context.forecast.best(context.goal, context.admitted), 1.0)


class Run(NamedTuple):
    """What came of one run, by visit and network; excess is infinite where the choice was late and need not be."""

    excess: Floats
    late: Floats
    oracle_late: Floats
    surprises: Floats


def make(name: str, targets: tuple[Target, ...], seed: int) -> Agent:
    """An agent by its name, or what the table says."""
    return Nominal(targets) if name == "nominal" else make_agent(name, targets, seed)


def play(world: OtherPhysics, agent: Agent, visits: int, change: Callable[[int], None] | None = None) -> Run:
    """All networks in turn, so many queries each."""
    shape, rows = (visits, len(world.models)), []
    for query in range(visits * shape[1]):
        if change is not None and query % shape[1] == 0:
            change(query // shape[1])
        rows.append(_asked(world, agent))
    columns = [np.array(each, dtype=np.float64) for each in zip(*rows, strict=True)]
    return Run(*(each.reshape(*shape, *each.shape[1:]) for each in columns))


def _asked(world: OtherPhysics, agent: Agent) -> tuple[float, bool, bool, tuple[float, float]]:
    (latency_s, energy_j), best, limit_s = world.truth(), world.best(), world.goals[world.network].latency_s
    luck = np.exp(world.noise[best] * world.rng.standard_normal())
    _, _, decision = run_query(world, agent, None, "AUTO")
    index = world.targets.index(decision.chosen)
    is_missed = latency_s[index] > limit_s >= latency_s[best]
    excess = np.inf if is_missed else energy_j[index] / energy_j[best] - 1.0
    surprises = (np.nan, np.nan)
    if decision.belief is not None:
        told = decision.belief.of(index)
        surprises = (
            np.log(decision.outcome.latency_s / told.latency_s) / told.latency_spread,
            np.log(decision.outcome.energy_j.device / told.energy_j) / told.energy_spread,
        )
    return excess, decision.outcome.latency_s > limit_s, latency_s[best] * luck > limit_s, surprises


def table(name: str, runs: list[Run]) -> list[str]:
    """The figures of one agent's runs."""
    last = np.stack([run.excess[-JUDGED:] for run in runs])
    per_run = 100.0 * np.array([_finite_mean(each) for each in last])
    late = [100.0 * np.mean([getattr(run, each)[-JUDGED:].mean() for run in runs]) for each in ("late", "oracle_late")]
    steady = np.mean([[_finite_mean(column) <= 0.05 for column in run.excess[10:].T] for run in runs])
    curve = [np.stack([run.excess[a:b] for run in runs]) for a, b in pairwise(MARKS)]
    low, high = _interval(per_run)
    return [
        f"{name:10} excess {_middle(per_run):5.2f} % ({low:.2f} to {high:.2f}; mean {per_run.mean():.2f}), "
        f"within 1 % {100 * (last <= 0.01).mean():.1f}, within 5 % {100 * (last <= 0.05).mean():.1f}, "
        f"networks within 5 % {100 * steady:.1f}, late {late[0]:.2f} (oracle {late[1]:.2f})",
        f"{'':10} by visit {MARKS[:-1]}: " + " ".join(f"{100 * _finite_mean(each):.1f}" for each in curve),
    ]


def first_query(name: str, sigma: float, seeds: int) -> Floats:
    """Excess of the first query of a tenth network, where nine were asked 60 times each, one number a run."""
    found = []
    for phone in PHONES:
        for seed in range(seeds):
            world = OtherPhysics(phone, sigma, seed)
            agent = make(name, world.targets, seed)
            while world.asked < 600:
                if world.network == len(world.models) - 1:
                    world.asked += 1
                    continue
                run_query(world, agent, None, "AUTO")
            world.asked = 609
            found.append(_asked(world, agent)[0])
    return np.array(found)


def recovered(name: str, sigma: float, seeds: int, factor: float) -> float:
    """Share of networks back within 5 %, five of six times, in 15 of their queries after a change."""
    back = []
    for phone in PHONES:
        for seed in range(seeds):
            world = OtherPhysics(phone, sigma, seed)
            change = lambda visit, world=world: world.change(factor) if visit == 40 else None  # noqa: E731
            good = play(world, make(name, world.targets, seed), 65, change).excess[40:] <= 0.05
            back += [any(each[at] and each[at : at + 6].sum() >= 5 for at in range(16)) for each in good.T]
    return float(np.mean(back))


def _finite_mean(excess: Floats) -> float:
    finite = excess[np.isfinite(excess)]
    return float(finite.mean()) if finite.size else np.inf


def _middle(values: Floats) -> float:
    """The interquartile mean."""
    ordered, cut = np.sort(values), len(values) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def _interval(values: Floats) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    middles = [_middle(rng.choice(values, len(values))) for _ in range(1000)]
    return float(np.quantile(middles, 0.025)), float(np.quantile(middles, 0.975))


def _plot(held: dict[str, Floats], path: str) -> None:
    """Share of outcomes inside the interval of each share; a straight line is right."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, shares in held.items():
        axes.plot(SHARES, shares, marker="o", markersize=3, label=name)
    axes.set(xlabel="share of outcomes the interval was said to hold", ylabel="share it held", aspect="equal")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the tables, and draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_physics", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each agent on each phone")
    parser.add_argument("--agents", default=",".join(AGENTS), help="by commas")
    parser.add_argument("--plot", help="where to draw how often intervals held (PNG)")
    given = parser.parse_args()
    held = {}
    for sigma in (0.15, 0.3):
        print(f"hidden factors of sigma {sigma}")
        for name in given.agents.split(","):
            runs = []
            for phone in PHONES:
                for seed in range(given.seeds):
                    world = OtherPhysics(phone, sigma, seed)
                    runs.append(play(world, make(name, world.targets, seed), VISITS))
            print("\n".join(table(name, runs)), flush=True)
            if not np.isnan(runs[0].surprises).any():
                surprises = np.abs(np.concatenate([run.surprises.reshape(-1, 2) for run in runs]))
                for number, quantity in enumerate(("latency", "energy")):
                    held[f"{quantity}, sigma {sigma}"] = _shares_held(surprises[:, number])
                    shares = held[f"{quantity}, sigma {sigma}"]
                    print(
                        f"{'':10} {quantity}: 80 % intervals held {100 * shares[7]:.1f} %, 95 % {100 * shares[9]:.1f} %"
                    )
            first = first_query(name, sigma, given.seeds)
            print(f"{'':10} first query of a new network {100 * _finite_mean(first):.1f} %", flush=True)
            if name != "nominal":
                worse, better = (100 * recovered(name, sigma, given.seeds, each) for each in (2.0, 0.5))
                print(
                    f"{'':10} back after a change for the worse {worse:.1f} %, for the better {better:.1f} %",
                    flush=True,
                )
    if given.plot:
        _plot(held, given.plot)


def _shares_held(surprises: Floats) -> Floats:
    """The share of outcomes within each of ``SHARES``'s intervals."""
    from statistics import NormalDist

    ends = [NormalDist().inv_cdf(0.5 + share / 2.0) for share in SHARES]
    return np.array([(surprises <= end).mean() for end in ends])


if __name__ == "__main__":
    main()
