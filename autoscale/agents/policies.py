"""Agents in files: one zip of plain arrays and a JSON header, no pickle, written atomically."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.agents.array_file import read_array_file, write_array_file
from autoscale.agents.base import AGENTS, Agent, Arrays
from autoscale.agents.transfer import transfer
from autoscale.errors import InvalidInput, PolicyError, listing
from autoscale.query.target import Target

FORMAT: Final = "autoscale-policy"
VERSION: Final = 1


def save_policy(agent: Agent, path: Path | str) -> None:
    """Write an agent's name, targets, options and state; an older file stays whole until the new one is complete.

    Raises:
        PolicyError: the folder is missing, read-only or full.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "agent": agent.name,
        "targets": [str(target) for target in agent.targets],
        "options": dict(agent.options()),
    }
    write_array_file(path, header, agent.state(), "policy")


def load_policy(
    path: Path | str, targets: Sequence[Target] | None = None, seed: int = 0, *, adapt: bool = False
) -> Agent:
    """The agent a policy file holds.

    Args:
        path: the file.
        targets: what it shall choose from; the policy must have been made for the same ones, in any order: what was
            learned goes with the target. None takes the file's own.
        seed: of its random generator.
        adapt: whether a policy for other targets starts these ones by ``autoscale.agents.transfer``, as one trained in
            the simulator does on a device.

    Raises:
        PolicyError: missing, damaged, not a policy, a version this release cannot read, or for other targets.
    """
    path = Path(path)
    header, arrays = _read(path)
    try:
        own = [Target.parse(text) for text in header["targets"]]
    except (InvalidInput, TypeError) as error:
        raise PolicyError(f"policy {path} names targets that are none: {error}") from error
    wanted = own if targets is None else list(targets)
    if {*wanted} != {*own} and not adapt:
        raise PolicyError(
            f"policy {path} was made for {listing(own)}; this device has {listing(wanted)}. "
            "Train it for these targets, or start without a policy"
        )
    try:
        agent = make(header["agent"], own, header["options"], seed)
        agent.restore(arrays)
    except (ValueError, TypeError, IndexError) as error:
        raise PolicyError(f"policy {path}: {error}") from error
    return agent if wanted == own else transfer(agent, wanted, seed)


def make(name: str, targets: Sequence[Target], options: dict[str, Any], seed: int) -> Agent:
    """An agent from its registered name and the options it was made with.

    Raises:
        UnknownName: no such agent.
        PolicyError: options that agent does not take.
    """
    kind = AGENTS.get(AGENTS.current(name, quiet=True))
    try:
        agent: Agent = kind.from_options(targets, options, seed)
    except TypeError as error:
        raise PolicyError(f"agent '{name}' does not take the options {sorted(options)}: {error}") from error
    return agent


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    header, arrays = read_array_file(path, "policy", "AutoScale")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise PolicyError(f"policy {path} holds NaN in '{name}'")
    if header.get("format") != FORMAT:
        raise PolicyError(f"{path} is not a policy of AutoScale: its header names no '{FORMAT}'")
    if header.get("version") != VERSION:
        raise PolicyError(f"policy {path} has version {header.get('version')}; this release reads version {VERSION}")
    missing = {"agent", "targets", "options"} - header.keys()
    if missing:
        raise PolicyError(f"policy {path} lacks {listing(sorted(missing))} in its header")
    return header, arrays
