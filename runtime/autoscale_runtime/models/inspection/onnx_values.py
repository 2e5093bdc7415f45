"""What is known of a tensor before the network runs: type, shape, and for small constants the content."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, TypeProto, external_data_helper, helper, numpy_helper

Array = npt.NDArray[Any]

# Contents beyond this are weights, not shapes, indices or limits: nobody needs to compute with them.
SMALL = 1 << 16
SUB_BYTE_BITS = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    getattr(TensorProto, "INT2", -1): 2,
    getattr(TensorProto, "UINT2", -2): 2,
}


@dataclass(frozen=True, slots=True)
class Value:
    """One tensor of the graph.

    Attributes:
        type: ONNX's type, its shape perhaps partly open; None if nothing is known.
        data: the content, where it is small and follows from constants and shapes.
        static: whether it is computed from the file's constants alone, hence a weight where it is multiplied.
        why: what keeps its shape unknown.
    """

    type: TypeProto | None
    data: Array | None = None
    static: bool = False
    why: str = ""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape if every dimension is known."""
        dims = self.dims
        if dims is None or None in dims:
            return None
        return tuple(dim for dim in dims if dim is not None)

    @property
    def dims(self) -> tuple[int | None, ...] | None:
        """The dimensions, None for an open one; None if the rank is open too."""
        if self.type is None or not self.type.HasField("tensor_type"):
            return None
        tensor = self.type.tensor_type
        if not tensor.HasField("shape"):
            return None
        return tuple(
            int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim
        )

    @property
    def elem_type(self) -> int:
        """ONNX's number of the element type; 0 if unknown or no tensor."""
        return int(self.type.tensor_type.elem_type) if self.type is not None else 0

    def shapeless(self) -> "Value":
        """The same kind of tensor with unknown content, as one that differs from run to run."""
        return replace(self, data=None, static=False)


def tensor_value(elem_type: int, shape: tuple[int | None, ...] | None, data: Array | None = None) -> Value:
    """A tensor that is not a constant of the file."""
    return Value(helper.make_tensor_type_proto(elem_type, shape), data)


def data_value(data: Array, static: bool = False) -> Value:
    """A tensor of known content."""
    elem_type = helper.np_dtype_to_tensor_dtype(data.dtype)
    return Value(helper.make_tensor_type_proto(elem_type, data.shape), data, static)


def constant_value(tensor: TensorProto, folder: Path) -> Value:
    """An initializer or a Constant's tensor; its content only if it is small and at hand."""
    shape = tuple(tensor.dims)
    kind = helper.make_tensor_type_proto(tensor.data_type, shape)
    size = int(np.prod(shape, dtype=object))
    return Value(kind, _content(tensor, folder) if size <= SMALL else None, static=True)


def _content(tensor: TensorProto, folder: Path) -> Array | None:
    try:
        if external_data_helper.uses_external_data(tensor):
            tensor = TensorProto.FromString(tensor.SerializeToString())  # what is read stays in the one it is read into
        return numpy_helper.to_array(tensor, str(folder))
    except (OSError, ValueError, TypeError, onnx.checker.ValidationError):
        return None  # a weight file that is missing: shapes still follow from the dims


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """A node's attribute as Python sees it, text as str."""
    for each in node.attribute:
        if each.name == name:
            found = helper.get_attribute_value(each)
            return found.decode() if isinstance(found, bytes) else found
    return default


def label(node: onnx.NodeProto) -> str:
    """A node as a message names it."""
    domain = f"{node.domain}:" if node.domain not in ("", "ai.onnx") else ""
    return f"{domain}{node.op_type} '{node.name or (node.output[0] if node.output else '')}'"


def dtype_name(elem_type: int) -> str:
    """NumPy's name of an element type.

    >>> dtype_name(TensorProto.FLOAT)
    'float32'
    """
    if elem_type == TensorProto.STRING:
        return "string"
    try:
        return str(helper.tensor_dtype_to_np_dtype(elem_type))
    except (KeyError, TypeError, ValueError):
        return "unknown"


def element_bits(elem_type: int) -> int | None:
    """Bits of one element; None for strings and unknown types."""
    if elem_type in SUB_BYTE_BITS:
        return SUB_BYTE_BITS[elem_type]
    if dtype_name(elem_type) in ("string", "unknown"):
        return None
    return 8 * int(helper.tensor_dtype_to_np_dtype(elem_type).itemsize)
