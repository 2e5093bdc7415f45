"""A network for the other examples: a hidden layer of 64 and ten scores, with random weights.

Run: ``python examples/small_network.py small.onnx``, to have it in a file. Needs the extra ``prepare``.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(path: Path) -> Path:
    """Write the network as ONNX; it takes ``x``, float32 of shape (rows, 256), and gives ``scores``, (rows, 10)."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (256, 64), "w1": (64, 10)}
    weights = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), name) for name, s in shapes.items()]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "w1"], ["scores"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 256])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", 10])
    graph = helper.make_graph(nodes, "small", [x], [scores], weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


if __name__ == "__main__":
    write_network(Path(sys.argv[1]))
