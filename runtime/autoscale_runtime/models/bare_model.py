"""A model file without a bundle, as a bundle of one variant."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from autoscale.errors import FeedError, MissingExtra, ModelError, listing
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_runtime.backends.base import BACKENDS, Runner
from autoscale_runtime.models.bundle import Bundle, Variant

QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "QGemm", "Integer")
"""What the names of ONNX's int8 operators contain."""


def bundle_of(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Bundle:
    """The bundle of one file, named after it.

    Without the package that reads its graph, or the shape of an open input, its profile has sizes but no counts.

    Raises:
        ModelError: not a model, or in a format no backend reads.
        FeedError: a shape that does not fit the file.
        MissingExtra: the package that runs the format is not installed.
    """
    runner = load(path)
    runner.close()
    sizes = ModelProfile(
        path.stem,
        input_bytes=sum(each.nbytes for each in runner.inputs),
        output_bytes=sum(each.nbytes for each in runner.outputs),
    )
    profile = _inspected(path, shapes) or sizes
    return Bundle(path.stem, profile, runner.inputs, runner.outputs, (Variant(precision_of(path), path),))


def load(path: Path) -> Runner:
    """The file on one thread of the first backend that reads its format.

    Raises:
        ModelError: not a model, or in a format no backend reads.
        MissingExtra: the package that runs the format is not installed.
    """
    backends = [BACKENDS.get(name)() for name in BACKENDS.names()]
    fitting = [each for each in backends if path.suffix in each.suffixes]
    if not fitting:
        allowed = listing(sorted({suffix for each in backends for suffix in each.suffixes}))
        raise ModelError(f"no backend reads '{path}'; allowed: a bundle's folder, or a file that ends in {allowed}")
    backend = next((each for each in fitting if each.is_available()), fitting[0])
    runner: Runner = backend.load(path, Target("device", "cpu", "fp32", threads=1))
    return runner


def precision_of(path: Path) -> str:
    """What a file's own operators and weights say; ``fp32`` where nothing that reads them is installed."""
    if path.suffix == ".onnx":
        return _onnx_precision(path)
    from autoscale_runtime.backends.litert import tensor_dtypes

    dtypes = tensor_dtypes(path)
    return "int8" if np.dtype(np.int8) in dtypes else "fp16" if np.dtype(np.float16) in dtypes else "fp32"


def _onnx_precision(path: Path) -> str:
    try:
        import onnx
    except ImportError:
        return "fp32"
    graph = onnx.load(path, load_external_data=False).graph
    if any(name in node.op_type for node in graph.node for name in QUANTISED):
        return "int8"
    kinds = {each.data_type for each in graph.initializer}
    is_half = onnx.TensorProto.FLOAT16 in kinds and onnx.TensorProto.FLOAT not in kinds
    return "fp16" if is_half else "fp32"


def _inspected(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> ModelProfile | None:
    from autoscale_runtime.models.inspection import inspect

    try:
        return inspect(path, shapes).profile(path.stem)
    except MissingExtra:
        return None
    except FeedError:
        if shapes:
            raise
        return None
