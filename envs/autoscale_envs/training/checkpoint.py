"""A training in a file: its configuration, how far it came, what it needs to go on. No pickle, written atomically."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.errors import PolicyError
from autoscale.files import write_arrays

FORMAT: Final = "autoscale-checkpoint-1"
_HEADER: Final = "header"


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
    arrays = {_HEADER: np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **checkpoint.state}
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise PolicyError(f"checkpoint {path} cannot be written: {error}") from error


def read_checkpoint(path: Path, configuration: Mapping[str, Any], usual: Mapping[str, Any]) -> Checkpoint:
    """Read one of the same configuration.

    Args:
        path: the file.
        configuration: what is asked for.
        usual: what an older file means that does not know of an option.

    Raises:
        PolicyError: missing, damaged, no checkpoint, or of another configuration: the message names what differs.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        own, done = {**usual, **header["configuration"]}, int(header["done"])
    except FileNotFoundError as error:
        raise PolicyError(f"checkpoint {path} does not exist") from error
    except Exception as error:  # a damaged file fails in zipfile, zlib, numpy and json in a dozen ways
        raise PolicyError(f"{path} is damaged or no checkpoint of 'autoscale train': {error}") from error
    if header.get("format") != FORMAT:
        raise PolicyError(f"{path} is no checkpoint of this release: its format is not '{FORMAT}'")
    names = sorted({*own, *configuration})
    differing = [_difference(name, own, configuration) for name in names if own.get(name) != configuration.get(name)]
    if differing:
        raise PolicyError(f"checkpoint {path} is of another training: {'; '.join(differing)}. It was left as it is")
    return Checkpoint(own, done, arrays)


def _difference(name: str, own: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    return f"its {name} is {own.get(name)!r}, now {asked.get(name)!r} was asked for"
