"""A model repository, laid out as Triton's, or of bundles made by ``autoscale prepare``, or of both.

``<repository>/<model>/<version>/model.onnx``, or a ``model`` of any other format that a backend reads, is served as
``<model>``. A bundle, ``<repository>/<bundle>/model.toml``, is served as ``<bundle>`` (its fp32 variant) and
``<bundle>-int8``, ``<bundle>-fp16`` (the others), version 1. A folder that is itself a bundle is a repository of that
one; one that holds a bare model file is one of that, if it is told by which name. Where there are several formats, the
one that ships first is served: ``.onnx``, then ``.tflite``.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from autoscale.errors import AutoScaleError, InvalidInput, RepositoryError, listing
from autoscale_runtime.backends.engines import format_of, suffixes
from autoscale_runtime.models.bare_model import MODEL_FILE, is_version
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import MANIFEST
from autoscale_runtime.models.variant import Variant, served_name
from autoscale_runtime.server.execution.source import ModelSource
from autoscale_runtime.server.repository.config_pbtxt import CONFIG, ModelConfig, read_config

LAYOUT: Final = (
    f"<repository>/<model>/<version>/{MODEL_FILE}.onnx, a version being a whole number, or bundles with a {MANIFEST}"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a repository.

    Attributes:
        name: by which it is asked for.
        sources: its versions, the lowest first.
        config: how it is served.
    """

    name: str
    sources: tuple[ModelSource, ...]
    config: ModelConfig

    def stamp(self) -> tuple[object, ...]:
        """What changes when one of its files does, or how it is served."""
        return self.config, tuple(each.stamp() for each in self.sources)


@dataclass(slots=True)
class Found:
    """What a folder holds.

    Attributes:
        entries: what may be served, by name.
        refused: what cannot, and why, in the order it was met.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, AutoScaleError] = field(default_factory=dict)


def scan(repository: Path, threads: int, model_name: str = "") -> Found:
    """Look at every entry of a repository; nothing is loaded.

    Args:
        repository: the folder.
        threads: that each query computes on, where a model's configuration does not say.
        model_name: the folder is that one model, or holds its file; empty for a repository.

    Raises:
        RepositoryError: no such folder, nothing in it, or nothing that could be a model under that name.
        ModelError: a damaged bundle, where that is all there is.
    """
    if not repository.is_dir():
        raise RepositoryError(f"model repository '{repository}' is not a folder; allowed: {LAYOUT}")
    if model_name:
        return Found(_named(repository, model_name, threads))
    if (repository / MANIFEST).is_file():
        return Found(_bundle(repository, threads))
    folders = sorted(each for each in repository.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise RepositoryError(f"model repository '{repository}' holds no models; allowed: {LAYOUT}")
    found = Found()
    for folder in folders:
        _add(found, folder, lambda folder=folder: _entries(folder, threads))  # type: ignore[misc]
    return found


def _add(found: Found, folder: Path, read: Callable[[], Mapping[str, Entry]]) -> None:
    """What is there; or why it cannot be served, which does not hide the rest."""
    try:
        entries = read()
        for name in entries:
            if name in found.entries:
                raise RepositoryError(f"'{folder}' and another folder of the repository both hold a model '{name}'")
        found.entries |= entries
    except AutoScaleError as error:
        found.refused[str(folder)] = error
    except OSError as error:
        found.refused[str(folder)] = RepositoryError(f"'{folder}' cannot be read: {error.strerror or error}")


def _entries(folder: Path, threads: int) -> Mapping[str, Entry]:
    try:
        os.fsencode(folder.name).decode()
    except UnicodeDecodeError as error:
        raise RepositoryError(f"the name of the folder {folder.name!r} is not UTF-8; allowed: one that is") from error
    return _bundle(folder, threads) if (folder / MANIFEST).is_file() else {folder.name: _model(folder, threads)}


def _bundle(folder: Path, threads: int) -> dict[str, Entry]:
    bundle = Bundle.read(folder)
    known = suffixes()
    able = [each for each in bundle.variants if format_of(each.path) in known]
    if not able:
        raise RepositoryError(f"bundle '{folder}' holds no variant that a backend reads; allowed: {listing(known)}")
    by_format = sorted(able, key=lambda each: known.index(format_of(each.path)), reverse=True)
    names = {served_name(bundle.name, each.precision): each for each in by_format}
    return {name: Entry(name, (_source(name, 1, each, threads),), ModelConfig()) for name, each in names.items()}


def _model(folder: Path, threads: int, name: str = "") -> Entry:
    name = name or folder.name
    config = read_config(folder / CONFIG, name) if (folder / CONFIG).is_file() else ModelConfig()
    file = config.file or MODEL_FILE
    by_format = sorted(_model_files(folder, file), key=lambda path: suffixes().index(format_of(path)), reverse=True)
    paths = {int(path.parent.name): path for path in by_format}
    if not paths:
        raise RepositoryError(f"'{folder}' holds no version of a model; allowed: {LAYOUT}")
    served = config.versions_of(paths)
    if not served:
        raise RepositoryError(f"'{folder}' holds versions {listing(sorted(paths))}, none that its {CONFIG} serves")
    sources = (_source(name, each, Variant("fp32", paths[each]), threads) for each in served)
    labels = config.labels(folder)
    return Entry(name, tuple(replace(each, labels=labels) for each in sources), config)


def _named(folder: Path, name: str, threads: int) -> dict[str, Entry]:
    """The one model of a folder: versions, a bundle, or a bare file, as KServe mounts it."""
    if (folder / MANIFEST).is_file():
        entries = _bundle(folder, threads)
        first = next(iter(entries.values()))
        if len(entries) > 1:
            raise InvalidInput(f"'{folder}' is a bundle of {listing(entries)}; allowed with --model-name: one model")
        return {name: replace(first, name=name, sources=tuple(replace(each, name=name) for each in first.sources))}
    known = suffixes()
    bare = sorted(each for each in folder.iterdir() if each.is_file() and format_of(each) in known)
    if len(bare) > 1:
        raise RepositoryError(f"'{folder}' holds {listing(each.name for each in bare)}; allowed with --model-name: one")
    if bare:
        return {name: Entry(name, (_source(name, 1, Variant("fp32", bare[0]), threads),), ModelConfig())}
    return {name: _model(folder, threads, name)}


def _source(name: str, version: int, variant: Variant, threads: int) -> ModelSource:
    return ModelSource(name, version, variant.path, variant.precision, threads, variant.sha256)


def _model_files(folder: Path, named: str) -> list[Path]:
    """Those of that name; where it has no suffix, in any case of a format's suffix or without one."""
    stem = Path(named).stem if Path(named).suffix.lower() in suffixes() else named
    found = (path for path in folder.glob(f"*/{stem}*") if is_version(path.parent))
    wanted = (path for path in found if path.name == named or (stem == named and path.stem == stem))
    files = (path for path in wanted if path.suffix.lower() in ("", *suffixes()))
    return [path for path in files if format_of(path) in suffixes()]


def asked_as(path: Path) -> tuple[str, str]:
    """Model and version by which something in a repository would be asked for; no version of what has none."""
    if is_version(path.parent):
        return path.parent.parent.name, path.parent.name
    return (path.parent if path.is_file() else path).name, ""
