"""The first opening and run of a driver that may kill its process: in a child, with a verdict that is remembered."""

import hashlib
import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.errors import AutoScaleError, DeadlineExceeded, TargetUnavailable, UnsupportedModel
from autoscale.files import write_file
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Backend
from autoscale_runtime.backends.child import ChildRunner
from autoscale_runtime.backends.tensors import Array, TensorSpec
from autoscale_runtime.host.cache import cache_folder

SURVIVED: Final = ""


def check_survives(backend: Backend, path: Path, target: Target) -> None:
    """Raise unless a process outlives loading a file for a target and running it once.

    Whatever else goes wrong there goes wrong here too, and is told then.

    Raises:
        UnsupportedModel: it does not; the reason is how the process ended.
    """
    file = cache_folder("trials") / f"{_key(backend, path, target)}.json"
    verdict = _remembered(file)
    if verdict is None:
        verdict = _tried(backend, path, target)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_file(file, json.dumps({"verdict": verdict, "model": str(path), "target": str(target)}))
    if verdict != SURVIVED:
        raise UnsupportedModel(f"'{path}' is not opened for {target}: when it was tried, {verdict}")


def _tried(backend: Backend, path: Path, target: Target) -> str:
    name = f"{type(backend).__module__}:{type(backend).__qualname__}"
    try:
        runner = ChildRunner(name, path, target)
    except AutoScaleError as error:
        return str(error.__cause__) if isinstance(error.__cause__, TargetUnavailable | DeadlineExceeded) else SURVIVED
    try:
        runner.run(None, {each.name: _ones(each) for each in runner.inputs})
    except (TargetUnavailable, DeadlineExceeded) as error:
        return str(error)
    except AutoScaleError:
        return SURVIVED
    finally:
        runner.close()
    return SURVIVED


def _ones(spec: TensorSpec) -> Array:
    return np.ones([1 if each is None else each for each in spec.shape], spec.dtype)


def _key(backend: Backend, path: Path, target: Target) -> str:
    """One for each file as it is, target, and version of what runs it."""
    stat = path.stat()
    try:
        package = version(backend.package) if backend.package else ""
    except PackageNotFoundError:
        package = ""
    known = [backend.name, package, str(target), str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns)]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]


def _remembered(file: Path) -> str | None:
    try:
        verdict = json.loads(file.read_text())["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return verdict if isinstance(verdict, str) else None
