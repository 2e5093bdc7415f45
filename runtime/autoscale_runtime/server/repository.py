"""A model repository, laid out as Triton's, or of bundles made by ``autoscale prepare``, or of both.

``<repository>/<model>/<version>/model.onnx``, or a ``model`` of any other format that a backend reads, is served as
``<model>``. A bundle, ``<repository>/<bundle>/model.toml``, is served as ``<bundle>`` (its fp32 variant) and
``<bundle>-int8``, ``<bundle>-fp16`` (the others), version 1. A folder that is itself a bundle is a repository of that
one. Where there are several formats, the one that ships first is served: ``.onnx``, then ``.tflite``.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from autoscale.errors import AutoScaleError, MissingExtra, ModelError, RepositoryError, listing
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.engines import format_of, installed, suffixes
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import MANIFEST
from autoscale_runtime.models.variant import Variant, served_name

_Loaded = TypeVar("_Loaded")

_LOG: Final = logging.getLogger("autoscale.server")

MODEL_FILE: Final = "model"
"""The name of a model's file, whatever its suffix."""

_LAYOUT: Final = (
    f"<repository>/<model>/<version>/{MODEL_FILE}.onnx, a version being a whole number, or bundles with a {MANIFEST}"
)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of a model, loaded.

    Attributes:
        name: by which it is asked for.
        version: a whole number; the highest answers where none is asked for.
        runner: the model.
        target: what it runs on.
        platform: the framework and the file format.
        sha256: of its file and of its weights outside it, so that whoever asks knows which model answered.
    """

    name: str
    version: int
    runner: Runner
    target: Target
    platform: str
    sha256: str = ""


Models = Mapping[str, Mapping[int, ServedModel]]
"""Name to version to model."""


def load_repository(repository: Path, threads: int) -> Models:
    """Load every version of every model, each on ``threads`` threads.

    What cannot be served is left out, with a warning that says why, as long as something else can be.

    Raises:
        RepositoryError: no such folder, two models of one name, or nothing to serve: no model, or none with a version.
        ModelError: nothing to serve: the first is a file that is no model, or a damaged bundle.
        MissingExtra: nothing to serve: the package that runs the first is not installed.
        InvalidTarget: more threads than the machine has cores.
    """
    if not repository.is_dir():
        raise RepositoryError(f"model repository '{repository}' is not a folder; allowed: {_LAYOUT}")
    if (repository / MANIFEST).is_file():
        return _load_bundle(repository, threads)
    folders = sorted(each for each in repository.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise RepositoryError(f"model repository '{repository}' holds no models; allowed: {_LAYOUT}")
    models: dict[str, Mapping[int, ServedModel]] = {}
    refused: list[AutoScaleError] = []
    for folder in folders:
        load = _load_bundle if (folder / MANIFEST).is_file() else _load_model
        found = _served(folder, partial(load, folder, threads), refused) or {}
        for name, versions in found.items():
            if name in models:
                raise RepositoryError(f"'{folder}' and another folder of the repository both hold a model '{name}'")
            models[name] = versions
    if not models:
        raise refused[0]
    return models


def _served(path: Path, load: Callable[[], _Loaded], refused: list[AutoScaleError]) -> _Loaded | None:
    """What is loaded; None where it cannot be served, which does not hide the rest."""
    try:
        return load()
    except (ModelError, RepositoryError, MissingExtra) as error:
        _LOG.warning("'%s' is not served: %s", path, error)
        refused.append(error)
        return None


def _load_bundle(folder: Path, threads: int) -> Models:
    bundle = Bundle.read(folder)
    known = suffixes()
    able = [each for each in bundle.variants if format_of(each.path) in known]
    if not able:
        raise RepositoryError(f"bundle '{folder}' holds no variant that a backend reads; allowed: {listing(known)}")
    by_format = sorted(able, key=lambda each: known.index(format_of(each.path)), reverse=True)
    names = {served_name(bundle.name, each.precision): each for each in by_format}
    return {name: {1: _load(name, 1, each, threads)} for name, each in names.items()}


def _load_model(folder: Path, threads: int) -> Models:
    by_format = sorted(_model_files(folder), key=lambda path: suffixes().index(format_of(path)), reverse=True)
    paths = {int(path.parent.name): path for path in by_format}
    if not paths:
        raise RepositoryError(f"'{folder}' holds no version of a model; allowed: {_LAYOUT}")
    refused: list[AutoScaleError] = []
    versions: dict[int, ServedModel] = {}
    for version, path in sorted(paths.items()):
        load = partial(_load, folder.name, version, Variant("fp32", path), threads)
        model = _served(path, load, refused)
        if model is not None:
            versions[version] = model
    if not versions:
        raise refused[0]
    return {folder.name: versions}


def _load(name: str, version: int, variant: Variant, threads: int) -> ServedModel:
    """The model in the engine that ships for its format, else in the first by name that is installed."""
    engine = installed(format_of(variant.path))[0]
    target = engine.on_cpu(variant.precision, threads)
    runner = engine.load(variant.path, target)
    shown = target if engine.is_shipped else engine.named(target)
    platform = engine.backend.platform or engine.name
    return ServedModel(name, version, runner, shown, platform, variant.digest())


def _model_files(folder: Path) -> list[Path]:
    """Those named ``model``, in any case of a format's suffix or without one."""
    found = (path for path in folder.glob(f"*/{MODEL_FILE}*") if path.stem == MODEL_FILE and _is_version(path.parent))
    named = (path for path in found if path.suffix.lower() in ("", *suffixes()))
    return [path for path in named if format_of(path) in suffixes()]


def _is_version(folder: Path) -> bool:
    return folder.name.isascii() and folder.name.isdigit() and str(int(folder.name)) == folder.name
