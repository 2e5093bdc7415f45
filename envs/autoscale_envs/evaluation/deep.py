"""The deep agents of a comparison: trained for each of its devices before it begins, and frozen in it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer

from autoscale.agents.policies import save_policy
from autoscale.errors import InvalidInput, MissingExtra
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.progress import watching
from autoscale_envs.training.train import USUAL_QUERIES, Training, train

DEEP: Final = ("dqn", "ppo")
"""Stable-Baselines3's DQN, and the PPO of its contributions, which knows masks."""
SCENARIO: Final = "D4"
"""Where they are trained, as ``autoscale train`` does."""
NEEDED: Final = ("stable_baselines3", "sb3_contrib", "torch")


def lacking() -> str | None:
    """A package that training them lacks; None where all are here."""
    return next((each for each in NEEDED if find_spec(each) is None), None)


def with_trained(plan: Plan, names: Sequence[str], folder: Path, queries: Mapping[str, int] = USUAL_QUERIES) -> Plan:
    """The plan with each of the names as a policy of every device, trained in ``SCENARIO`` on all its networks.

    Args:
        plan: the comparison.
        names: some of ``DEEP``.
        folder: where the policies go; one that is there already is taken as it is.
        queries: how many train each.

    Raises:
        MissingExtra: a package that trains is not installed.
        InvalidInput: Ctrl-C ended the training.
    """
    package = lacking()
    if names and package is not None:
        raise MissingExtra(package, "train", f"training '{names[0]}'")
    policies = dict(plan.policies)
    for name in names:
        policies[name] = str(folder / f"{name}-{{device}}.npz")
        for device in plan.devices:
            path = Path(policies[name].replace("{device}", device))
            path.parent.mkdir(parents=True, exist_ok=True)  # a device may be a file somewhere
            if not path.exists():
                _train(replace(plan, in_turn=True), name, device, path, queries[name])
    return replace(plan, policies=policies)


def _train(plan: Plan, name: str, device: str, path: Path, queries: int) -> None:
    options = plan.world(Cell(device, SCENARIO, plan.networks[0]))
    typer.echo(f"training '{name}' on {device}: {queries} queries", err=True)
    with watching(queries, "queries", quiet=False) as watch:
        agent = train(Training(name, options, plan.seed), queries, report=watch)
    if agent is None:
        raise InvalidInput(f"the training of '{name}' was stopped; nothing was compared")
    save_policy(agent, path)
