"""Which reader counts which file: the one that the format's backend names."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import cast

from autoscale.errors import ModelError, UnsupportedModel, one_of
from autoscale_runtime.backends.engines import engines, format_of, suffixes
from autoscale_runtime.models.inspection.inputs import Ask, Shape
from autoscale_runtime.models.inspection.report import Inspection

NO_SHAPES: Mapping[str, Shape] = MappingProxyType({})
Inspector = Callable[[Path, Mapping[str, Shape], Ask | None], Inspection]


def inspect(path: Path, shapes: Mapping[str, Shape] = NO_SHAPES, ask: Ask | None = None) -> Inspection:
    """Count the layers, MACs, parameters and bytes of a network.

    Args:
        path: a file whose format some backend reads (``.onnx``, ``.tflite``); external data beside an ONNX file may be
            missing.
        shapes: input name to shape, for inputs with open dimensions.
        ask: called for an input whose shape is still open; without it that is an error.

    Raises:
        ModelError: not a file, or not a model of that format.
        UnsupportedModel: the format's backend runs such files but counts nothing in them.
        FeedError: a shape is missing, or does not fit the file.
        MissingExtra: the package that reads the format is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"'{path}' is {'a folder' if path.is_dir() else 'missing'}; allowed: a model file")
    inspector = _inspector(path)
    if path.stat().st_size == 0:
        raise ModelError(f"'{path}' is empty; allowed: a model file")
    return inspector(path, shapes, ask)


def _inspector(path: Path) -> Inspector:
    suffix = format_of(path)
    able = list(engines(suffix))
    if not able:
        one_of(f"model format of '{path}':", suffix, suffixes(), ModelError)
    module, _, function = next((each.backend.inspector for each in able if each.backend.inspector), "").partition(":")
    if not function:
        raise UnsupportedModel(
            f"'{path}' cannot be counted: backend '{able[0].name}' runs {suffix} files but names no 'inspector'"
        )
    return cast(Inspector, getattr(import_module(module), function))
