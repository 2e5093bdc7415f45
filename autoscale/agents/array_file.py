"""A header and arrays in one file: a zip of plain arrays, the header among them as JSON. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.errors import PolicyError
from autoscale.files import write_arrays

_HEADER: Final = "header"


def write_array_file(path: Path | str, header: Mapping[str, Any], arrays: Arrays, what: str) -> None:
    """Write both; an older file stays whole until the new one is complete.

    Args:
        path: of the file.
        header: what JSON can say.
        arrays: of which none is named ``header``.
        what: the file is, for messages: a policy, a checkpoint.

    Raises:
        PolicyError: the folder is missing, read-only or full.
    """
    named = {_HEADER: np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **arrays}
    try:
        write_arrays(path, named)
    except OSError as error:
        raise PolicyError(f"{what} {path} cannot be written: {error}") from error


def read_array_file(path: Path, what: str, made_by: str) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file.

    Args:
        path: of the file.
        what: it should be, for messages: a policy, a checkpoint.
        made_by: who makes such files.

    Raises:
        PolicyError: missing, damaged, or no such file.
    """
    try:
        from zipfile import is_zipfile  # here: few sessions begin with a policy

        if path.exists() and not is_zipfile(path):  # numpy would advise to unpickle it
            raise PolicyError(f"{path} is damaged or no {what} of {made_by}: it is no .npz file")
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
    except PolicyError:
        raise
    except FileNotFoundError as error:
        raise PolicyError(f"{what} {path} does not exist") from error
    except KeyError as error:
        raise PolicyError(f"{path} is an array file, but not a {what} of {made_by}: it has no header") from error
    except Exception as error:  # a damaged file fails in zipfile, zlib, numpy and json in a dozen ways
        raise PolicyError(f"{path} is damaged or no {what} of {made_by}: {error}") from error
    if not isinstance(header, dict):
        raise PolicyError(f"{path} is not a {what} of {made_by}: its header is no table")
    return header, arrays
