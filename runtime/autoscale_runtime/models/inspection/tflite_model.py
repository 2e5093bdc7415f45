"""Counts a .tflite file, after its tensors have their true shapes."""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from autoscale.errors import MissingExtra, ModelError, listing
from autoscale_runtime.backends.litert import PACKAGES
from autoscale_runtime.backends.litert_graph import own_names
from autoscale_runtime.backends.tflite_file import (
    FileGraph,
    FileOperator,
    FileTensor,
    Signature,
    read_graphs,
    read_signatures,
)
from autoscale_runtime.models.inspection.inputs import Ask, OpenInput, Shape, resolve
from autoscale_runtime.models.inspection.report import Inspection, Tally, TensorInfo, Weights, packed_bytes
from autoscale_runtime.models.inspection.tflite_loop import trip_count
from autoscale_runtime.models.inspection.tflite_ops import (
    BIAS,
    CALL,
    CUSTOM,
    CUSTOM_RULES,
    CUSTOM_WITHOUT_MACS,
    IF,
    LAST_KNOWN,
    NO_LAYERS,
    PARTIAL_READERS,
    RULES,
    UNCOUNTABLE,
    WHILE,
    Rule,
    TfliteCall,
)

BITS = {
    **dict.fromkeys(("int4", "uint4"), 4),
    "int2": 2,
    **dict.fromkeys(("bool", "int8", "uint8", "float8_e4m3fn", "float8_e5m2"), 8),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 16),
    **dict.fromkeys(("float32", "int32", "uint32"), 32),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 64),
    "complex128": 128,
}
WEIGHT_TYPES = {
    "float32", "float16", "bfloat16", "float64", "int8", "uint8", "int4", "uint4", "int2", "int16",
    "float8_e4m3fn", "float8_e5m2",
}  # fmt: skip
Shapes = Sequence[Sequence[Shape]]


def inspect_tflite(path: Path, shapes: Mapping[str, Shape], ask: Ask | None) -> Inspection:
    """Count a .tflite file. It runs once on zeros: some shapes are only known then.

    Raises:
        ModelError: not a .tflite model, or a damaged one.
        FeedError: a shape is missing or does not fit.
        MissingExtra: no LiteRT interpreter is installed.
    """
    interpreter_type = _interpreter_type()
    graphs = read_graphs(path)
    main = graphs[0]
    inputs = [main.tensors[each] for each in main.inputs]
    signatures = read_signatures(path)
    names = _names(main, signatures)
    dims = [tuple(d if d >= 0 else None for d in each.signature) for each in inputs]
    open_inputs = [OpenInput(names[at], each) for at, each in zip(main.inputs, dims, strict=True)]
    resolved, notes = resolve(open_inputs, shapes, ask)
    tally = Tally(notes=notes)
    true_shapes = _allocated(interpreter_type, path, graphs, [resolved[names[at]] for at in main.inputs], tally)
    counter = _Counter(graphs, true_shapes)
    for at in sorted({0, *(each.graph for each in signatures)}):
        tally.merge(counter.graph(at, frozenset()))
    if len(signatures) > 1:
        tally.notes.append(f"{len(signatures)} signatures, counted together: {listing([s.key for s in signatures])}")
    return Inspection.of(
        tally,
        _weights(graphs),
        [_info(names[at], main.tensors[at], true_shapes[0][at]) for at in main.inputs],
        [_info(names[at], main.tensors[at], true_shapes[0][at]) for at in main.outputs],
    )


def _names(main: FileGraph, signatures: Sequence[Signature]) -> dict[int, str]:
    """What the main graph's tensors are called: by the signature that names them, else by themselves."""
    own: dict[int, str] = {}
    for numbers in (main.inputs, main.outputs):
        own |= zip(numbers, own_names((at, main.tensors[at].name) for at in numbers), strict=True)
    return own | next((dict(each.names) for each in signatures if each.graph == 0), {})


def _interpreter_type() -> Any:
    for package in PACKAGES:
        if find_spec(package):
            return import_module(f"{package}.interpreter")
    raise MissingExtra("ai-edge-litert", "litert", "reading a .tflite file")


def _allocated(module: Any, path: Path, graphs: Sequence[FileGraph], wanted: Sequence[Shape], tally: Tally) -> Shapes:
    """The shape of every tensor of every sub-graph, as the interpreter has them after a run."""
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    declared = [[each.shape for each in graph.tensors] for graph in graphs]
    for at, shape in zip(graphs[0].inputs, wanted, strict=True):
        declared[0][at] = shape
    try:
        interpreter = module.Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    except ValueError as error:
        tally.skip(f"the shapes are the file's own, the interpreter refuses it: {_line(error)}")
        return declared
    try:
        for detail, shape in zip(interpreter.get_input_details(), wanted, strict=True):
            if tuple(detail["shape"]) != shape:
                interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        if "custom op" not in str(error) and "Select TensorFlow op" not in str(error):
            raise ModelError(f"'{path}' cannot be allocated with these shapes: {_line(error)}") from error
        tally.skip(f"the shapes are the file's own, it cannot be allocated here: {_line(error)}")
        return declared
    _invoke(interpreter, tally)
    return [_read(interpreter, at, known) for at, known in enumerate(declared)]


def _invoke(interpreter: Any, tally: Tally) -> None:
    """Run once: an operator whose output's size it computes says it only then."""
    try:
        for detail in interpreter.get_input_details():
            if detail["dtype"] not in (np.bytes_, np.str_):
                interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        tally.skip(f"shapes that only a run tells may be missing, it fails on zeros: {_line(error)}")


