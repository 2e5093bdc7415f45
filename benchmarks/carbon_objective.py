"""What the carbon objective saves, and which assumptions carry that: ``python -m benchmarks.carbon_objective``.

Two oracles meet the same queries: one takes the target that adds the fewest grams, one that which takes the fewest of
the device's joules, both in time. The saving is of the grams that both added, counted under one assumption at a time;
who minimises grams knows it. A third is the energy oracle barred from the cloud: what that rule alone saves.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Flags, Floats, Numbers
from autoscale.query.forecast import best_targets
from autoscale_envs import WorldOptions
from autoscale_envs.variance.scenarios import PAPERS, SCENARIOS
from autoscale_envs.worlds.carbon import added_g, carbon
from autoscale_envs.worlds.dynamics import Costs
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.query import SimulatedQuery
from autoscale_envs.worlds.world import BatchedWorld

PHONES: Final = ("mi8pro", "s10e", "moto-x-force")
J_PER_KWH: Final = 3.6e6
FIGURES: Final = (
    "grams saved",
    "by keeping off the cloud alone",
    "joules more",
    "in the cloud, by energy",
    "by carbon",
)
Grams = Callable[[WorldParameters, SimulatedQuery, Costs], Numbers]


class Run(NamedTuple):
    """A world, its seeds, and how many queries each is asked."""

    parameters: WorldParameters
    seeds: Sequence[int]
    queries: int


@dataclass(frozen=True)
class Assumption:
    """What is assumed otherwise than usual.

    Attributes:
        making: of the remote machines, a factor.
        standing: of their idle power while they compute, a factor.
        phone_making: of the device, 1 or 0.
        device_g_per_kwh: of its grid; None for what the world says.
        cloud_g_per_kwh: of the cloud's, its building not counted.
        is_average: whether the network's average share counts and not the marginal one.
        links: as ``WorldOptions`` takes them.
    """

    making: float = 1.0
    standing: float = 1.0
    phone_making: float = 1.0
    device_g_per_kwh: float | None = None
    cloud_g_per_kwh: float | None = None
    is_average: bool = False
    links: tuple[tuple[str, str], ...] = ()

    def grams(self, parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Numbers:
        """What a query added, under it."""
        if self.device_g_per_kwh is not None:
            query = query._replace(device_g_per_j=self.device_g_per_kwh / J_PER_KWH)
        if self.cloud_g_per_kwh is not None:
            query = query._replace(cloud_g_per_j=self.cloud_g_per_kwh * parameters.pue / J_PER_KWH)
        pair, phone_s = cost.coefficients, cost.latency_s * self.phone_making
        pair = pair._replace(remote_embodied_g_per_s=pair.remote_embodied_g_per_s * self.making)
        more_j = (self.standing - 1.0) * pair.remote_idle_w * cost.remote_s
        cost = cost._replace(coefficients=pair, remote_j=cost.remote_j + more_j, latency_s=phone_s)
        if self.is_average:
            account = carbon(parameters, query, cost)
            return account.operational_g.total + account.embodied_g.total
        return added_g(parameters, query, cost)


USUAL: Final = Assumption()
ASSUMPTIONS: Final = {
    "as it ships": USUAL,
    "no machine's making": Assumption(making=0.0, phone_making=0.0),
    "no making of the phone": Assumption(phone_making=0.0),
    "no making of servers": Assumption(making=0.0),
    "their making 0.73 times, the range's low end": Assumption(making=0.73),
    "1.78 times, its high end": Assumption(making=1.78),
    "servers busy 30 % of the time, the rest shared by queries": Assumption(making=1 / 0.3, standing=1 / 0.3),
    "eight queries at a time share making and idle power": Assumption(making=1 / 8, standing=1 / 8),
    "no idle power of servers": Assumption(standing=0.0),
    "the network's average share": Assumption(is_average=True),
    "LTE to the cloud, marginal": Assumption(links=(("cloud", "lte"),)),
    "LTE to the cloud, average": Assumption(links=(("cloud", "lte"),), is_average=True),
    "clean grid at the cloud (30 g/kWh)": Assumption(cloud_g_per_kwh=30.0),
    "coal at the cloud (820 g/kWh)": Assumption(cloud_g_per_kwh=820.0),
    "clean at the device (30 g/kWh)": Assumption(device_g_per_kwh=30.0),
    "coal at the device (820 g/kWh)": Assumption(device_g_per_kwh=820.0),
    "clean at both": Assumption(device_g_per_kwh=30.0, cloud_g_per_kwh=30.0),
    "best for the cloud: eight at a time, clean there": Assumption(1 / 8, 1 / 8, cloud_g_per_kwh=30.0),
}


def joules(parameters: WorldParameters, query: SimulatedQuery, cost: Costs) -> Numbers:
    """The device's."""
    return cost.device_j


