"""A model file without a bundle, as the manifest of one variant."""

from collections.abc import Mapping
from pathlib import Path

from autoscale.errors import FeedError, MissingExtra, UnsupportedModel
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.backends import engines
from autoscale_runtime.backends.base import Backend, Runner
from autoscale_runtime.models.manifest import Manifest
from autoscale_runtime.models.state import find_state
from autoscale_runtime.models.variant import Variant


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
    sizes = ModelProfile(
        path.stem,
        input_bytes=sum(each.nbytes for each in runner.inputs),
        output_bytes=sum(each.nbytes for each in runner.outputs),
    )
    profile = _inspected(path, shapes) or sizes
    variant = Variant(backend.precision_of(path), path)
    return Manifest(
        path.stem, profile, runner.inputs, runner.outputs, (variant,), find_state(runner.inputs, runner.outputs)
    )


def load(path: Path) -> Runner:
    """The file in the first engine that can load it; errors as for ``engines.load``."""
    return engines.load(path)[1]


def precision_of(path: Path) -> str:
    """What a file's own operators and weights say; ``fp32`` where nothing that reads them is installed."""
    return next(engines.engines(engines.format_of(path))).backend.precision_of(path)


def _inspected(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> ModelProfile | None:
    from autoscale_runtime.models.inspection import inspect

    try:
        return inspect(path, shapes).profile(path.stem)
    except (MissingExtra, UnsupportedModel):
        return None
    except FeedError:
        if shapes:
            raise
        return None
