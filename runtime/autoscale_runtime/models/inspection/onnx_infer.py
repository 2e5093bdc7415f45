"""Shapes and small contents of one node's outputs from those of its inputs.

Graph-wide shape inference gives up at the first ``Shape`` -> ``Slice`` -> ``Reshape`` chain it cannot follow. Node by
node nothing is lost: content that follows from shapes and constants is computed by ONNX Runtime, so the next
node's shape is exact again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, TypeProto, defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from autoscale_runtime.backends.onnxruntime import DTYPES, inference_session_class, onnx_runtime
from autoscale_runtime.models.inspection.onnx_values import (
    SMALL,
    SUB_BYTE_BITS,
    Array,
    Value,
    attribute,
    constant_value,
    data_value,
    label,
)

RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
# New enough for every element type, old enough for every ONNX Runtime this project allows.
RUN_IR_VERSION = 10
# What a shape rule of onnx raises for a node whose inputs contradict each other.
RULE_ERRORS = (shape_inference.InferenceError, RuntimeError, ValueError, KeyError, TypeError, IndexError)
Inputs = Sequence[Value | None]


class NodeInference:
    """The shape rules of one file's operator sets.

    Args:
        opsets: domain to version.
        ir_version: of the file.
        folder: where external data lies.
        declared: tensor name to the type that the file states, for operators without a rule.
    """

    def __init__(
        self, opsets: Mapping[str, int], ir_version: int, folder: Path, declared: Mapping[str, TypeProto]
    ) -> None:
        self.folder = folder
        self.opsets = opsets
        self._declared = declared
        self._ir_version = ir_version
        self._opset_ids = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]

    def constant(self, tensor: TensorProto) -> Value:
        """The value of an initializer."""
        return constant_value(tensor, self.folder)

    def outputs(self, node: NodeProto, inputs: Inputs) -> list[Value]:
        """One value for each of the node's outputs, unknown where nothing tells."""
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            return [self._constant_node(node)]
        if node.op_type in ("Shape", "Size") and inputs[0] is not None and inputs[0].shape is not None:
            return [_shape_content(node, inputs[0].shape)]
        given = [each for each in inputs if each is not None]
        static = bool(given) and all(each.static for each in given) and node.op_type not in RANDOM
        types, why = self._types(node, inputs)
        data = self._fold(node, inputs, types)
        return [Value(types.get(name), data.get(name), static, why if name else "no output") for name in node.output]

    def _constant_node(self, node: NodeProto) -> Value:
        for name in ("value", "sparse_value"):
            held = attribute(node, name)
            if isinstance(held, TensorProto):
                return self.constant(held)
            if held is not None:
                return Value(helper.make_tensor_type_proto(held.values.data_type, held.dims), static=True)
        plain = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32}
        for name, dtype in {**plain, "value_floats": np.float32}.items():
            if (held := attribute(node, name)) is not None:
                return data_value(np.array(held, dtype), static=True)
        text = attribute(node, "value_strings")
        return Value(helper.make_tensor_type_proto(TensorProto.STRING, [] if text is None else [len(text)]))

    def _types(self, node: NodeProto, inputs: Inputs) -> tuple[dict[str, TypeProto], str]:
        """Output types by the operator's rule, else by running it, else as the file declares; and why not."""
        types, why = self._by_rule(node, inputs)
        if any(Value(types.get(name)).shape is None for name in node.output if name):
            if not why and not self._has_rule(node):
                types = {**types, **(self._by_runtime_rule(node, inputs) or self._by_running(node, inputs))}
            for name in node.output:
                if name in self._declared and Value(types.get(name)).shape is None:
                    types[name] = self._declared[name]
            why = why or _first_cause(node, inputs)
        return types, why

    def _schema(self, node: NodeProto) -> defs.OpSchema | None:
        domain = "" if node.domain == "ai.onnx" else node.domain
        try:
            return defs.get_schema(node.op_type, self.opsets.get(domain, 1), domain)
        except defs.SchemaError:
            return None

    def _has_rule(self, node: NodeProto) -> bool:
        schema = self._schema(node)
        return schema is not None and schema.has_type_and_shape_inference_function

    def _by_rule(self, node: NodeProto, inputs: Inputs) -> tuple[dict[str, TypeProto], str]:
        schema = self._schema(node)
        if schema is None or not self._has_rule(node):
            return {}, ""
        named = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
        types = {name: value.type if value.type is not None else TypeProto() for name, value in named.items()}
        # No rule looks into packed numbers, which onnx before 1.19 cannot pack where they are odd in number.
        known = {name: value.data for name, value in named.items() if value.elem_type not in SUB_BYTE_BITS}
        data = {name: numpy_helper.from_array(each) for name, each in known.items() if each is not None}
        try:
            return dict(
                shape_inference.infer_node_outputs(
                    schema, node, types, data, opset_imports=self._opset_ids, ir_version=self._ir_version
                )
            ), ""
        except RULE_ERRORS as error:
            return {}, f"{label(node)}: {' '.join(str(error).split())[:160]}"

    def _by_runtime_rule(self, node: NodeProto, inputs: Inputs) -> dict[str, TypeProto]:
        """Types of an operator of ONNX Runtime's own, by the rule that it has for it; nothing where they stay open.

        Without a rule it says ``[]``, as of a scalar: whoever runs the node knows.
        """
        named = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
        if any(value.shape is None for value in named.values()):
            return {}
        known = [numpy_helper.from_array(each.data, name) for name, each in named.items() if each.data is not None]
        model = self._alone(node, {name: each.type for name, each in named.items() if each.data is None}, known)
        try:
            session = _opened(model)
        except Exception:  # ONNX Runtime's errors share no base class; without a kernel here nothing is known
            return {}
        found = {each.name: (each.type, each.shape) for each in session.get_outputs()}
        if not all(
            kind in DTYPES and shape and all(isinstance(dim, int) for dim in shape) for kind, shape in found.values()
        ):
            return {}
        return {
            name: helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[kind])), shape)
            for name, (kind, shape) in found.items()
        }

    def _alone(
        self, node: NodeProto, inputs: Mapping[str, TypeProto | None], known: Sequence[TensorProto] = ()
    ) -> onnx.ModelProto:
        """A model of one node."""
        graph_inputs = [onnx.ValueInfoProto(name=name, type=kind) for name, kind in inputs.items()]
        graph_outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "one_node", graph_inputs, graph_outputs, known)
        return helper.make_model(graph, opset_imports=self._opset_ids, ir_version=RUN_IR_VERSION)

    def _by_running(self, node: NodeProto, inputs: Inputs) -> dict[str, TypeProto]:
        """Types of an operator that onnx has no rule for, from one run of it on ones."""
        feeds: list[Array | None] = []
        for value in inputs:
            if value is not None and value.shape is None:
                return {}
            feeds.append(None if value is None else _ones(value))
        return {
            name: _type_of(array)
            for name, array in zip([n for n in node.output if n], self._run(node, inputs, feeds), strict=False)
        }

    def _fold(self, node: NodeProto, inputs: Inputs, types: dict[str, TypeProto]) -> dict[str, Array]:
        """The content of the outputs, if all inputs are known and it is small."""
        if node.op_type in RANDOM or not inputs or any(v is not None and v.data is None for v in inputs):
            return {}
        shapes = [Value(types.get(name)).shape for name in node.output if name]
        if any(shape is not None and np.prod(shape, dtype=object) > SMALL for shape in shapes):
            return {}
        arrays = self._run(node, inputs, [None if value is None else value.data for value in inputs])
        names = [name for name in node.output if name]
        folded = dict(zip(names, arrays, strict=False))
        types.update({name: _type_of(array) for name, array in folded.items()})
        return folded

    def _run(self, node: NodeProto, inputs: Inputs, feeds: Sequence[Array | None]) -> list[Array]:
        """Run one node alone; nothing if that fails."""
        named = {name: (v, f) for name, v, f in zip(node.input, inputs, feeds, strict=True) if name}
        model = self._alone(node, {name: v.type for name, (v, _) in named.items() if v})
        content = {name: feed for name, (_, feed) in named.items()}
        for run in (_by_runtime, _by_reference):
            try:
                return [each for each in run(model, content) if isinstance(each, np.ndarray)]
            except Exception:  # both raise errors of any type; a node that neither can run stays unknown
                continue
        return []


