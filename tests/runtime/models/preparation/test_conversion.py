"""What is converted is compared: each step leaves the answers as they are, or is named and done otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from autoscale.errors import FeedError, InvalidInput, ModelError
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import MANIFEST
from autoscale_runtime.models.preparation import Prepared, prepare
from autoscale_runtime.models.preparation.operator_sets import operator_set, raised
from tests.runtime.tflite_builder import OPS, Builder, schema

ALL = ("fp16", "int8")
X = np.random.default_rng(4).normal(size=(1, 3, 8, 8)).astype(np.float32)


def values(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng((8, *shape)).normal(size=shape) * scale).astype(np.float32)


def model_of(
    nodes: list[NodeProto],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int | None]],
    weights: dict[str, np.ndarray],
    opset: int = 17,
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [value(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def after_a_convolution(node: NodeProto, opset: int, rank: int = 4, **weights: np.ndarray) -> onnx.ModelProto:
    """That node on c, which is a convolution of x, answering y."""
    conv = helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1])
    weights["w"] = values(4, 3, 3, 3, scale=0.3)
    return model_of([conv, node], {"x": [1, 3, 8, 8]}, {"y": [None] * rank}, weights, opset)


def sizes(*factors: float) -> np.ndarray:
    return np.array(factors, np.float32)


def resize(mode: str, opset: int, *factors: float) -> onnx.ModelProto:
    if opset < 9:
        scales = [float(each) for each in factors]
        return after_a_convolution(helper.make_node("Upsample", ["c"], ["y"], mode=mode, scales=scales), opset)
    operator = "Upsample" if opset < 10 else "Resize"
    return after_a_convolution(helper.make_node(operator, ["c", "s"], ["y"], mode=mode), opset, s=sizes(*factors))


MODELS: dict[str, onnx.ModelProto] = {
    **{
        f"{mode}, opset {opset}, to {factor}": resize(mode, opset, 1, 1, factor, factor)
        for mode in ("nearest", "linear")
        for opset, factor in ((7, 2), (8, 1.5), (9, 3), (10, 2), (10, 1.5), (10, 0.5), (10, 0.6))
    },
    **{
        f"{operator}, opset {opset}, axis {axis}": after_a_convolution(
            helper.make_node(operator, ["c"], ["y"], **({} if axis is None else {"axis": axis})), opset
        )
        for operator in ("Hardmax", "Softmax", "LogSoftmax")
        for opset, axis in ((7, 1), (9, None), (9, 2), (10, 3), (11, 1), (11, -1), (12, -2))
    },
}


def run(model: onnx.ModelProto | Path, **feeds: np.ndarray) -> Any:
    content = model if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.mark.parametrize("name", MODELS)
def test_raising_the_operator_set_changes_nothing(name: str) -> None:
    model = onnx.ModelProto.FromString(MODELS[name].SerializeToString())
    [want] = run(model, x=X)
    higher = raised(model)
    assert operator_set(higher) == 13
    onnx.checker.check_model(higher)
    [have] = run(higher, x=X)
    np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_raising_reaches_branches() -> None:
    def branch(axis: int) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(f"y{axis}", TensorProto.FLOAT, [1, 4, 8, 8])
        return helper.make_graph([helper.make_node("Hardmax", ["c"], [f"y{axis}"], axis=axis)], "b", [], [output])

    for first in (True, False):
        choose = helper.make_node("If", ["which"], ["y"], then_branch=branch(1), else_branch=branch(2))
        model = after_a_convolution(choose, 11, which=np.array(first))
        [want] = run(model, x=X)
        np.testing.assert_array_equal(run(raised(model), x=X)[0], want)


def prepared(tmp_path: Path, model: onnx.ModelProto, **options: Any) -> Prepared:
    onnx.save(model, tmp_path / "net.onnx")
    shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in model.graph.input}
    draw = np.random.default_rng(9)
    np.savez(
        tmp_path / "data.npz",
        **{name: draw.normal(size=(24, *shape)).astype(np.float32) for name, shape in shapes.items()},
    )
    options.setdefault("keep", ALL)
    return prepare(tmp_path / "net.onnx", tmp_path / "data.npz", None, tmp_path / "bundle", **options)


def rows(result: Prepared) -> dict[str, Any]:
    return {row.precision: row for row in result.rows}


@pytest.mark.parametrize("name", ["linear, opset 10, to 2", "nearest, opset 8, to 1.5", "Softmax, opset 9, axis None"])
def test_old_operator_sets_are_quantised(tmp_path: Path, name: str) -> None:
    result = prepared(tmp_path, MODELS[name])
    assert result.left_out.keys() <= {"fp16"}  # ONNX Runtime 1.23 halves a Resize's scales
    assert rows(result)["int8"].accuracy.value > 0.5, "a maximum of 256 random values is soon another"


def test_a_step_that_changes_the_network_is_named_and_done_otherwise(tmp_path: Path) -> None:
    """Nearest values of a picture that grows one way and shrinks the other: no later operator set has that."""
    result = prepared(tmp_path, resize("nearest", 10, 1, 1, 2, 0.5))
    int8 = rows(result)["int8"]
    assert int8.accuracy.value > 0.9
    assert "raising the operator set changes the network (closeness" in int8.note
    assert int8.note.endswith("so kept")
    assert operator_set(onnx.load(tmp_path / "bundle" / "int8.onnx")) < 13


BIASES = {"scalar": np.float32(2), "rows and columns": values(2, 5), "row": values(1, 5), "right": values(5)}


@pytest.mark.parametrize("bias", BIASES)
def test_a_layer_that_cannot_be_int8_stays_in_float(tmp_path: Path, bias: str) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["b"], "body"),
        helper.make_node("Relu", ["b"], ["r"], "relu"),
        helper.make_node("Gemm", ["r", "c", "bias"], ["y"], "head"),
    ]
    weights = {"a": values(16, 32), "c": values(32, 5), "bias": BIASES[bias]}
    result = prepared(tmp_path, model_of(nodes, {"x": [2, 16]}, {"y": [2, 5]}, weights))
    int8 = rows(result)["int8"]
    assert int8.accuracy.value > 0.9
    assert ("'head' left in float: cannot be int8" in int8.note) == (bias in ("scalar", "rows and columns"))
    quantised = onnx.load(tmp_path / "bundle" / "int8.onnx").graph
    assert any(each.data_type == TensorProto.INT8 for each in quantised.initializer)


def test_several_such_layers_are_found(tmp_path: Path) -> None:
    nodes, weights, last = [], {}, "x"
    for k in range(7):
        weights[f"w{k}"], weights[f"b{k}"] = values(16, 16, scale=0.3), np.float32(0.1 * k)
        kind = "Gemm" if k in (1, 6) else "MatMul"
        nodes.append(helper.make_node(kind, [last, f"w{k}", *([f"b{k}"] * (kind == "Gemm"))], [f"y{k}"], f"layer{k}"))
        last = f"y{k}"
    nodes.append(helper.make_node("Identity", [last], ["y"], "end"))
    int8 = rows(prepared(tmp_path, model_of(nodes, {"x": [2, 16]}, {"y": [2, 16]}, weights)))["int8"]
    assert "'layer1', 'layer6' left in float" in int8.note
    assert int8.accuracy.value > 0.8


def test_a_layer_that_int8_ruins_stays_in_float(tmp_path: Path) -> None:
    """Its first column drowns the others in eight bits a tensor, and the rest of the network sees only those."""
    mask = np.ones(16, np.float32)
    mask[0] = 0
    loud = values(16, 16)
    loud[:, 0] *= 1e6
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["q"], "first"),
        helper.make_node("MatMul", ["q", "loud"], ["a"], "loud"),
        helper.make_node("Mul", ["a", "mask"], ["m"], "mask"),
        helper.make_node("MatMul", ["m", "w"], ["y"], "last"),
    ]
    weights = {"v": values(16, 16, scale=0.3), "loud": loud, "mask": mask, "w": values(16, 5)}
    int8 = rows(prepared(tmp_path, model_of(nodes, {"x": [2, 16]}, {"y": [2, 5]}, weights)))["int8"]
    assert int8.note == "without 'loud', which int8 ruins"
    assert int8.accuracy.value > 0.8


def test_a_layer_whose_bias_is_infinite_stays_in_float(tmp_path: Path) -> None:
    """A mask of -inf behind a layer becomes its bias, which no integer holds; names are as exporters write them."""
    mask = np.where(np.arange(5) == 2, -np.inf, 0).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["x", "v"], ["a"], "/first/Gemm"),
        helper.make_node("Relu", ["a"], ["r"], "/first/Relu"),
        helper.make_node("Gemm", ["r", "w", "mask"], ["y"], "/head/Gemm"),
    ]
    weights = {"v": values(16, 16, scale=0.3), "w": values(16, 5), "mask": mask}
    int8 = rows(prepared(tmp_path, model_of(nodes, {"x": [1, 16]}, {"y": [1, 5]}, weights)))["int8"]
    assert int8.note == "without '/head/Gemm', which int8 ruins"
    assert int8.accuracy.value > 0.8


def test_what_gains_nothing_is_not_kept_unasked(tmp_path: Path) -> None:
    """So small a network grows by quantisation; whether it gets faster is the machine's affair."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "layer")]
    model = model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"w": values(4, 4)})
    for keep in ((), ("int8",), ALL):
        result = prepared(tmp_path, model, keep=keep)
        found = {each.precision for each in result.bundle.variants}
        assert found == {row.precision for row in result.rows if row.is_kept}
        assert {*keep, "fp32"} <= found
        for row in result.rows:
            if not row.is_kept:
                assert row.size_bytes > 0.95 * result.rows[0].size_bytes
                assert f"--keep {row.precision} keeps it" in result.left_out[row.precision]
    with pytest.raises(InvalidInput, match="did you mean 'int8'"):
        prepared(tmp_path, model, keep=("int",))


