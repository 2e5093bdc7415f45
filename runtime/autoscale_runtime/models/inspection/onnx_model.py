"""Counts an ONNX file."""

import math
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoscale.errors import ModelError, UnsupportedModel
from autoscale.extras import needed

with needed("onnx", "prepare", "reading an ONNX file"):
    import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TypeProto, ValueInfoProto, helper, inliner

from autoscale_runtime.backends.engines import format_of
from autoscale_runtime.models.inspection.inputs import Ask, OpenInput, Shape, resolve
from autoscale_runtime.models.inspection.onnx_infer import NodeInference
from autoscale_runtime.models.inspection.onnx_parameters import weights_of
from autoscale_runtime.models.inspection.onnx_values import Value, dtype_name, element_bits
from autoscale_runtime.models.inspection.onnx_walk import Walker, true_inputs
from autoscale_runtime.models.inspection.report import Inspection, Tally, TensorInfo, packed_bytes


def inspect_onnx(path: Path, shapes: Mapping[str, Shape], ask: Ask | None) -> Inspection:
    """Count an ONNX file; external data is read only for small constants, and may be missing.

    Raises:
        ModelError: not an ONNX model, or a broken graph.
        FeedError: a shape is missing or does not fit.
    """
    opened = open_model(path, shapes, ask)
    graph, tally = opened.model.graph, Tally(notes=list(opened.notes))
    outputs, work = opened.walker.walk(graph, list(opened.inputs.values()), ChainMap())
    tally.merge(work)
    names = [each.name for each in graph.output]
    _say_open(names, outputs, tally)
    return Inspection.of(
        tally,
        weights_of(graph),
        [tensor_info(name, value) for name, value in opened.inputs.items()],
        [tensor_info(name, value) for name, value in zip(names, outputs, strict=True)],
    )


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A file that can be walked.

    Attributes:
        model: the graph, without external data.
        inputs: name of each true input to what is known of it, in order.
        notes: what was assumed of their shapes.
        walker: with the file's operator sets.
    """

    model: ModelProto
    inputs: Mapping[str, Value]
    notes: tuple[str, ...]
    walker: Walker


def open_model(path: Path, shapes: Mapping[str, Shape], ask: Ask | None) -> OpenedModel:
    """Read a file and settle its inputs' shapes; arguments and errors as for ``inspect``."""
    model = load(path)
    by_name = {each.name: each for each in model.graph.input}
    inputs = [by_name[name] for name in true_inputs(model.graph)]
    tensors = [each for each in inputs if each.type.HasField("tensor_type")]
    resolved, notes = resolve([_open_input(each) for each in tensors], shapes, ask)
    opsets = {"" if each.domain == "ai.onnx" else each.domain: each.version for each in model.opset_import}
    inference = NodeInference(opsets, model.ir_version, path.parent, _declared(model.graph.value_info))
    bound = {each.name: _bound(each, resolved.get(each.name)) for each in inputs}
    return OpenedModel(model, bound, tuple(notes), Walker(inference))


def load(path: Path) -> ModelProto:
    """Read the graph without its external data, local functions unfolded into it.

    Raises:
        ModelError: the file is no ONNX model, or not all of one.
        UnsupportedModel: a file of ONNX Runtime's own format.
    """
    if format_of(path) == ".ort":
        raise UnsupportedModel(f"'{path}' cannot be counted: it is in ONNX Runtime's format; allowed: its .onnx file")
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(f"'{path}' is not an ONNX model, or a truncated one: {error}") from error
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror}") from error
    if not (model.opset_import and model.graph.output):
        raise ModelError(f"'{path}' is not an ONNX model: it has no operator set or no output")
    if not model.functions:
        return model
    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"'{path}' has functions that cannot be unfolded: {error}") from error


def _open_input(info: ValueInfoProto) -> OpenInput:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return OpenInput(info.name, None)
    return OpenInput(info.name, tuple(_dim(each) for each in tensor.shape.dim))


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A size, a name shared by equal dimensions, or None; exporters write '' , '?' and -1 for no name."""
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else None
    return dim.dim_param if dim.dim_param not in ("", "?", "None", "-1") else None


def _bound(info: ValueInfoProto, shape: Shape | None) -> Value:
    if shape is None:
        return Value(info.type, why=f"input '{info.name}' is no tensor")
    return Value(helper.make_tensor_type_proto(info.type.tensor_type.elem_type, shape))


def _declared(infos: Iterable[ValueInfoProto]) -> dict[str, TypeProto]:
    """Types the file states in full, for operators whose rule nobody here has."""
    return {each.name: each.type for each in infos if Value(each.type).shape is not None}


def _say_open(names: list[str], outputs: list[Value], tally: Tally) -> None:
    for name, value in zip(names, outputs, strict=True):
        if value.shape is None:
            tally.skip(f"output '{name}': its size is open: {value.why or 'no tensor'}")


def tensor_info(name: str, value: Value) -> TensorInfo:
    """What is told of a tensor."""
    bits = element_bits(value.elem_type)
    shape = value.shape
    size = None if shape is None or bits is None else packed_bytes(math.prod(shape), bits)
    return TensorInfo(name, dtype_name(value.elem_type), value.dims or (), size)
