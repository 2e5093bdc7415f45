"""The work of each TensorFlow Lite operator; the package's docstring states the formulas.

Weights are laid out [out, height, width, in] (depthwise: [1, height, width, channels]), so that every formula
needs shapes alone and no operator's options.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TfliteCall:
    """One operator's shapes; a missing input is None; ``constant`` says which inputs come from the file alone."""

    inputs: Sequence[Shape | None]
    output: Shape
    constant: Sequence[bool]

    def input(self, index: int) -> Shape:
        """An input's shape.

        Raises:
            ValueError: it is missing.
        """
        shape = self.inputs[index]
        if shape is None:
            raise ValueError(f"input {index} is missing")
        return shape

    def weights(self, *indices: int) -> int:
        """Elements of those weights that are there, all together."""
        present = (self.inputs[each] for each in indices if each < len(self.inputs))
        return sum(math.prod(shape) for shape in present if shape is not None)

    def is_spatial(self) -> bool:
        """Whether a convolution's filter is larger than 1 x 1."""
        weight = self.input(1)
        return math.prod(weight[1:-1] if len(weight) < 5 else weight[:3]) > 1


Rule = Callable[[TfliteCall], tuple[str, int]]


def _conv(call: TfliteCall) -> tuple[str, int]:
    weight, channels = call.input(1), call.input(0)[-1]
    kind = "depthwise_conv" if weight[-1] == 1 and channels > 1 else "conv"
    return kind, math.prod(call.output) * math.prod(weight[1:])


def _depthwise(call: TfliteCall) -> tuple[str, int]:
    _, height, width, _ = call.input(1)
    kind = "depthwise_conv" if call.input(0)[-1] > 1 else "conv"
    return kind, math.prod(call.output) * height * width


def _transpose_conv(call: TfliteCall) -> tuple[str, int]:
    """Inputs: output shape, weight [out, height, width, in], data."""
    return "conv", math.prod(call.input(2)) * math.prod(call.input(1)[:-1])


def _conv_3d(call: TfliteCall) -> tuple[str, int]:
    return "conv", math.prod(call.output) * math.prod(call.input(1)[:-1])


def _conv_3d_transpose(call: TfliteCall) -> tuple[str, int]:
    """Inputs: output shape, weight [depth, height, width, out, in], data."""
    return "conv", math.prod(call.input(2)) * math.prod(call.input(1)[:-1])


def _fully_connected(call: TfliteCall) -> tuple[str, int]:
    """The weight is [out, in]; every run of ``in`` elements of the data is one row."""
    return _matrix_kind(call), math.prod(call.input(0)) * call.input(1)[0]


def _batch_matmul(call: TfliteCall) -> tuple[str, int]:
    """The inner dimension is what the output's rows leave of the first operand, transposed or not."""
    left, rows = call.input(0), call.output[-2]
    inner = left[-1] * left[-2] // rows if rows else 0
    return _matrix_kind(call), math.prod(call.output) * inner


def _matrix_kind(call: TfliteCall) -> str:
    return "fully_connected" if any(call.constant[:2]) else "other"


def _recurrent(*weights: int) -> Rule:
    """Each step multiplies its input and its state by all of these matrices once."""

    def rule(call: TfliteCall) -> tuple[str, int]:
        data = call.input(0)
        return "recurrent", math.prod(data[:-1]) * call.weights(*weights)

    return rule


def _lstm(call: TfliteCall) -> tuple[str, int]:
    """One step; the short form has one matrix for all gates."""
    return (_recurrent(2) if len(call.inputs) == 5 else _recurrent(*range(1, 9), 16))(call)


# The schema's numbers of the built-in operators that multiply and accumulate.
RULES: dict[int, Rule] = {
    3: _conv,
    4: _depthwise,
    9: _fully_connected,
    16: _lstm,
    24: _recurrent(1, 2),
    27: _recurrent(1, 2),
    35: _recurrent(1, 2),
    44: _recurrent(*range(1, 9), 16),
    46: _recurrent(1, 2, 5, 6, 10, 11),
    52: _recurrent(*range(1, 9), 16, *range(18, 26), 33, *range(40, 48)),
    67: _transpose_conv,
    126: _batch_matmul,
    132: _conv_3d,
    141: _conv_3d_transpose,
}
# Operators that MediaPipe and the detection models bring under names of their own.
CUSTOM_RULES: dict[str, Rule] = {
    "Convolution2DTransposeBias": lambda call: ("conv", math.prod(call.input(0)) * math.prod(call.input(1)[:-1])),
}
# Folded into the layer before them (activations, quantisation), or another view of what is there (reshaping, casts).
NO_LAYERS = {6, 14, 19, 20, 21, 22, 28, 43, 53, 54, 70, 77, 80, 98, 110, 111, 114, 117, 150}
# Of their first input these read as much as they answer: GATHER, STRIDED_SLICE, SLICE, SPLIT.
PARTIAL_READERS = {36, 45, 49, 65}
CUSTOM_WITHOUT_MACS = ("TFLite_Detection_PostProcess", "MaxPoolingWithArgmax2D", "MaxUnpooling2D")
IF, WHILE, CALL, CUSTOM = 118, 119, 31, 32
LAST_KNOWN = 209
UNCOUNTABLE = {
    51: "DELEGATE: a compiled part of the graph",
    131: "RFFT2D: a Fourier transform's multiplications depend on the algorithm",
    171: "STABLEHLO_CONVOLUTION",
    173: "STABLEHLO_CUSTOM_CALL",
    197: "STABLEHLO_DOT_GENERAL",
    200: "STABLEHLO_WHILE",
    206: "STABLEHLO_COMPOSITE",
    209: "STABLEHLO_CASE",
}
# Where an integer constant is a quantised bias: of convolutions, matrix products and recurrent layers.
BIAS = {
    3: {2},
    4: {2},
    9: {2},
    16: {3, 12, 13, 14, 15, 17},
    24: {3},
    27: {3},
    35: {3},
    44: {12, 13, 14, 15, 17},
    46: {3, 7},
    52: {*range(12, 16), 17, *range(29, 33), 34},
    67: {3},
    132: {2},
    141: {3},
}
