"""The trained values of an ONNX file: the constants that reach an output as values."""

import math

from onnx import (
    GraphProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    external_data_helper,
    helper,
    numpy_helper,
)

from autoscale_runtime.models.inspection.onnx_values import attribute, element_bits
from autoscale_runtime.models.inspection.report import Weights, packed_bytes

EVERY = frozenset(range(64))
LATER = EVERY - {0}
_SECOND_ON = """
    Reshape Expand Tile Slice Pad Resize Upsample Squeeze Unsqueeze Split SplitToSequence TopK Clip
    Gather GatherND GatherElements CumSum CumProd Trilu Dropout QuantizeLinear DequantizeLinear
    CenterCropPad ReverseSequence SequenceAt RoiAlign MaxRoiPool GridSample Compress ReduceSum
    ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceSumSquare MaxUnpool Col2Im AffineGrid
"""
LAYER_INPUTS = {"QLinearConv": {0, 3, 8}, "QLinearMatMul": {0, 3}, "QGemm": {0, 3, 6}, "QAttention": {0, 1, 2}}
# Inputs that say where, how many or how coarse, but carry no trained value.
STRUCTURAL: dict[str, frozenset[int]] = {
    **dict.fromkeys(("Shape", "Size", "ConstantOfShape", "Range", "EyeLike", "NonZero"), EVERY),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike", "OneHot", "NonMaxSuppression"), EVERY),
    **dict.fromkeys(
        _SECOND_ON.split(),
        LATER,
    ),
    **{name: EVERY - carried for name, carried in LAYER_INPUTS.items()},
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), frozenset({2, 3})),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), frozenset({4, 5, 6})),
    **dict.fromkeys(("ScatterND", "ScatterElements", "Scatter"), frozenset({1})),
    "Where": frozenset({0}),
    "If": frozenset({0}),
    "Loop": frozenset({0, 1}),
    "DynamicQuantizeLSTM": frozenset({4, 5, 6, 8, 9, 10, 11}),
    "DynamicQuantizeMatMul": frozenset({2, 3}),
    "MatMulIntegerToFloat": frozenset({2, 3, 4, 5}),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), frozenset({2, 3, 4})),
    "GatherBlockQuantized": LATER,
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), frozenset({1, 2, 4, 5, 6, 7})),
}
_WEIGHT_TYPES = """
    FLOAT FLOAT16 BFLOAT16 DOUBLE INT8 UINT8 INT4 UINT4 INT2 UINT2 FLOAT4E2M1
    FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ
"""
# Older releases of onnx lack the smallest types.
WEIGHT_TYPES = frozenset(number for name, number in TensorProto.DataType.items() if name in _WEIGHT_TYPES.split())
WIDE_TYPES = frozenset({TensorProto.INT16, TensorProto.UINT16, TensorProto.INT32})
# Where an integer of 16 or 32 bits is a quantised weight or bias, not an index.
WIDE_INPUTS = {("DequantizeLinear", 0), ("QLinearConv", 8), ("QGemm", 6), ("QLinearConv", 3)}
PACKED = ("MatMulNBits", "MatMulBnb4")
# Weights that some operators hold in attributes.
ATTRIBUTES = ("coefficients", "intercepts")


def weights_of(graph: GraphProto) -> Weights:
    """Count the trained values; nothing is read but names, types and dims, so external data may be missing."""
    return _Collector().total(graph)


class _Collector:
    """Goes through a graph backwards, from the outputs to the constants that reach them."""

    def __init__(self) -> None:
        self._found: dict[str, list[TensorProto]] = {}
        self._in_attributes = Weights()
        self._unpacked: dict[str, int] = {}
        self._wide: set[str] = set()

    def total(self, graph: GraphProto) -> Weights:
        """All that the graph and its sub-graphs hold."""
        self._visit(graph, {each.name for each in graph.output})
        total = self._in_attributes
        for name, tensors in self._found.items():
            for tensor in tensors:
                stored = math.prod(tensor.dims)
                size = packed_bytes(stored, element_bits(tensor.data_type) or 0)
                total += Weights(self._unpacked.get(name, stored), size)
        return total

    def _visit(self, graph: GraphProto, wanted: set[str]) -> set[str]:
        """The names that carry values into the wanted ones from outside this graph."""
        live, held = set(wanted), {each.name: each for each in graph.initializer}
        held.update({each.values.name: each.values for each in graph.sparse_initializer})
        for node in graph.node:
            if node.op_type == "Constant" and (tensor := _constant(node)) is not None:
                held[node.output[0]] = tensor
            elif node.op_type == "ConstantOfShape" and node.input[0] in held:
                held[node.output[0]] = _filled(node, held[node.input[0]])
        for node in reversed(graph.node):
            if not live.isdisjoint(node.output):
                self._read_by(node, live)
        for name in live & held.keys():
            self._keep(name, held[name])
        produced = {name for node in graph.node for name in node.output}
        return live - produced - held.keys() - {each.name for each in graph.input}

    def _read_by(self, node: NodeProto, live: set[str]) -> None:
        """Add what a live node reads as values."""
        if node.domain == "ai.onnx.ml":
            held = sum(len(attribute(node, name) or ()) for name in ATTRIBUTES)
            self._in_attributes += Weights(held, 4 * held)
        structural = STRUCTURAL.get(node.op_type, frozenset())
        for index, name in enumerate(node.input):
            if name and index not in structural:
                live.add(name)
                self._remark(node, index, name)
        for each in node.attribute:
            if each.HasField("g"):
                first = 1 if node.op_type == "Loop" else 0  # a Loop's first result is its condition
                live |= self._visit(each.g, {output.name for output in each.g.output[first:]})

    def _remark(self, node: NodeProto, index: int, name: str) -> None:
        if (node.op_type, index) in WIDE_INPUTS:
            self._wide.add(name)
        if node.op_type in PACKED and index == 1:
            self._unpacked[name] = int(attribute(node, "K")) * int(attribute(node, "N"))

    def _keep(self, name: str, tensor: TensorProto) -> None:
        """Count a tensor once; branches may hold different ones under the same name."""
        trained = tensor.data_type in WEIGHT_TYPES or (tensor.data_type in WIDE_TYPES and name in self._wide)
        same = self._found.setdefault(name, [])
        if trained and tensor.dims and tensor not in same:
            same.append(tensor)


def _constant(node: NodeProto) -> TensorProto | None:
    """What a Constant node holds, if that can be a weight or a shape."""
    sparse: SparseTensorProto | None = attribute(node, "sparse_value")
    if sparse is not None:
        return sparse.values
    for name, kind in {"value_floats": TensorProto.FLOAT, "value_ints": TensorProto.INT64}.items():
        if (plain := attribute(node, name)) is not None:
            return helper.make_tensor("", kind, [len(plain)], plain)
    held: TensorProto | None = attribute(node, "value")
    return held


def _filled(node: NodeProto, shape: TensorProto) -> TensorProto:
    """The tensor that ConstantOfShape makes: a weight written as its shape and one number."""
    value = attribute(node, "value")
    kind = TensorProto.FLOAT if value is None else value.data_type
    dims = [] if external_data_helper.uses_external_data(shape) else numpy_helper.to_array(shape).tolist()
    return TensorProto(data_type=kind, dims=dims)
