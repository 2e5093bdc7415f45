"""Which reader counts which file."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from autoscale.errors import ModelError, one_of
from autoscale_runtime.models.inspection.inputs import Ask, Shape
from autoscale_runtime.models.inspection.report import Inspection

SUFFIXES = (".onnx", ".tflite")
NO_SHAPES: Mapping[str, Shape] = MappingProxyType({})


def inspect(path: Path, shapes: Mapping[str, Shape] = NO_SHAPES, ask: Ask | None = None) -> Inspection:
    """Count the layers, MACs, parameters and bytes of a network.

    Args:
        path: an ``.onnx`` or ``.tflite`` file; external data beside an ONNX file may be missing.
        shapes: input name to shape, for inputs with open dimensions.
        ask: called for an input whose shape is still open; without it that is an error.

    Raises:
        ModelError: not a file, or not a model of that format.
        FeedError: a shape is missing, or does not fit the file.
        MissingExtra: the package that reads the format is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"'{path}' is {'a folder' if path.is_dir() else 'missing'}; allowed: a model file")
    suffix = path.suffix.lower()
    one_of(f"model format of '{path}':", suffix, SUFFIXES, ModelError)
    if path.stat().st_size == 0:
        raise ModelError(f"'{path}' is empty; allowed: a model file")
    if suffix == ".onnx":
        from autoscale_runtime.models.inspection.onnx_model import inspect_onnx

        return inspect_onnx(path, shapes, ask)
    from autoscale_runtime.models.inspection.tflite_model import inspect_tflite

    return inspect_tflite(path, shapes, ask)
