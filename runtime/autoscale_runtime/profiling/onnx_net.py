"""Writes small ONNX networks with random weights, layer by layer, in fp32 or in int8."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]


class Net:
    """A graph under construction; every method adds nodes and gives the name of their output."""

    def __init__(self, shape: Shape, is_int8: bool = False, seed: int = 0) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.shape, self._is_int8 = shape, is_int8
        self._rng = np.random.default_rng(seed)
        self._rounded: dict[str, str] = {}

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Any operator."""
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def constant(self, values: Any) -> str:
        """An array of the file."""
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, *shape: int, fan_in: int = 1) -> str:
        """An array scaled so that values neither vanish nor explode."""
        return self.constant((self._rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))

    def weight(self, *shape: int, fan_in: int) -> str:
        """A random operand; in an int8 network an integer one that is scaled."""
        if not self._is_int8:
            return self.random(*shape, fan_in=fan_in)
        whole = self.constant(self._rng.integers(-127, 128, shape).astype(np.int8))
        return self.node("DequantizeLinear", whole, self.constant(np.float32(1.0 / 127.0 / fan_in**0.5)))

    def quantised(self, x: str) -> str:
        """In an int8 network, the values rounded to its grid (the QDQ form that engines fuse)."""
        if not self._is_int8:
            return x
        if x not in self._rounded:
            scale, zero = (
                self.constant(np.float32(0.02)),
                self.constant(np.int8(-128)),
            )  # after a ReLU, which it takes over
            self._rounded[x] = self.node("DequantizeLinear", self.node("QuantizeLinear", x, scale, zero), scale, zero)
        return self._rounded[x]

    def conv(
        self, x: str, ins: int, outs: int, size: int = 3, stride: int = 1, groups: int = 1, act: str = "Relu"
    ) -> str:
        """A convolution with bias, padded to keep the size, and its activation."""
        inside = ins // groups
        inputs = self.quantised(x), self.weight(outs, inside, size, size, fan_in=inside * size * size)
        bias = [] if self._is_int8 else [self.random(outs)]
        sizes, pads = [size] * 2, [size // 2] * 4
        y = self.node("Conv", *inputs, *bias, kernel_shape=sizes, strides=[stride] * 2, pads=pads, group=groups)
        return self.node(act, y) if act else y

    def dense(self, x: str, ins: int, outs: int, act: str = "") -> str:
        """A matrix product with a weight, its bias and its activation."""
        y = self.quantised(self.node("MatMul", self.quantised(x), self.weight(ins, outs, fan_in=ins)))
        y = self.node("Add", y, self.random(outs))
        return self.node(act, y) if act else y

    def normed(self, x: str, width: int) -> str:
        """Layer normalisation."""
        ones, zeros = self.constant(np.ones(width, np.float32)), self.constant(np.zeros(width, np.float32))
        return self.node("LayerNormalization", x, ones, zeros)

    def pooled(self, x: str) -> str:
        """Averaged over the picture and flattened."""
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def save(self, path: Path, output: str) -> Path:
        """The file."""
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        self.nodes.append(helper.make_node("Identity", [output], ["y"]))
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, path.stem, [x], [y], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
        return path
