"""What an ONNX node moves to and from memory, and which nodes without MACs a processor runs by themselves."""

import math
from collections.abc import Sequence
from typing import Final

from onnx import NodeProto

from autoscale_runtime.models.inspection.onnx_values import Value

# Runtimes fold these into the layer before them.
_FOLDED = """
    BatchNormalization Celu Clip Elu Gelu HardSigmoid HardSwish LeakyRelu Mish PRelu Relu Selu Sigmoid Softplus Softsign
    Tanh ThresholdedRelu DequantizeLinear DynamicQuantizeLinear QuantizeLinear BiasGelu FastGelu QuickGelu
    QLinearLeakyRelu QLinearSigmoid
"""
# These are another view of what is there.
_VIEWS = "Cast CastLike Dropout Flatten Identity Reshape Shape Size Squeeze Unsqueeze"
NO_LAYERS: Final = frozenset(f"{_FOLDED} {_VIEWS}".split())
# Of their first input these read as much as they answer.
PARTIAL_READERS: Final = frozenset({"Gather", "GatherElements", "GatherND", "Slice", "Split"})


def is_other_layer(node: NodeProto, outputs: Sequence[Value]) -> bool:
    """Whether a node without MACs is a layer: it computes on the query's data, and is not folded away."""
    fixed = all(each.static or each.data is not None for each in outputs)
    return node.op_type not in NO_LAYERS and not fixed


def moved_values(node: NodeProto, inputs: Sequence[Value | None], outputs: Sequence[Value]) -> int | None:
    """Values read and written by one run of a node, weights among them; None where a shape is open."""
    written = [value for name, value in zip(node.output, outputs, strict=False) if name]
    read = [each for each in inputs if each is not None]
    if node.op_type in PARTIAL_READERS:
        read[:1] = written
    sizes = [_size(each) for each in (*read, *written)]
    return None if None in sizes else sum(each or 0 for each in sizes)


def is_spatial(node: NodeProto, inputs: Sequence[Value | None]) -> bool:
    """Whether a convolution's filter is larger than 1 x 1; its weight is the second input of rank 3 or more."""
    shapes = [each.shape for each in inputs if each is not None and each.shape is not None]
    weights = [each for each in shapes[1:] if len(each) > 2]
    kernel = weights[0] if weights else ()
    return math.prod(kernel[1:-1] if node.op_type == "NhwcConv" else kernel[2:]) > 1


def _size(value: Value) -> int | None:
    return None if value.shape is None else math.prod(value.shape)