def recurrent(size: int = 48) -> onnx.ModelProto:
    """h' = x W + h Q with Q orthogonal, y = h' V: errors of the state stay, and add up."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(size, size)))
    weights = {"wx": values(8, size, scale=0.05), "wh": turn.astype(np.float32), "wy": values(size, 4, scale=0.3)}
    nodes = [
        helper.make_node("MatMul", ["x", "wx"], ["a"], "in"),
        helper.make_node("MatMul", ["h", "wh"], ["b"], "turn"),
        helper.make_node("Add", ["a", "b"], ["new"], "sum"),
        helper.make_node("MatMul", ["new", "wy"], ["y"], "out"),
    ]
    return model_of(nodes, {"x": [3, 8], "h": [3, size]}, {"y": [3, 4], "new": [3, size]}, weights)


def test_a_network_with_state_is_judged_along_a_stream(tmp_path: Path) -> None:
    alone = rows(prepared(tmp_path, recurrent(), state={}))["int8"].accuracy
    result = prepared(tmp_path, recurrent())
    assert dict(result.state) == {"new": "h"}
    accuracy = rows(result)["int8"].accuracy
    assert "400 steps with its state fed back" in accuracy.source
    assert accuracy.value < alone.value, "errors add up"
    assert rows(result)["fp16"].accuracy.value > accuracy.value

    bundle = Bundle.read(tmp_path / "bundle")
    assert dict(bundle.state) == {"new": "h"}
    assert bundle.write(tmp_path / "copy").state == bundle.state
    assert dict(Bundle.read(tmp_path / "net.onnx").state) == {"new": "h"}
    text = (tmp_path / "bundle" / MANIFEST).read_text().replace('input = "h"', 'input = "x"')
    (tmp_path / "bundle" / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="cannot be fed back to input 'x'"):
        Bundle.read(tmp_path / "bundle")


def test_a_state_that_is_told_must_fit(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be fed back to input 'h'"):
        prepared(tmp_path, recurrent(), state={"y": "h"})
    np.save(tmp_path / "labels.npy", np.zeros(24, np.int64))
    with pytest.raises(FeedError, match="labels are of single samples"):
        prepare(
            tmp_path / "net.onnx",
            tmp_path / "data.npz",
            tmp_path / "labels.npy",
            tmp_path / "bundle",
            state={"new": "h"},
        )


def test_a_tflite_file_is_bundled_as_it_is(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", [1, 6])
    y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(5, 6), -1], [1, 5], schema.FullyConnectedOptionsT())
    model = b.save(tmp_path / "net.tflite", y)
    np.save(tmp_path / "x.npy", values(8, 1, 6))
    result = prepare(model, tmp_path / "x.npy", None, tmp_path / "bundle")
    assert [(row.precision, row.accuracy.value) for row in result.rows] == [("fp32", 1.0)]
    [variant] = Bundle.read(tmp_path / "bundle").variants
    assert variant.path.read_bytes() == model.read_bytes()
    assert result.bundle.profile.macs == 30


def test_a_tflite_file_of_two_signatures_is_bundled(tmp_path: Path) -> None:
    """Both call their input x, so callers call them otherwise than the main graph does."""
    b = Builder()
    for subgraph, (key, rows_) in enumerate({"one": 1, "many": 4}.items()):
        if subgraph:
            b.subgraph()
        x = b.input(f"{key}_x:0", [rows_, 6])
        y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(5, 6), -1], [rows_, 5], schema.FullyConnectedOptionsT())
        b.at.outputs = [y]
        b.signature(key, {"x": x}, {f"y_{key}": y}, subgraph)
    np.savez(tmp_path / "x.npz", **{"one/x": values(8, 1, 6), "many/x": values(8, 4, 6)})
    result = prepare(b.save(tmp_path / "net.tflite"), tmp_path / "x.npz", None, tmp_path / "bundle")
    assert [(row.precision, row.accuracy.value) for row in result.rows] == [("fp32", 1.0)]
    assert [each.name for each in Bundle.read(tmp_path / "bundle").inputs] == ["one/x", "many/x"]
    assert result.bundle.profile.macs == 150
