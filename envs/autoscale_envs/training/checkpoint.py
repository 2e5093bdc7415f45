"""A training in a file: its configuration, how far it came, what it needs to go on. No pickle, written atomically."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.agents.array_file import read_array_file, write_array_file
from autoscale.agents.base import Arrays
from autoscale.errors import PolicyError

FORMAT: Final = "autoscale-checkpoint-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training half-way.

    Attributes:
        configuration: what is trained where, in plain values.
        done: queries so far.
        state: what the learner needs to go on.
    """

    configuration: Mapping[str, Any]
    done: int
    state: Arrays


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it; an older one stays whole until this one is complete.

    Raises:
        PolicyError: the folder is missing, read-only or full.
    """
    header = {"format": FORMAT, "configuration": dict(checkpoint.configuration), "done": checkpoint.done}
    write_array_file(path, header, checkpoint.state, "checkpoint")


def read_checkpoint(path: Path, configuration: Mapping[str, Any], usual: Mapping[str, Any]) -> Checkpoint:
    """Read one of the same configuration.

    Args:
        path: the file.
        configuration: what is asked for.
        usual: what an older file means that does not know of an option.

    Raises:
        PolicyError: missing, damaged, no checkpoint, or of another configuration: the message names what differs.
    """
    header, arrays = read_array_file(path, "checkpoint", "'autoscale train'")
    if header.get("format") != FORMAT:
        raise PolicyError(f"{path} is no checkpoint of this release: its format is not '{FORMAT}'")
    try:
        own, done = {**usual, **header["configuration"]}, int(header["done"])
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{path} is damaged: its header lacks what a checkpoint has ({error})") from error
    names = sorted({*own, *configuration})
    differing = [_difference(name, own, configuration) for name in names if own.get(name) != configuration.get(name)]
    if differing:
        raise PolicyError(f"checkpoint {path} is of another training: {'; '.join(differing)}. It was left as it is")
    return Checkpoint(own, done, arrays)


def _difference(name: str, own: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    return f"its {name} is {own.get(name)!r}, now {asked.get(name)!r} was asked for"
