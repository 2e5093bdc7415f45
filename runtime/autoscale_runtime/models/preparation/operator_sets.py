"""Raises an ONNX model to a later operator set, exactly where ONNX's own converter is not.

The converter gives Resize other coordinates than operator set 10 meant, and softens what Hardmax and its kin do over
several axes at once. Such nodes are set aside while it works, in a domain that it passes over, and put back as what
they mean in operator set 13.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper, numpy_helper, version_converter

TARGET: Final = 13
"""The first operator set whose DequantizeLinear takes a scale a channel."""

RESIZES: Final = {"Resize": 11, "Upsample": 10}
"""Operators that sample, to the operator set from which the converter is right or they are no more."""

OVER_AXES: Final = ("Hardmax", "Softmax", "LogSoftmax")
"""Operators that before operator set 13 worked on all axes from ``axis`` on as if they were one."""

_ASIDE: Final = "autoscale.set_aside"


def operator_set(model: ModelProto) -> int:
    """The version of ONNX's own operators that a model uses."""
    return next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))


def raised(model: ModelProto) -> ModelProto:
    """The same network at operator set 13.

    Raises:
        RuntimeError: an operator that cannot be converted.
    """
    version = operator_set(model)
    for node in (node for graph in _graphs(model.graph) for node in graph.node):
        if node.domain in ("", "ai.onnx") and (node.op_type in OVER_AXES or version < RESIZES.get(node.op_type, 0)):
            node.domain = _ASIDE
    model.opset_import.append(helper.make_opsetid(_ASIDE, 1))
    model = version_converter.convert_version(model, TARGET)
    for graph in reversed(list(_graphs(model.graph))):  # branches first: putting a node back copies it
        _put_back(graph)
    aside = next(each for each in model.opset_import if each.domain == _ASIDE)
    model.opset_import.remove(aside)
    return model


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                yield from _graphs(inner)


def _put_back(graph: GraphProto) -> None:
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.domain != _ASIDE:
            nodes.append(node)
        elif node.op_type in OVER_AXES:
            nodes += _over_axes(node)
        else:
            nodes.append(_resize(node, graph))
    del graph.node[:]
    graph.node.extend(nodes)


def _over_axes(node: NodeProto) -> list[NodeProto]:
    """Flatten to two axes, work on the second, take the first shape again."""
    axis, name, data = _int(node, "axis", 1), node.output[0], node.input[0]
    if axis == -1:
        return [helper.make_node(node.op_type, [data], [name], node.name, axis=-1)]
    return [
        helper.make_node("Shape", [data], [f"{name}/shape"], f"{name}/shape"),
        helper.make_node("Flatten", [data], [f"{name}/rows"], f"{name}/rows", axis=axis),
        helper.make_node(node.op_type, [f"{name}/rows"], [f"{name}/answer"], node.name, axis=-1),
        helper.make_node("Reshape", [f"{name}/answer", f"{name}/shape"], [name], f"{name}/reshape"),
    ]


def _resize(node: NodeProto, graph: GraphProto) -> NodeProto:
    """Asymmetric coordinates; the nearest value is that before, or that behind where the picture becomes smaller."""
    name, attributes = node.output[0], {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if len(node.input) > 1:
        scales = node.input[1]
    else:
        scales = f"{name}/scales"
        graph.initializer.append(numpy_helper.from_array(np.array(attributes["scales"], np.float32), scales))
    known = next((numpy_helper.to_array(each) for each in graph.initializer if each.name == scales), np.ones(1))
    return helper.make_node(
        "Resize",
        [node.input[0], "", scales],
        [name],
        node.name,
        mode=attributes.get("mode", b"nearest"),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="ceil" if known.min() < 1 else "floor",
    )


def _int(node: NodeProto, name: str, default: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), default)
