"""The work of each ONNX operator; the package's docstring states the formulas."""

import math
from collections.abc import Callable, Sequence

from onnx import NodeProto

from autoscale_runtime.models.inspection.einsum import einsum_macs
from autoscale_runtime.models.inspection.onnx_domains import UNCOUNTABLE, without_macs
from autoscale_runtime.models.inspection.onnx_traffic import is_other_layer, is_spatial, moved_values
from autoscale_runtime.models.inspection.onnx_values import Value, attribute, label
from autoscale_runtime.models.inspection.report import Tally

Inputs = Sequence[Value | None]


class _Open(Exception):
    """A shape that a formula needs is not known."""

    def __init__(self, value: Value) -> None:
        super().__init__(value.why or "its shape is unknown")


class Call:
    """A node with its inputs and outputs, as the formulas read it."""

    def __init__(self, node: NodeProto, inputs: Inputs, outputs: Sequence[Value]) -> None:
        self.node, self.inputs, self.outputs = node, inputs, outputs

    def has(self, index: int) -> bool:
        """Whether the optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def input(self, index: int) -> tuple[int, ...]:
        """An input's shape."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None or value.shape is None:
            raise _Open(value or Value(None, why=f"input {index} is missing"))
        return value.shape

    def output_size(self) -> int:
        """The elements of the first output."""
        if self.outputs[0].shape is None:
            raise _Open(self.outputs[0])
        return math.prod(self.outputs[0].shape)

    def flag(self, name: str) -> int:
        """An integer attribute, 0 if absent."""
        return int(attribute(self.node, name, 0))

    def weighted(self, *operands: int) -> bool:
        """Whether one of the operands comes from the file's constants alone."""
        return any(self.has(each) and (value := self.inputs[each]) is not None and value.static for each in operands)


Work = list[tuple[str, Callable[[Call], int]]]
Rule = Callable[[Call], Work]


def count(node: NodeProto, inputs: Inputs, outputs: Sequence[Value], identity: object, tally: Tally) -> None:
    """Add one node's layers and MACs to the tally, or say why they are missing."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    rule = RULES.get((domain, node.op_type))
    if rule is None:
        if (domain, node.op_type) in UNCOUNTABLE:
            tally.skip(f"{label(node)}: {UNCOUNTABLE[domain, node.op_type]}")
        elif not without_macs(domain, node.op_type):
            tally.skip(f"{label(node)}: an operator that is not known here")
        elif is_other_layer(node, outputs):
            tally.add_layer(identity, "other", moved_values(node, inputs, outputs))
        return
    call = Call(node, inputs, outputs)
    work = rule(call)
    tally.add_layer(identity, work[0][0], moved_values(node, inputs, outputs))
    for kind, macs in work:
        try:
            tally.add(kind, macs(call), kind == "conv" and is_spatial(node, inputs))
        except (_Open, ValueError, IndexError, TypeError) as error:
            tally.add(kind, 0)
            tally.skip(f"{label(node)}: its MACs are unknown: {error}")


def _conv(weight: int) -> Rule:
    def macs(call: Call) -> int:
        return call.output_size() * math.prod(call.input(weight)[1:])

    return lambda call: [(_conv_kind(call, weight), macs)]


def _conv_transpose(call: Call) -> Work:
    return [(_conv_kind(call, 1), lambda c: math.prod(c.input(0)) * math.prod(c.input(1)[1:]))]


def _conv_kind(call: Call, weight: int) -> str:
    """Depthwise: as many groups as input channels, read from the weight's shape.

    A convolution's weight is [out, in / group, ...], a transposed one's [in, out / group, ...].
    """
    group = int(attribute(call.node, "group", 1))
    value = call.inputs[weight] if call.has(weight) else None
    if group == 1 or value is None or value.shape is None:
        return "conv"
    if call.node.op_type.startswith("ConvTranspose"):
        return "depthwise_conv" if value.shape[0] == group else "conv"
    per_group = value.shape[-1 if call.node.op_type == "NhwcConv" else 1]
    return "depthwise_conv" if per_group == 1 else "conv"


def _causal_conv(call: Call) -> Work:
    def macs(call: Call) -> int:
        return call.output_size() * call.input(1)[-1]

    return [("depthwise_conv" if call.input(0)[1] > 1 else "conv", macs)]


def _product(a: int, b: int) -> Rule:
    """``MatMul`` of two inputs: the inner dimension is the first operand's last."""

    def macs(call: Call) -> int:
        left = call.input(a)
        inner = -2 if call.flag("transA") and len(left) > 1 else -1
        if call.flag("transA") and call.flag("transBatchA"):
            inner = 0
        return call.output_size() * left[inner]

    return lambda call: [("fully_connected" if call.weighted(a, b) else "other", macs)]


def _gemm(call: Call) -> Work:
    return [("fully_connected", lambda c: c.output_size() * c.input(0)[0 if c.flag("transA") else 1])]


def _packed_product(call: Call) -> Work:
    """The weight is packed in blocks; its sizes are the attributes K and N."""
    return [("fully_connected", lambda c: c.output_size() * c.flag("K"))]


