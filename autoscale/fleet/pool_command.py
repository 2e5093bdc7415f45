"""The command ``autoscale fleet pool``."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from autoscale.agents.correction.pooling import Pool, Privacy
from autoscale.agents.corrector import Corrector
from autoscale.agents.policies import load_policy, save_policy
from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput


def pool_command(
    policies: Annotated[
        list[Path],
        typer.Argument(help="Policy files of a device model's devices, one a device; the file's name is the device."),
    ],
    out: Annotated[Path, typer.Option(help="The policy that a new device of this model starts from.")] = Path(
        "start.npz"
    ),
    epsilon: Annotated[
        float, typer.Option(help="Epsilon of differential privacy, of this release; inf: no noise.")
    ] = 1.0,
    delta: Annotated[float, typer.Option(help="Delta of differential privacy, of this release.")] = 1e-6,
    least_devices: Annotated[int, typer.Option(help="Tell nothing of what fewer devices than this tried.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise, for tests; drawn at random if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one policy for new devices to start from of many devices' policies, with differential privacy.

    Each file's statement is bounded (16 pairs of network and target, a factor of 2), counted once. What a device adds
    to the figures is hidden in noise up to (epsilon, delta); which pairs are told at all is held by the least number of
    devices alone. Every release spends its epsilon anew. Files that cannot be read are named and left out.

    Example: autoscale fleet pool policies/*.npz --out start.npz --epsilon 1
    """
    privacy = Privacy(epsilon, delta, least_devices)
    pool, skipped = _pooled(policies)
    if pool is None:
        raise InvalidInput(f"none of {len(policies)} files is a corrector's policy: {_first(skipped)}")
    found = pool.release(privacy, np.random.default_rng(seed))
    told = {name: int((each != 0.0).any(axis=0).sum()) for name, each in found.items()}
    agent = Corrector(pool.targets)
    agent.start_from({name: each for name, each in found.items() if told[name]})
    save_policy(agent, out)
    facts = {
        "policy": str(out),
        "devices": len(pool),
        "skipped": skipped,
        "targets_told": told,
        "privacy": {
            "epsilon": epsilon if math.isfinite(epsilon) else None,
            "delta": delta,
            "least_devices": least_devices,
        },
    }
    if as_json:
        print_json(facts)
        return
    for path, why in skipped.items():
        typer.echo(f"left out: {path}: {why}", err=True)
    typer.echo(f"{len(pool)} devices; {sum(told.values())} pairs of network and target told; wrote {out}")


def _pooled(policies: list[Path]) -> tuple[Pool | None, dict[str, str]]:
    """All statements of the first one's targets, and why files are left out."""
    pool: Pool | None = None
    skipped: dict[str, str] = {}
    for path in policies:
        try:
            agent = load_policy(path) if pool is None else load_policy(path, pool.targets)
            if not isinstance(agent, Corrector):
                raise InvalidInput(f"agent is '{agent.name}'; allowed: corrector")
            pool = pool or Pool(agent.targets)
            pool.add(str(path), agent.statement())
        except (InvalidInput, ValueError, OSError) as error:
            skipped[str(path)] = str(error)
    return pool, skipped


def _first(skipped: dict[str, str]) -> str:
    return next((f"{path}: {why}" for path, why in skipped.items()), "there are none")
