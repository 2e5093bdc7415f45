"""Who takes part, by name: the oracle, the agents that ship, the paper's predictors, and policies from files."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Final

from autoscale.agents.base import AGENTS, Agent, Choice
from autoscale.agents.policies import load_policy
from autoscale.agents.q_learning import QLearning
from autoscale.errors import InvalidInput, MissingExtra
from autoscale.profiles.networks import network_names
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_envs.evaluation.deep import DEEP, lacking
from autoscale_envs.evaluation.own_agent import agent_of, check_agent_name
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.measured.contestants import ORACLE
from autoscale_envs.training.predictors import SAMPLES, fit
from autoscale_envs.training.samples import concatenated, gather
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

REFERENCE: Final = "device-cpu-fp32"
CLOUD: Final = "cloud"
EDGE: Final = "connected-edge"
BASELINES: Final = (ORACLE, REFERENCE, CLOUD)
"""Without these no figure has a meaning, so they always take part."""

PREDICTORS: Final = ("lr", "svr", "svm", "knn", "bo")
"""The paper's, fitted to the networks they will not be asked for; they are named by what fits them."""

GREEDY: Final = "q-learning-greedy"
PAPER: Final = "q-learning-paper"
USUAL: Final = (
    *(REFERENCE, "device-best", EDGE, CLOUD, *PREDICTORS),
    *("q-learning", GREEDY, "corrector", ORACLE),
)
VOWPAL: Final = "vw-squarecb"
RIVALS: Final = (
    *(REFERENCE, "device-best", EDGE, CLOUD, "npu-gpu-cpu", "fastest", "fallback-list"),
    *("q-learning", PAPER, "lin-ucb", "lin-ts", VOWPAL, *DEEP, "corrector", ORACLE),
)

Make = Callable[[SimWorld, int], Agent]
"""Makes an agent for a world, of a seed."""


class Opt(Agent):
    """The paper's "Opt": asks the simulator what is best.

    Args:
        world: whose oracle it asks.
    """

    name = ORACLE

    def __init__(self, world: SimWorld) -> None:
        super().__init__(world.targets)
        self._world = world

    def select(self, context: Context) -> Choice:
        """The best target."""
        return Choice(self._world.oracle(), 1.0)


class PaperQLearning(QLearning):
    """Q-learning by the paper's own reward (AutoScale, MICRO 2020, equation 5), which hardly minds a late answer.

    Of millijoules, milliseconds and percent: ``-energy + 0.1 * accuracy``, and ``0.1 * latency`` more where that is in
    time; an answer that is not accurate enough is worth its accuracy less 100.
    """

    name = PAPER

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """One step of the update rule, by the paper's reward."""
        accuracy = 100.0 * (outcome.accuracy or 0.0)
        earned = -1e3 * outcome.energy_j.device + 0.1 * accuracy
        if outcome.misses_accuracy(context.goal):
            earned = accuracy - 100.0
        elif not outcome.is_late(context.goal):
            earned += 0.1 * 1e3 * outcome.latency_s
        super().learn(context, index, outcome, earned, next_context)


class GreedyQLearning(QLearning):
    """Q-learning as the paper uses it: it explores for a while, and then takes what its table says.

    Args:
        targets: what it chooses from.
        exploring: how many queries it explores.
        seed: of its random generator.
    """

    name = GREEDY

    def __init__(self, targets: Sequence[Target], exploring: int, seed: int) -> None:
        super().__init__(targets, seed=seed)
        self._left = exploring

    def select(self, context: Context) -> Choice:
        """Epsilon-greedy, then greedy."""
        if self._left == 0:
            self.hyper = replace(self.hyper, epsilon=0.0)
        self._left -= 1
        return super().select(context)


def contestant_names() -> list[str]:
    """Every name that may take part without a file, sorted."""
    return sorted({ORACLE, GREEDY, PAPER, *AGENTS.names()} - {"frozen"})


