"""What agents spend that nobody tells anything: ``python -m benchmarks.no_profile [--agent NAME] [--seeds N]``.

On each of three phones without a profile all networks ask in turn (S1). Told, by how often a network has asked, is
what an agent's chances cost beyond the oracle's energy, its looks and what is late among them, in the mean of networks
and seeds; and the three networks that are the dearest in their last queries.
"""

import argparse
from collections import defaultdict
from itertools import pairwise
from typing import Final

import numpy as np

from autoscale import make_agent, run_query
from autoscale_envs import WorldOptions
from benchmarks.transfer import PHONES, Untold

QUERIES: Final = 130
"""Of each network on average."""
STRETCHES: Final = (0, 10, 20, 40, 70, 100, 150, 250)
LAST: Final = 20


def main() -> None:
    """Print a line a phone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="corrector")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=QUERIES)
    options = parser.parse_args()
    print("device         ", "  ".join(f"{first + 1}-{last}" for first, last in pairwise(STRETCHES)))
    for device in PHONES:
        curves, dear = [], []
        for seed in range(options.seeds):
            for network, excess in _excess(device, seed, options.agent, options.queries).items():
                parts = [excess[first:last] for first, last in pairwise(STRETCHES)]
                curves.append([float(np.mean(part)) if part else np.nan for part in parts])
                dear.append((float(np.mean(excess[-LAST:])), network, len(excess)))
        told = "  ".join(f"{each:.1%}" for each in np.nanmean(curves, axis=0))
        worst = ", ".join(f"{name} {each:.0%} after {count}" for each, name, count in sorted(dear)[-3:])
        print(f"{device:15} {told}   dearest: {worst}", flush=True)


def _excess(device: str, seed: int, name: str, queries: int) -> dict[str, list[float]]:
    """Of each network, query by query."""
    world = Untold(WorldOptions(device=device, scenario="S1"), seed=seed)
    agent, found = make_agent(name, world.targets, seed=seed), defaultdict[str, list[float]](list)
    for _ in range(queries * len(world.parameters.networks)):
        energy_j, context = world.truth().energy_j, world.observe()
        chances = agent.probabilities(context)
        found[context.model.name].append(float(chances @ energy_j / energy_j[world.oracle()] - 1.0))
        run_query(world, agent, None, "AUTO")
    return found


if __name__ == "__main__":
    main()
