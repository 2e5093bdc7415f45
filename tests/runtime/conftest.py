"""A model repository, built once, and a server of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from autoscale.carbon import Electricity
from autoscale.profiles import load_device
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve

FLOAT = TensorProto.FLOAT
TYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "float16": TensorProto.FLOAT16,
    "float32": FLOAT,
    "float64": TensorProto.DOUBLE,
    "object": TensorProto.STRING,
}


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto],
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _scale(factor: float) -> onnx.ModelProto:
    """y = factor * x, over any number of rows of 4."""
    rows = [helper.make_tensor_value_info(name, FLOAT, ["n", 4]) for name in "xy"]
    constant = helper.make_tensor("factor", FLOAT, [], [factor])
    return _model([helper.make_node("Mul", ["x", "factor"], ["y"])], rows[:1], rows[1:], [constant])


def _identity() -> onnx.ModelProto:
    """Every data type, unchanged: out_float32 = in_float32, and so on."""
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in TYPES]
    infos = {
        way: [helper.make_tensor_value_info(f"{way}_{name}", kind, ["n"]) for name, kind in TYPES.items()]
        for way in ("in", "out")
    }
    return _model(nodes, infos["in"], infos["out"], [])


def _two() -> onnx.ModelProto:
    """INT32: sum and difference of a and b; FP32: the root of a, NaN where a is negative."""
    whole = [helper.make_tensor_value_info(name, TensorProto.INT32, [3]) for name in ("a", "b", "sum", "diff")]
    root = helper.make_tensor_value_info("root", FLOAT, [3])
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["diff"]),
        helper.make_node("Cast", ["a"], ["real"], to=FLOAT),
        helper.make_node("Sqrt", ["real"], ["root"]),
    ]
    return _model(nodes, whole[:2], [*whole[2:], root], [])


def _slow() -> onnx.ModelProto:
    """As many products of 128 x 128 matrices, one after the other, as ``steps`` says."""
    matrix = helper.make_tensor("m", FLOAT, [128, 128], np.eye(128, dtype=np.float32).ravel())
    body = helper.make_graph(
        [helper.make_node("MatMul", ["s_in", "m"], ["s_out"]), helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s_in", FLOAT, [128, 128]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s_out", FLOAT, [128, 128]),
        ],
    )
    steps = helper.make_tensor_value_info("steps", TensorProto.INT64, [])
    end = helper.make_tensor_value_info("end", FLOAT, [128, 128])
    return _model([helper.make_node("Loop", ["steps", "", "m"], ["end"], body=body)], [steps], [end], [matrix])


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models ``scale`` (versions 1, 3 and 10), ``identity``, ``two`` and ``slow``."""
    root = tmp_path_factory.mktemp("repository")
    scales = {f"scale/{factor}": _scale(factor) for factor in (1, 3, 10)}
    models = {**scales, "identity/1": _identity(), "two/1": _two(), "slow/1": _slow()}
    for where, model in models.items():
        onnx.checker.check_model(model)
        (root / where).mkdir(parents=True)
        onnx.save(model, str(root / where / "model.onnx"))
    return root


@pytest.fixture(scope="session")
def account() -> ServerAccount:
    return ServerAccount(load_device("laptop"), Electricity("IE", 100.0), pue=1.2)


@pytest.fixture(scope="session")
def server(repository: Path, account: ServerAccount) -> Iterator[Server]:
    with serve(repository, account=account) as running:
        yield running