def _read(interpreter: Any, graph: int, declared: Sequence[Shape]) -> list[Shape]:
    found = {each["index"]: tuple(map(int, each["shape"])) for each in interpreter.get_tensor_details(graph)}
    return [found.get(at, shape) for at, shape in enumerate(declared)]


class _Counter:
    """Tallies the operators of a file's sub-graphs."""

    def __init__(self, graphs: tuple[FileGraph, ...], shapes: Shapes) -> None:
        self._graphs, self._shapes = graphs, shapes

    def graph(self, number: int, constant_inputs: frozenset[int]) -> Tally:
        """One pass through a sub-graph."""
        graph, tally = self._graphs[number], Tally()
        constant = {at for at, each in enumerate(graph.tensors) if each.stored} | constant_inputs
        for index, operator in enumerate(graph.operators):
            given = [each for each in operator.inputs if each >= 0]
            if given and all(each in constant for each in given):
                constant.update(operator.outputs)  # unpacked or dequantised weights are weights still
            self._operator(operator, number, index, constant, tally)
        return tally

    def _operator(self, operator: FileOperator, number: int, index: int, constant: set[int], tally: Tally) -> None:
        name = f"operator {index}" if number == 0 else f"operator {index} of sub-graph {number}"
        if operator.code in (IF, WHILE, CALL):
            self._control(operator, self._graphs[number], name, tally)
        elif (rule := _rule(operator)) is not None:
            shapes = self._shapes[number]
            inputs = [shapes[each] if each >= 0 else None for each in operator.inputs]
            call = TfliteCall(inputs, shapes[operator.outputs[0]], [each in constant for each in operator.inputs])
            try:
                kind, macs = rule(call)
                tally.add_layer((number, index), kind, self._moved(operator, number))
                tally.add(kind, macs, kind == "conv" and call.is_spatial())
            except (ValueError, IndexError) as error:
                tally.skip(f"{name}: its shapes make no sense: {error}")
        elif (reason := _unknown(operator)) is not None:
            tally.skip(f"{name}: {reason}")
        elif operator.code not in NO_LAYERS and not constant.issuperset(operator.outputs):
            tally.add_layer((number, index), "other", self._moved(operator, number))

    def _moved(self, operator: FileOperator, number: int) -> int:
        """Values read and written, weights among them."""
        shapes = [self._shapes[number][each] for each in (*operator.inputs, *operator.outputs) if each >= 0]
        read = shapes[0] if shapes else ()
        spared = math.prod(read) - math.prod(shapes[-1]) if operator.code in PARTIAL_READERS else 0
        return sum(map(math.prod, shapes)) - spared

    def _control(self, operator: FileOperator, caller: FileGraph, name: str, tally: Tally) -> None:
        """IF: the heavier branch. WHILE: as often as the file fixes, else once. CALL: the sub-graph."""
        walked = [self.graph(each, frozenset()) for each in operator.calls]
        if operator.code == IF and walked[0].total_macs != walked[1].total_macs:
            macs = [each.total_macs for each in walked]
            tally.notes.append(f"{name}: IF chooses between {macs[0]} and {macs[1]} MACs; the heavier is counted")
        if operator.code == IF:
            tally.merge(max(walked, key=lambda each: (each.total_macs, len(each.layers))))
            return
        trips = trip_count(self._graphs, caller, operator) if operator.code == WHILE else 1
        for each in walked:
            tally.merge(each, 1 if trips is None else trips)
        if trips is None:
            tally.skip(f"{name}: the trip count of WHILE is not fixed; one iteration is counted")


def _rule(operator: FileOperator) -> Rule | None:
    return CUSTOM_RULES.get(operator.custom) if operator.code == CUSTOM else RULES.get(operator.code)


def _unknown(operator: FileOperator) -> str | None:
    """Why an operator without a rule may have MACs; None if it has none."""
    if operator.code == CUSTOM:
        known = operator.custom in CUSTOM_WITHOUT_MACS
        return None if known else f"custom operator '{operator.custom}' is not known here"
    unknown = f"unknown operator {operator.code}" if operator.code > LAST_KNOWN else None
    return UNCOUNTABLE.get(operator.code, unknown)


def _weights(graphs: Sequence[FileGraph]) -> Weights:
    """The constants that operators read as values; a buffer counts once."""
    found: dict[int, FileTensor] = {}
    for graph in graphs:
        for operator in graph.operators:
            for index, at in enumerate(operator.inputs):
                if at < 0 or not graph.tensors[at].stored:
                    continue
                tensor = graph.tensors[at]
                if operator.code == CUSTOM and operator.custom in CUSTOM_WITHOUT_MACS:
                    continue  # anchors, not trained
                bias = tensor.dtype in ("int32", "int64") and index in BIAS.get(operator.code, ())
                if tensor.shape and (bias or tensor.dtype in WEIGHT_TYPES):
                    found[tensor.buffer] = tensor
    return sum((_size(each) for each in found.values()), Weights())


def _size(tensor: FileTensor) -> Weights:
    bits = BITS[tensor.dtype]
    elements = tensor.stored * 8 // bits if tensor.sparse else math.prod(tensor.shape)
    return Weights(elements, packed_bytes(elements, bits))


def _info(name: str, tensor: FileTensor, shape: Shape) -> TensorInfo:
    bits = BITS.get(tensor.dtype)
    return TensorInfo(name, tensor.dtype, shape, None if bits is None else packed_bytes(math.prod(shape), bits))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
