"""Writing an ONNX graph as one writes numpy: every method adds a node and gives the name of its result."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.extras import needed

OPSET: Final = 17
IR_VERSION: Final = 9
ROUNDING: Final = 1e-12
"""Costs (logarithms, or standard deviations) that lie no further apart are equal."""


def onnx() -> Any:
    """The package onnx.

    Raises:
        MissingExtra: it is not installed.
    """
    with needed("onnx", "prepare", "exporting a policy"):
        return import_module("onnx")


class Graph:
    """Nodes, constants, inputs and outputs, in the order in which they were added; all numbers are doubles."""

    def __init__(self) -> None:
        self._onnx = onnx()
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int], kind: type = np.float64) -> str:
        """An input of the graph."""
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, self._kind(kind), list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[int], kind: type = np.float64) -> None:
        """A value as an output of the graph."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, self._kind(kind), list(shape)))

    def constant(self, value: NDArray[Any] | float | Sequence[float]) -> str:
        """A constant, of doubles unless it is an array of something else."""
        array = value if isinstance(value, np.ndarray) else np.array(value, np.float64)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = f"constant_{len(self._constants)}"
            self._initializers.append(self._onnx.numpy_helper.from_array(np.array(array, order="C"), name))
        return self._constants[key]

    def __call__(self, operator: str, *values: "str | float | NDArray[Any]", **attributes: Any) -> str:
        """A node of any operator; numbers and arrays among its inputs become constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in values]
        result = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, names, [result], **attributes))
        return result

    def sum(self, value: str, axis: int = -1, *, keep: bool = False) -> str:
        """The sum over an axis."""
        return self("ReduceSum", value, np.array([axis], np.int64), keepdims=int(keep))

    def least_at(self, value: str) -> str:
        """The index of the first of the least, of shape (1,).

        What differs by rounding is the same: a runtime may round the last figures of a tensor otherwise than the rest.
        """
        least = self("ReduceMin", value, keepdims=1)
        is_least = self("LessOrEqual", value, self("Add", least, ROUNDING))
        return self("ArgMax", self.number(is_least), axis=0, keepdims=1)

    def any(self, flags: str) -> str:
        """Whether one of them is true, of shape (1,)."""
        return self("Greater", self.sum(self.number(flags), keep=True), 0.0)

    def either(self, condition: str, flags: str, otherwise: str) -> str:
        """Flags where a condition holds, others where not: runtimes have no ``Where`` of flags."""
        return self("Or", self("And", condition, flags), self("And", self("Not", condition), otherwise))

    def number(self, flags: str) -> str:
        """Flags as 1 and 0."""
        return self("Cast", flags, to=self._kind(np.float64))

    def model(self, name: str, description: str) -> bytes:
        """The file.

        Raises:
            onnx.checker.ValidationError: it is no valid graph.
        """
        graph = self._onnx.helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._initializers)
        model = self._onnx.helper.make_model(
            graph,
            producer_name="autoscale",
            doc_string=description,
            ir_version=IR_VERSION,
            opset_imports=[self._onnx.helper.make_opsetid("", OPSET)],
        )
        self._onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content

    def _kind(self, kind: type) -> int:
        number: int = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return number
