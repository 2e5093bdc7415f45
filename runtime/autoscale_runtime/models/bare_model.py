"""A model file without a bundle, as the manifest of one variant."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from autoscale.errors import FeedError, MissingExtra, UnsupportedModel
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.backends import engines
from autoscale_runtime.backends.base import Backend, Runner
from autoscale_runtime.models.manifest import Manifest
from autoscale_runtime.models.state import find_state
from autoscale_runtime.models.variant import Variant

MODEL_FILE: Final = "model"
"""The stem of a model file in a repository of servers, as Triton has it: ``<model>/<version>/model.onnx``."""


def is_version(folder: Path) -> bool:
    """Whether a folder is a version of a model in a repository."""
    return folder.name.isascii() and folder.name.isdigit() and str(int(folder.name)) == folder.name


def name_of(path: Path) -> str:
    """A file's own name; in a repository the model's, by which servers are asked for it.

    >>> name_of(Path("resnet.onnx")), name_of(Path("models/resnet/1/model.onnx"))
    ('resnet', 'resnet')
    """
    version = Path(os.path.normpath(path.absolute())).parent  # not resolved: a link has its own name
    model = version.parent.name if path.stem == MODEL_FILE and is_version(version) else ""
    return model or path.stem


def manifest_of(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Manifest:
    """The manifest of one file, named after it.

    Without something that reads its graph, or the shape of an open input, its profile has sizes but no counts.

    Raises:
        ModelError: not a model, or in a format no backend reads.
        FeedError: a shape that does not fit the file.
        MissingExtra: the package that runs the format is not installed.
    """
    engine, runner = engines.load(path)
    runner.close()
    return described(path, engine.backend, runner, shapes)


def described(path: Path, backend: Backend, runner: Runner, shapes: Mapping[str, tuple[int, ...]]) -> Manifest:
    """The manifest of a file that a backend has loaded.

    Raises:
        FeedError: a shape that does not fit the file.
    """
    name = name_of(path)
    sizes = ModelProfile(
        name,
        input_bytes=sum(each.nbytes for each in runner.inputs),
        output_bytes=sum(each.nbytes for each in runner.outputs),
    )
    profile = _inspected(path, shapes) or sizes
    variant = Variant(backend.precision_of(path), path)
    return Manifest(name, profile, runner.inputs, runner.outputs, (variant,), find_state(runner.inputs, runner.outputs))


def load(path: Path) -> Runner:
    """The file in the first engine that can load it; errors as for ``engines.load``."""
    return engines.load(path)[1]


def precision_of(path: Path) -> str:
    """What a file's own operators and weights say; ``fp32`` where nothing that reads them is installed."""
    return next(engines.engines(engines.format_of(path))).backend.precision_of(path)


def _inspected(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> ModelProfile | None:
    from autoscale_runtime.models.inspection import inspect

    try:
        return inspect(path, shapes).profile(name_of(path))
    except (MissingExtra, UnsupportedModel):
        return None
    except FeedError:
        if shapes:
            raise
        return None
