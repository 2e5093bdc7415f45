"""Three models that servers are measured with: of no work at all, of 602 kB, and of some 5 ms."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS: Final = 32
LAYERS: Final = 10


def write_models(folder: Path) -> dict[str, Path]:
    """A repository of all, by name."""
    rng = np.random.default_rng(0)
    tiny = rng.normal(size=(8, 8)).astype(np.float32)
    return {
        "tiny": _written(folder, "tiny", [helper.make_node("MatMul", ["x", "w"], ["y"])], [1, 8], [1, 8], {"w": tiny}),
        "image": _written(folder, "image", [_mean("x")], [1, 3, 224, 224], [1], {}),
        "conv": _written(folder, "conv", *_convolutions(rng)),
    }


def _convolutions(rng: np.random.Generator) -> tuple[list[onnx.NodeProto], list[int], list[int], dict[str, Any]]:
    nodes, weights, last = [], {}, "x"
    for layer in range(LAYERS):
        shape = (CHANNELS, CHANNELS if layer else 3, 3, 3)
        weights[f"w{layer}"] = rng.normal(size=shape).astype(np.float32)
        nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"h{layer}"], pads=[1, 1, 1, 1]))
        last = f"h{layer}"
    return [*nodes, _mean(last)], [1, 3, 64, 64], [1], weights


def _mean(name: str) -> onnx.NodeProto:
    return helper.make_node("ReduceMean", [name], ["y"], axes=[1, 2, 3], keepdims=0)


def _written(
    folder: Path, name: str, nodes: list[onnx.NodeProto], takes: list[int], gives: list[int], weights: dict[str, Any]
) -> Path:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, takes)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)]
    constants = [numpy_helper.from_array(array, key) for key, array in weights.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    path = folder / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path