def _einsum(call: Call) -> Work:
    def macs(call: Call) -> int:
        shapes = [call.input(each) for each in range(len(call.inputs))]
        return einsum_macs(attribute(call.node, "equation"), shapes)

    return [("fully_connected" if call.weighted(*range(len(call.inputs))) else "other", macs)]


def _recurrent(call: Call) -> Work:
    """W is [directions, gates * hidden, input], R [directions, gates * hidden, hidden], or their transposes."""

    def macs(call: Call) -> int:
        steps, batch, _ = call.input(0)
        return steps * batch * (math.prod(call.input(1)) + math.prod(call.input(2)))

    return [("recurrent", macs)]


def _linear(call: Call) -> Work:
    """scikit-learn's linear models hold their weights in an attribute."""

    def macs(call: Call) -> int:
        coefficients: list[float] = attribute(call.node, "coefficients", [])
        return call.input(0)[0] * len(coefficients)

    return [("fully_connected", macs)]


def _attention(call: Call) -> Work:
    """ai.onnx Attention: every query meets every key, then every value."""

    def macs(call: Call) -> int:
        keys = call.input(1)[-2] + (call.input(4)[-2] if call.has(4) else 0)
        return keys * (math.prod(call.input(0)) + call.output_size())

    return [("other", macs)]


def _projected_attention(past: int) -> Rule:
    """com.microsoft Attention: the projection to queries, keys and values is inside."""

    def projection(call: Call) -> int:
        return math.prod(call.input(0)) * call.input(1)[1]

    def products(call: Call) -> int:
        batch, steps, _ = call.input(0)
        sizes: list[int] = attribute(call.node, "qkv_hidden_sizes") or [call.input(1)[1] // 3]
        keys = steps + (call.input(past)[3] if call.has(past) else 0)
        return keys * (batch * steps * sizes[0] + call.output_size())

    return lambda call: [("fully_connected", projection), ("other", products)]


def _multi_head_attention(call: Call) -> Work:
    def macs(call: Call) -> int:
        query = call.input(0)
        packed = len(query) == 5
        key = query if packed or not call.has(1) else call.input(1)
        keys = key[2] if len(key) == 4 else key[1]
        keys += call.input(6)[2] if call.has(6) else 0
        return keys * (math.prod(query) // (3 if packed else 1) + call.output_size())

    return [("other", macs)]


def _group_query_attention(call: Call) -> Work:
    """The total length says how much of a past's buffer is filled, where it is known."""

    def macs(call: Call) -> int:
        total = call.inputs[6].data if len(call.inputs) > 6 and call.inputs[6] is not None else None
        keys = call.input(0)[1] + (call.input(3)[2] if call.has(3) else 0) if total is None else int(total.max())
        return 2 * keys * call.output_size()

    return [("other", macs)]


RULES: dict[tuple[str, str], Rule] = {
    ("", "Conv"): _conv(1),
    ("", "ConvInteger"): _conv(1),
    ("", "DeformConv"): _conv(1),
    ("", "QLinearConv"): _conv(3),
    ("", "ConvTranspose"): _conv_transpose,
    ("", "CausalConvWithState"): _causal_conv,
    ("", "MatMul"): _product(0, 1),
    ("", "MatMulInteger"): _product(0, 1),
    ("", "QLinearMatMul"): _product(0, 3),
    ("", "Gemm"): _gemm,
    ("", "Einsum"): _einsum,
    ("", "LSTM"): _recurrent,
    ("", "GRU"): _recurrent,
    ("", "RNN"): _recurrent,
    ("", "Attention"): _attention,
    ("ai.onnx.ml", "LinearClassifier"): _linear,
    ("ai.onnx.ml", "LinearRegressor"): _linear,
    ("com.microsoft", "FusedConv"): _conv(1),
    ("com.microsoft", "NhwcFusedConv"): _conv(1),
    ("com.microsoft", "NhwcConv"): _conv(1),
    ("com.microsoft", "QLinearConv"): _conv(3),
    ("com.microsoft", "ConvTransposeWithDynamicPads"): _conv_transpose,
    ("com.microsoft", "FusedMatMul"): _product(0, 1),
    ("com.microsoft", "TransposeMatMul"): _product(0, 1),
    ("com.microsoft", "FusedMatMulActivation"): _product(0, 1),
    ("com.microsoft", "GemmFastGelu"): _product(0, 1),
    ("com.microsoft", "DynamicQuantizeMatMul"): _product(0, 1),
    ("com.microsoft", "MatMulIntegerToFloat"): _product(0, 1),
    ("com.microsoft", "MatMulInteger16"): _product(0, 1),
    ("com.microsoft", "FusedGemm"): _gemm,
    ("com.microsoft", "GemmFloat8"): _gemm,
    ("com.microsoft", "QGemm"): _gemm,
    ("com.microsoft", "MatMulNBits"): _packed_product,
    ("com.microsoft", "MatMulBnb4"): _packed_product,
    ("com.microsoft", "DynamicQuantizeLSTM"): _recurrent,
    ("com.microsoft", "Attention"): _projected_attention(4),
    ("com.microsoft", "QAttention"): _projected_attention(8),
    ("com.microsoft", "MultiHeadAttention"): _multi_head_attention,
    ("com.microsoft", "GroupQueryAttention"): _group_query_attention,
}