def lineup(agents: Sequence[str], policies: Mapping[str, str]) -> tuple[str, ...]:
    """All that take part, in the order of the report; no agents means the usual ones.

    Raises:
        UnknownName: no such agent; the message names the nearest.
        InvalidInput: a policy has the name of an agent.
    """
    for name in agents:
        check_agent_name(name, contestant_names())
    for name in policies:
        if name in contestant_names():
            raise InvalidInput(f"a policy cannot be named '{name}': an agent is; give it another name")
    asked = tuple(agents) or USUAL
    return tuple(dict.fromkeys([*(name for name in USUAL if name in {*asked, *BASELINES}), *asked, *policies]))


def _lineup(plan: Plan) -> tuple[str, ...]:
    """The same for a plan; of the usual ones, the edge takes part where there is one."""
    names = lineup(plan.agents, plan.policies)
    return names if plan.agents or "edge" in plan.places() else tuple(name for name in names if name != EDGE)


def rivals() -> tuple[tuple[str, ...], dict[str, str]]:
    """Those of ``RIVALS`` whose packages are installed, and the others, each with what it needs."""
    lacks = {name: "pip install 'autoscale-inference[train]'" for name in DEEP if lacking() is not None}
    if find_spec("vowpalwabbit") is None:
        lacks[VOWPAL] = "pip install 'autoscale-inference[vw]'"
    return tuple(name for name in RIVALS if name not in lacks), lacks


def makers(plan: Plan, cell: Cell) -> dict[str, Make]:
    """How to make each contestant for one cell of the grid.

    Raises:
        MissingExtra: the predictors' package is not installed.
        PolicyError: a policy that cannot be read, or was made for other targets.
    """
    names = _lineup(plan)
    trained = _predictors(plan, cell, [name for name in names if name in PREDICTORS])
    return {name: _maker(name, plan, cell, trained) for name in names}


def check_contestants(plan: Plan) -> None:
    """Whether every contestant can be made, before the long run.

    Raises:
        UnknownName: no such agent; the message names the nearest.
        InvalidInput: a policy has the name of an agent.
        MissingExtra: the predictors' package is not installed.
        PolicyError: a policy cannot be read, or was made for other targets.
    """
    names = _lineup(plan)
    if {*names} & {*PREDICTORS} and find_spec("sklearn") is None:
        raise MissingExtra("scikit-learn", "train", "a predictor")
    if VOWPAL in names and find_spec("vowpalwabbit") is None:
        raise MissingExtra("vowpalwabbit", "vw", f"agent '{VOWPAL}'")
    for cell in {cell.device: cell for cell in plan.cells()}.values():
        targets = make_parameters(plan.world(cell)).targets
        for name in plan.policies:
            load_policy(policy_file(plan, name, cell.device), targets)


def policy_file(plan: Plan, name: str, device: str) -> Path:
    """The file of a policy for a device."""
    return Path(plan.policies[name].replace("{device}", device))


def _maker(name: str, plan: Plan, cell: Cell, trained: Mapping[str, Agent]) -> Make:
    if name == ORACLE:
        return lambda world, seed: Opt(world)
    if name == GREEDY:
        return lambda world, seed: GreedyQLearning(world.targets, plan.run_warm_up, seed)
    if name == PAPER:
        return lambda world, seed: PaperQLearning(world.targets, seed=seed)
    if name in trained:
        return lambda world, seed: trained[name]
    if name in plan.policies:
        path = policy_file(plan, name, cell.device)
        return lambda world, seed: load_policy(path, world.targets, seed)
    return lambda world, seed: agent_of(name, world.targets, seed)


def _predictors(plan: Plan, cell: Cell, names: Sequence[str]) -> dict[str, Agent]:
    """Fitted to samples of the cell's world from all networks that ship but the one it is about."""
    if not names:
        return {}
    others = tuple(each for each in network_names() if each != cell.network)
    parameters = make_parameters(replace(plan.world(cell), networks=others))
    samples = concatenated(parameters, islice(gather(parameters, plan.seed), SAMPLES))
    with warnings.catch_warnings():  # scikit-learn's advice on its optimiser is for whoever fits, not for who compares
        warnings.simplefilter("ignore")
        return {name: fit(name, parameters.targets, samples, plan.seed) for name in names}