def totals(run: Run, minimised: Grams, counted: Sequence[Grams], allowed: Flags | bool = True) -> Floats:
    """What is counted, summed over an oracle's queries, and how often the cloud answered, one a seed."""
    parameters, seeds, queries = run
    world, sums = BatchedWorld(parameters, seeds, noisy=False), np.zeros((len(counted) + 1, len(seeds)))
    in_cloud = _in_cloud(parameters)
    for _ in range(queries):
        query, cost = world.expected()
        worth, accuracy = minimised(parameters, query, cost), cost.coefficients.accuracy
        limits_s = parameters.limits_s.take(query.network)
        best = best_targets(cost.latency_s, worth, accuracy, world.admitted() & allowed, limits_s, None)
        sums[:-1] += [each(parameters, query, cost)[world.everyone, best] for each in counted]
        sums[-1] += in_cloud[best]
        world.step(best)
    return sums


def _in_cloud(parameters: WorldParameters) -> Flags:
    return np.array([target.place == "cloud" for target in parameters.targets])


def one_cell(device: str, scenario: str, seeds: Sequence[int], queries: int) -> dict[str, Floats]:
    """Of each assumption figures of shape (``FIGURES``, seeds)."""
    found = {}
    for links in dict.fromkeys(each.links for each in ASSUMPTIONS.values()):
        some = {name: each for name, each in ASSUMPTIONS.items() if each.links == links}
        options = WorldOptions(device=device, scenario=scenario, objective="carbon", links=dict(links))
        run = Run(make_parameters(options), seeds, queries)
        counted = [*(each.grams for each in some.values()), joules]
        energy, barred = totals(run, joules, counted), totals(run, joules, counted, ~_in_cloud(run.parameters))
        for place, (name, each) in enumerate(some.items()):
            goal_g, goal_j, goal_cloud = totals(run, each.grams, [each.grams, joules])
            saved = 1.0 - goal_g / energy[place], 1.0 - barred[place] / energy[place]
            found[name] = np.stack([*saved, goal_j / energy[-2] - 1.0, energy[-1] / queries, goal_cloud / queries])
    return {name: found[name] for name in ASSUMPTIONS}


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.carbon_objective", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=10, help="devices of each model")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cells: dict[str, list[dict[str, Floats]]] = {}
    for name in SCENARIOS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        cells[name] = [one_cell(phone, name, range(asked.seeds), asked.queries) for phone in PHONES]
    usual, *_ = ASSUMPTIONS
    rows = {f"{name}, {SCENARIOS[name].title}": _over([name], cells, usual) for name in SCENARIOS}
    rows["mean of the paper's nine"] = _over(PAPERS, cells, usual)
    rows["mean of all"] = _over(SCENARIOS, cells, usual)
    assumed = {name: _over(SCENARIOS, cells, name) for name in ASSUMPTIONS}
    if asked.json:
        print(json.dumps({"scenarios": rows, "assumptions": assumed}, indent=2))
        return
    for title, table in (("scenario", rows), ("all scenarios, assuming", assumed)):
        print(f"\n| {title} | {' | '.join(FIGURES)} |\n|---|{'---:|' * len(FIGURES)}")
        for name, (saved, low, high, *others) in table.items():
            print(
                f"| {name} | {saved:.1%} ({low:.1%} to {high:.1%}) | {' | '.join(f'{each:.1%}' for each in others)} |"
            )


def _over(scenarios: Iterable[str], cells: dict[str, list[dict[str, Floats]]], assumption: str) -> list[float]:
    """Means over scenarios, phones and seeds; of the first figure the 95 % interval too, of a bootstrap over seeds."""
    figures = np.array(
        [[cell[assumption] for cell in cells[name]] for name in scenarios]
    )  # (..., phones, figures, seeds)
    by_seed = figures.mean(axis=(0, 1))
    drawn = np.random.default_rng(0).integers(by_seed.shape[1], size=(1000, by_seed.shape[1]))
    ends = np.quantile(by_seed[0][drawn].mean(axis=1), (0.025, 0.975))
    first, *others = by_seed.mean(axis=1).tolist()
    return [first, *ends.tolist(), *others]


if __name__ == "__main__":
    main()
