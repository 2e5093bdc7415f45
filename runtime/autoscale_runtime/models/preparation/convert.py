"""The fp16 and int8 forms of an ONNX file, made with ONNX Runtime's own tools."""

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import ModelProto, NodeProto
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from autoscale.errors import UnsupportedModel
from autoscale_runtime.backends.engines import data_files
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.models.preparation.operator_sets import TARGET, operator_set, raised
from autoscale_runtime.models.variant import SIDECAR

LAYERS: Final = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Operators that int8 makes faster. Quantising all others too is slower and ruins networks whose arithmetic
between layers needs range (layer norms, hand-written GELUs): magika falls from 92 % to 11 %."""

QUANTISING_OPSET: Final = 10
"""The first operator set with QuantizeLinear."""

RANGE_HUNGRY: Final = (
    "Exp", "Pow", "Sqrt", "Reciprocal", "Div", "Log", "Softmax", "LayerNormalization", "InstanceNormalization",
    "BatchNormalization", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare", "CumSum", "Einsum",
)  # fmt: skip
"""Operators that leave float16's range or precision first."""

ONE_FILE_BYTES: Final = 1 << 30
"""Larger networks keep their weights in a sidecar: a protobuf message ends at 2 GiB."""


def save(model: ModelProto, path: Path) -> None:
    """Write a model, its weights inside or in one sidecar where they are large."""
    onnx.save(model, path, save_as_external_data=_is_large(model), location=path.name + SIDECAR)


def copy_fp32(source: Path, path: Path) -> None:
    """The file byte for byte, or with its external weights gathered where it has some."""
    if data_files(source):
        save(onnx.load(source), path)
    else:
        shutil.copyfile(source, path)


def to_fp16(source: Path, path: Path, keep_float: Sequence[str] = ()) -> None:
    """Weights and arithmetic in float16, inputs and outputs as they were.

    Args:
        source: the fp32 file.
        path: what to write.
        keep_float: types of operators to leave as they are, beside those that ONNX Runtime's tool leaves by itself.
    """
    with _quiet():
        blocked = [*DEFAULT_OP_BLOCK_LIST, *keep_float]
        save(convert_float_to_float16(onnx.load(source), keep_io_types=True, op_block_list=blocked), path)


def check_quantisable(source: Path) -> None:
    """Raise unless there is something to quantise.

    Raises:
        UnsupportedModel: it has no layer to quantise outside its sub-graphs.
    """
    graph = onnx.load(source, load_external_data=False).graph
    if not any(node.op_type in LAYERS for node in graph.node):
        raise UnsupportedModel(f"it has no {', '.join(LAYERS)} outside a sub-graph (If, Loop, Scan)")


def to_raised(source: Path, path: Path) -> None:
    """The file at an operator set that knows channels."""
    model = onnx.load(source)
    with _quiet():
        save(raised(model) if operator_set(model) < TARGET else model, path)


def to_folded(source: Path, path: Path) -> None:
    """Constants and batch norms folded, and the shapes that ONNX can infer written in, where it is not too large.

    Without symbolic inference: calibration knows the shapes, and where it fails it litters the current folder.
    """
    with _quiet():
        if not _is_large(onnx.load(source)):
            quant_pre_process(source, path, skip_symbolic_shape=True)
            source = path
        save(_readied(onnx.load(source)), path)


def to_named(source: Path, path: Path) -> None:
    """The file as the quantiser must have it, nothing folded.

    Raises:
        UnsupportedModel: an operator set without quantisation.
    """
    model = onnx.load(source)
    if operator_set(model) < QUANTISING_OPSET:
        raise UnsupportedModel(f"operator set {operator_set(model)} knows no quantisation")
    save(_readied(model), path)


def to_int8(ready: Path, path: Path, feeds: Sequence[Feeds], keep_float: Sequence[str] = ()) -> None:
    """Static int8: QDQ, unsigned activations, signed weights with a scale a channel where the operator set has that.

    Ranges are the least and greatest values that the queries show.

    Signed weights with unsigned activations is the pair ONNX Runtime's x86 kernels are fast at.

    Args:
        ready: a file of ``to_folded`` or ``to_named``.
        path: what to write.
        feeds: queries that show the ranges of the activations.
        keep_float: names of layers to leave as they are.
    """
    with _quiet():
        quantize_static(
            ready,
            path,
            _Reader(feeds),
            op_types_to_quantize=list(LAYERS),
            nodes_to_exclude=list(keep_float),
            per_channel=operator_set(onnx.load(ready, load_external_data=False)) >= TARGET,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # x86 without int8 dot products (VNNI) adds pairs of products in 16 bits, which 8-bit weights saturate: a
            # bundle must answer the same on every device. https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
            reduce_range=True,
            use_external_data_format=ready.with_name(ready.name + SIDECAR).exists(),
        )


def recipes(ready: Path) -> dict[str, list[str]]:
    """Ways to quantise, the boldest first: what each is called and which layers it leaves in float.

    Grouped (depthwise) convolutions have few weights a channel and wide ranges; the first layers carry their rounding
    errors through all the others. PP-OCR's recognition net: arg-max agreement .964, .970, .982.
    """
    layers = [node for node in onnx.load(ready, load_external_data=False).graph.node if node.op_type in LAYERS]
    grouped = [node.name for node in layers if _groups(node) > 1]
    early = [node.name for node in layers[: max(1, len(layers) // 6)]]
    ways = {
        "all layers": [],
        "without grouped layers": grouped,
        "without grouped and first layers": sorted({*grouped, *early}),
    }
    return {name: kept for name, kept in ways.items() if len(kept) < len(layers) and (kept or name == "all layers")}


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type hints
    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Any:
        return next(self._left, None)


def layers_of(ready: Path) -> list[str]:
    """The names of the layers that int8 makes faster, in the graph's order."""
    return [node.name for node in onnx.load(ready, load_external_data=False).graph.node if node.op_type in LAYERS]


def _readied(model: ModelProto) -> ModelProto:
    """Every node named, since the quantiser knows them by name alone, and biases of the shape that it takes."""
    _flatten_biases(model)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def _flatten_biases(model: ModelProto) -> None:
    """Give Gemm biases of shape 1 x n the shape n: ONNX Runtime's per-channel quantiser fails on the former."""
    biases = {node.input[2] for node in model.graph.node if node.op_type == "Gemm" and len(node.input) > 2}
    for node in model.graph.node:
        kept = node.input[:2] if node.op_type == "Gemm" else node.input
        biases -= set(kept)
    for each in model.graph.initializer:
        if each.name in biases and len(each.dims) == 2 and each.dims[0] == 1:
            del each.dims[0]


def _is_large(model: ModelProto) -> bool:
    return sum(each.ByteSize() for each in model.graph.initializer) > ONE_FILE_BYTES


def _groups(node: NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "group"), 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the tools' chatter (truncated constants, advice to run other tools)."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
