"""How often the intervals of off-policy evaluation hold the truth: ``python -m benchmarks.off_policy``.

A simulated phone strays from its profile by hidden factors. One policy logs, others are judged by its log; the truth is
what the simulator, which knows the factors, expects each to pay on those queries.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from autoscale import Agent, Choice, Context, Target
from autoscale.agents.fixed import DeviceBest
from autoscale.arrays import Floats
from autoscale.off_policy.judge import Judgement, judge
from autoscale.off_policy.logged import LoggedQuery
from autoscale_envs import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

LOGGED: Final = 1000


class Exploring(Agent):
    """The forecast's best, and with a chance of ``epsilon`` any that is admitted."""

    name = "exploring"
    epsilon = 0.3

    def select(self, context: Context) -> Choice:
        """By its probabilities."""
        chances = self.probabilities(context)
        index = int(self.rng.choice(chances.size, p=chances))
        return Choice(index, float(chances[index]))

    def probabilities(self, context: Context) -> Floats:
        """Epsilon over what is admitted, the rest to the forecast's best."""
        assert context.forecast is not None
        chances = np.zeros(len(self.targets))
        chances[context.admitted] = self.epsilon / context.admitted.size
        chances[context.forecast.best(context.goal, context.admitted)] += 1.0 - self.epsilon
        return chances


class Careful(Exploring):
    """Explores less than what logged."""

    epsilon = 0.05


class Cautious(Exploring):
    """Half the time on the NPU, else by the forecast."""

    def probabilities(self, context: Context) -> Floats:
        """Half to the NPU."""
        chances = 0.5 * super().probabilities(context)
        chances[[target.processor == "npu" and not target.is_remote for target in self.targets].index(True)] += 0.5
        return chances


JUDGED: Final[dict[str, Callable[[Sequence[Target]], Agent]]] = {
    "explores less": Careful,
    "half on the NPU": Cautious,
    "device-best": DeviceBest,
}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.off_policy", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {name: _summary([one_seed(seed)[name] for seed in range(asked.seeds)]) for name in JUDGED}
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    print("| policy | figure | ips | snips | doubly_robust | refused |\n|---|---|---:|---:|---:|---:|")
    for name, row in found.items():
        for figure in ("objective", "missed"):
            held = " | ".join(str(row[figure][each]) for each in ("ips", "snips", "doubly_robust"))
            print(f"| {name} | {figure} | {held} | {row['refused']} |")


_MEMO: dict[int, dict[str, tuple[Judgement, float, float]]] = {}


def one_seed(seed: int) -> dict[str, tuple[Judgement, float, float]]:
    """Of each policy the judgement, its true mean joules and its true chance of missing the goal."""
    if seed not in _MEMO:
        options = WorldOptions(device="mi8pro", scenario="D3", settings="threads", hidden_sigma=0.3)
        world = SimWorld(make_parameters(options), seed=seed)
        agents = {name: make(world.targets) for name, make in JUDGED.items()}
        logger, sums = Exploring(world.targets, seed), {name: np.zeros(2) for name in JUDGED}
        queries = [_logged(world, logger, agents, sums) for _ in range(LOGGED)]
        _MEMO[seed] = {name: (judge(make, queries), *(sums[name] / LOGGED)) for name, make in JUDGED.items()}
    return _MEMO[seed]


def _logged(world: SimWorld, logger: Agent, agents: dict[str, Agent], sums: dict[str, Floats]) -> LoggedQuery:
    """One query of the log; what each policy would pay for it is added to its sums: joules, misses."""
    context = world.observe()
    assert context.forecast is not None
    expected, choice = world.truth(), logger.select(context)
    late = (expected.latency_s > context.goal.latency_s).astype(float)
    for name, agent in agents.items():
        sums[name] += np.array([expected.objective(context.goal), late]) @ agent.probabilities(context)
    outcome = world.perform(None, context, choice).outcome
    return LoggedQuery(world.targets, context, choice.index, choice.probability, outcome)


def _summary(found: Sequence[tuple[Judgement, float, float]]) -> dict[str, object]:
    told = [each for each in found if each[0].refusal is None]
    held = {
        figure: {
            estimator: sum(
                getattr(each[0], figure)[estimator].low <= each[place] <= getattr(each[0], figure)[estimator].high
                for each in told
            )
            for estimator in ("ips", "snips", "doubly_robust")
        }
        for place, figure in ((1, "objective"), (2, "missed"))
    }
    return {**held, "refused": len(found) - len(told)}


if __name__ == "__main__":
    main()
