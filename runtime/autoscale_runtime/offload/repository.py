"""A model repository, laid out as Triton's: ``<repository>/<model>/<version>/model.onnx``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.errors import RepositoryError
from autoscale.target import Target
from autoscale_runtime.backends.base import BACKENDS, Runner

MODEL_FILE: Final = "model.onnx"
_LAYOUT: Final = f"<repository>/<model>/<version>/{MODEL_FILE}, a version being a whole number"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of a model, loaded."""

    name: str
    version: int
    runner: Runner
    target: Target
    platform: str = "onnxruntime_onnx"


Models = Mapping[str, Mapping[int, ServedModel]]
"""Name to version to model."""


def load_repository(repository: Path, threads: int) -> Models:
    """Load every version of every model, each on ``threads`` threads.

    Raises:
        RepositoryError: no such folder, a model without a version, or no model at all.
        ModelError: a file that is no model.
        InvalidTarget: more threads than the machine has cores.
    """
    if not repository.is_dir():
        raise RepositoryError(f"model repository '{repository}' is not a folder; allowed: {_LAYOUT}")
    folders = sorted(each for each in repository.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise RepositoryError(f"model repository '{repository}' holds no models; allowed: {_LAYOUT}")
    return {folder.name: _load_versions(folder, threads) for folder in folders}


def _load_versions(folder: Path, threads: int) -> dict[int, ServedModel]:
    versions = sorted(int(each.parent.name) for each in folder.glob(f"*/{MODEL_FILE}") if _is_version(each.parent))
    if not versions:
        raise RepositoryError(f"'{folder}' holds no version of a model; allowed: {_LAYOUT}")
    return {version: _load(folder, version, threads) for version in versions}


def _load(folder: Path, version: int, threads: int) -> ServedModel:
    target = Target("device", "cpu", "fp32", threads=threads)
    runner = BACKENDS.get("onnxruntime")().load(folder / str(version) / MODEL_FILE, target)
    return ServedModel(folder.name, version, runner, target)


def _is_version(folder: Path) -> bool:
    return folder.name.isascii() and folder.name.isdigit() and str(int(folder.name)) == folder.name