def _by_runtime(model: onnx.ModelProto, feeds: Mapping[str, Array | None]) -> list[Array]:
    session = _opened(model)
    return list(session.run(None, feeds))


def _by_reference(model: onnx.ModelProto, feeds: Mapping[str, Array | None]) -> list[Array]:
    """ONNX's own evaluator knows the operator sets that are newer than the installed ONNX Runtime, if there is one."""
    return list(ReferenceEvaluator(model).run(None, dict(feeds)))


def _shape_content(node: NodeProto, shape: tuple[int, ...]) -> Value:
    if node.op_type == "Size":
        return data_value(np.array(int(np.prod(shape, dtype=object)), np.int64))
    return data_value(np.array(shape[attribute(node, "start", 0) : attribute(node, "end")], np.int64))


def _first_cause(node: NodeProto, inputs: Inputs) -> str:
    """Why an output's shape is open: an input's cause if it has one, else this node itself."""
    for value in inputs:
        if value is not None and value.shape is None and value.why:
            return value.why
    return f"the shape of {label(node)} depends on the data"


def _ones(value: Value) -> Array:
    if value.data is not None:
        return value.data
    return np.ones(value.shape or (), helper.tensor_dtype_to_np_dtype(value.elem_type))


def _type_of(array: Array) -> TypeProto:
    elem_type = TensorProto.STRING if array.dtype == object else helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_type_proto(elem_type, array.shape)


def _opened(model: onnx.ModelProto) -> Any:
    ort = onnx_runtime()
    return inference_session_class()(model.SerializeToString(), _quiet(ort), providers=["CPUExecutionProvider"])


def _quiet(ort: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return options
