"""``autoscale prepare`` on small networks built here, with ONNX Runtime's real tools."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import typer
from onnx import NodeProto, TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from autoscale.errors import FeedError, InvalidInput, ModelError, WrongAnswer
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.models.bare_model import load
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.preparation import Samples, prepare
from autoscale_runtime.models.preparation.convert import recipes, to_folded
from autoscale_runtime.models.preparation.prepare_command import command
from autoscale_runtime.models.preparation.validation import VariantAccuracy


def normal(*shape: int) -> npt.NDArray[np.float64]:
    """Values of this shape, always the same."""
    return np.random.default_rng((11, *shape)).normal(size=shape)


COUNT = 24
ALL = ("fp16", "int8")
"""So small a network gains nothing by either: they are kept because they are asked for."""


def _save(
    path: Path,
    nodes: list[NodeProto],
    shape: list[int | str],
    weights: dict[str, np.ndarray],
    out: list[int | str],
    opset: int = 17,
) -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "network",
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def classifier(path: Path, opset: int = 17) -> Path:
    """A convolution, a depthwise one, and a Gemm whose bias is 1 x 5, which ONNX Runtime's quantiser trips on."""
    nodes = [
        helper.make_node("Conv", ["x", "c"], ["a"], "conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "d"], ["e"], "depthwise", kernel_shape=[3, 3], group=6),
        helper.make_node("Flatten", ["e"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "g", "bias"], ["y"], "gemm"),
    ]
    draw = np.random.default_rng(11)
    weights = {
        name: draw.normal(size=shape)
        for name, shape in {"c": (6, 3, 3, 3), "d": (6, 1, 3, 3), "g": (96, 5), "bias": (1, 5)}.items()
    }
    return _save(path, nodes, ["batch", 3, 8, 8], weights, ["batch", 5], opset)


def fragile(path: Path) -> Path:
    """One matrix product whose first column drowns the others in eight bits; only the others are given."""
    loud = normal(16, 7)
    loud[:, 0] *= 1e6
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "matmul"),
        helper.make_node("Mul", ["a", "mask"], ["y"], "mask"),
    ]
    return _save(path, nodes, [1, 16], {"w": loud, "mask": np.array([0, 1, 1, 1, 1, 1, 1])}, [1, 7])


def conditional(path: Path) -> Path:
    """All its arithmetic is inside an If."""

    def branch(name: str, operator: str) -> onnx.GraphProto:
        node = helper.make_node(operator, ["x", "w"], [name])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])])

    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch("p", "MatMul"), else_branch=branch("q", "MatMul")),
    ]
    return _save(path, nodes, [1, 4], {"w": normal(4, 4), "zero": np.float32(0)}, [1, 4])


def images(folder: Path, count: int = COUNT) -> Path:
    np.savez(folder / "images.npz", x=normal(count, 3, 8, 8).astype(np.float32))
    return folder / "images.npz"


def test_makes_measures_and_writes_each_variant(tmp_path: Path) -> None:
    model = classifier(tmp_path / "net.onnx")
    data = images(tmp_path)
    runner = load(model)
    arrays = np.load(data)["x"]
    truth = [int(runner.run(None, {"x": each[None]}).outputs[0].argmax()) for each in arrays]
    truth[1] = (truth[1] + 1) % 5
    (tmp_path / "labels.csv").write_text(",".join(map(str, truth)))

    prepared = prepare(model, data, tmp_path / "labels.csv", tmp_path / "bundle", keep=ALL)

    assert prepared.left_out == {}
    assert [row.precision for row in prepared.rows] == ["fp32", "fp16", "int8"]
    assert (prepared.calibrated_on, prepared.evaluated_on) == (12, 12)
    bundle = Bundle.read(tmp_path / "bundle")
    assert bundle == prepared.bundle
    assert (bundle.profile.conv, bundle.profile.depthwise_conv, bundle.profile.fully_connected) == (1, 1, 1)
    assert bundle.variants[0].path.read_bytes() == model.read_bytes()
    assert bundle.profile.accuracies["fp32"].value == pytest.approx(11 / 12)
    for variant in bundle.variants:
        assert variant.accuracy is not None
        assert variant.accuracy.value >= 10 / 12
        assert variant.accuracy.source == "arg-max against labels, 12 samples of images.npz"
        again = load(variant.path)
        assert (again.inputs, again.outputs) == (runner.inputs, runner.outputs)
        want = runner.run(None, {"x": arrays}).outputs[0]
        have = again.run(None, {"x": arrays}).outputs[0]
        assert np.linalg.norm(have - want) < 0.05 * np.linalg.norm(want)
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "images.npz", "labels.csv", "bundle"}


@pytest.mark.parametrize("opset", [11, 17])
def test_int8_is_static_with_signed_weights_a_channel(opset: int, tmp_path: Path) -> None:
    model = classifier(tmp_path / "net.onnx", opset)
    prepare(model, images(tmp_path), None, tmp_path / "bundle", keep=ALL)
    graph = onnx.load(tmp_path / "bundle" / "int8.onnx").graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    kinds = {weights[node.input[2]].dtype for node in graph.node if node.op_type == "QuantizeLinear"}
    assert kinds == {np.dtype(np.uint8)}
    scales = {
        weights[node.input[0]].shape: weights[node.input[1]].shape
        for node in graph.node
        if node.op_type == "DequantizeLinear" and weights.get(node.input[0], np.zeros(0)).dtype == np.int8
    }
    assert scales == {(6, 3, 3, 3): (6,), (6, 1, 3, 3): (6,), (96, 5): (5,)}


def test_a_variant_that_answers_nonsense_is_left_out_with_the_reason(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", normal(40, 16).astype(np.float32))
    prepared = prepare(fragile(tmp_path / "net.onnx"), tmp_path / "x.npy", None, tmp_path / "bundle")
    assert "int8" not in prepared.bundle.profile.accuracies
    assert prepared.left_out["int8"].startswith("it answers nonsense: 0.")
    assert not (tmp_path / "bundle" / "int8.onnx").exists()


def test_a_network_inside_an_if_has_no_int8(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", normal(6, 4).astype(np.float32))
    prepared = prepare(conditional(tmp_path / "net.onnx"), tmp_path / "x.npy", None, tmp_path / "bundle")
    assert "outside a sub-graph" in prepared.left_out["int8"]
    assert prepared.rows[0].precision == "fp32"


def test_shapes_that_vary_come_as_a_folder(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "c"], ["y"], "conv", kernel_shape=[3, 3])]
    shape: list[int | str] = [1, 3, "h", "w"]
    model = _save(tmp_path / "net.onnx", nodes, shape, {"c": normal(4, 3, 3, 3)}, [1, 4, "i", "j"])
    (tmp_path / "data").mkdir()
    for index in range(6):
        array = normal(1, 3, 8 + index, 9).astype(np.float32)
        np.savez(tmp_path / "data" / f"{index}.npz", x=array)
    prepared = prepare(model, tmp_path / "data", None, tmp_path / "bundle", keep=ALL)
    assert prepared.left_out == {}
    assert prepared.rows[2].accuracy.value > 0.95
    assert "closeness" in prepared.rows[2].accuracy.source


def test_the_current_folder_stays_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    nodes = [
        # How many rows there are, and so whether the sum is possible, is known only once it runs.
        helper.make_node("NonZero", ["x"], ["n"], "nonzero"),
        helper.make_node("Transpose", ["n"], ["t"], "transpose"),
        helper.make_node("Cast", ["t"], ["f"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "f"], ["s"], "add"),
        helper.make_node("MatMul", ["s", "w"], ["y"], "matmul"),
    ]
    model = _save(tmp_path / "net.onnx", nodes, ["k", 2], {"w": normal(2, 512)}, ["m", 512])
    np.save(tmp_path / "x.npy", np.eye(2, dtype=np.float32)[None].repeat(6, axis=0))
    assert prepare(model, tmp_path / "x.npy", None, tmp_path / "bundle", keep=ALL).left_out == {}
    assert not list((tmp_path / "here").iterdir())


def test_nodes_may_be_without_names(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path / "named.onnx"))
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "net.onnx")
    to_folded(tmp_path / "net.onnx", tmp_path / "ready.onnx")
    kept = recipes(tmp_path / "ready.onnx")
    assert [len(names) for names in kept.values()] == [0, 1, 2]
    names = [node.name for node in onnx.load(tmp_path / "ready.onnx").graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert {name for ways in kept.values() for name in ways} <= set(names)


def test_infinity_is_an_answer_where_fp32_gives_it_too(tmp_path: Path) -> None:
    nodes = [helper.make_node("Log", ["x"], ["y"], "log")]
    model = _save(tmp_path / "net.onnx", nodes, [1, 4], {}, [1, 4])
    np.save(tmp_path / "x.npy", np.tile(np.array([0.0, 1.0, 2.0, -1.0], np.float32), (4, 1)))
    prepared = prepare(model, tmp_path / "x.npy", None, tmp_path / "bundle")
    assert {row.precision: row.accuracy.value for row in prepared.rows}.items() >= {"fp32": 1.0, "fp16": 1.0}.items()


@pytest.mark.parametrize("other", ["Abs", "Neg"])
def test_infinity_elsewhere_than_fp32_s_is_nonsense(tmp_path: Path, other: str) -> None:
    def network(operator: str) -> Runner:
        nodes = [helper.make_node(operator, ["x"], ["l"]), helper.make_node("Log", ["l"], ["y"])]
        return load(_save(tmp_path / f"{operator}.onnx", nodes, [1, 4], {}, [1, 4]))

    samples = Samples("one", [{"x": np.array([[0.0, 1.0, 2.0, -1.0]], np.float32)}])
    with pytest.raises(WrongAnswer, match="query 0 of one with infinity or NaN where fp32 does not"):
        VariantAccuracy.of(network("Identity"), samples).score(network(other))


def test_a_network_that_draws_at_random_is_not_compared_by_value(tmp_path: Path) -> None:
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["n"]), helper.make_node("Add", ["x", "n"], ["y"])]
    model = _save(tmp_path / "net.onnx", nodes, [1, 4], {}, [1, 4])
    np.save(tmp_path / "x.npy", np.ones((4, 4), np.float32))
    prepared = prepare(model, tmp_path / "x.npy", None, tmp_path / "bundle")
    assert "random network" in prepared.rows[0].accuracy.source
    assert "draws at random" in prepared.left_out["fp16"]


def test_external_weights_are_gathered(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path / "whole.onnx"))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    prepare(tmp_path / "net.onnx", images(tmp_path), None, tmp_path / "bundle", keep=ALL)
    (tmp_path / "elsewhere.bin").unlink()
    bundle = Bundle.read(tmp_path / "bundle")
    assert len(bundle.variants) == 3
    x = np.load(tmp_path / "images.npz")["x"]
    want = load(tmp_path / "whole.onnx").run(None, {"x": x}).outputs[0]
    np.testing.assert_array_equal(load(bundle.variants[0].path).run(None, {"x": x}).outputs[0], want)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((4, 3, 8, 8), np.float32)}, "no input is named 'z'"),
        ({"x": np.zeros((4, 3, 8, 8))}, "sample 0: input 'x' is float64"),
        ({"x": np.zeros((4, 3, 8, 9), np.float32)}, r"sample 0: input 'x' is float32\[1x3x8x9\]"),
        ({"x": np.zeros((3, 8), np.float32)}, "stacked along a leading axis"),
        ({"x": np.zeros((1, 3, 8, 8), np.float32)}, "has 1 sample; allowed: 2 or more"),
        ({"x": np.zeros((0, 3, 8, 8), np.float32)}, "has 0 sample; allowed: 2 or more"),
        ({}, "has no array for input 'x'"),
    ],
)
def test_samples_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(FeedError, match=message):
        prepare(classifier(tmp_path / "net.onnx"), tmp_path / "bad.npz", None, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(" ".join(["5"] * COUNT))
    with pytest.raises(FeedError, match="label 5 is none of this model's 5 classes"):
        prepare(classifier(tmp_path / "net.onnx"), images(tmp_path), tmp_path / "labels.txt", tmp_path / "bundle")


def test_only_an_fp32_onnx_file_is_prepared(tmp_path: Path) -> None:
    data = images(tmp_path)
    prepare(classifier(tmp_path / "net.onnx"), data, None, tmp_path / "bundle")
    for path in (tmp_path / "bundle" / "int8.onnx", tmp_path / "bundle" / "fp16.onnx", tmp_path / "net.tflite", data):
        with pytest.raises(ModelError, match=path.name):
            prepare(path, data, None, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_validation_counts_scores_and_measures_values(tmp_path: Path) -> None:
    scale = {"w": np.eye(4)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    flat = load(_save(tmp_path / "flat.onnx", nodes, [1, 4], scale, [1, 4]))
    flipped = load(_save(tmp_path / "flip.onnx", nodes, [1, 4], {"w": np.eye(4)[::-1]}, [1, 4]))
    feeds = [{"x": np.eye(4, dtype=np.float32)[i : i + 1] + np.float32(i == 0)} for i in range(4)]
    assert VariantAccuracy.of(flat, Samples("four", feeds)).score(flipped).value == 0.0
    assert VariantAccuracy.of(flat, Samples("four", feeds, [0, 1, 2, 0])).score(flat).value == 0.75

    values = load(_save(tmp_path / "values.onnx", nodes, [2, 4], scale, [2, 4]))
    smaller = load(_save(tmp_path / "smaller.onnx", nodes, [2, 4], {"w": np.eye(4) * 0.9}, [2, 4]))
    some = Samples("some", [{"x": np.full((2, 4), v, np.float32)} for v in (0, 1, 2)])
    assert VariantAccuracy.of(values, some).score(smaller).value == pytest.approx(0.9)


def test_the_command_prints_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    app.command()(command)
    monkeypatch.chdir(tmp_path)
    classifier(tmp_path / "net.onnx")
    images(tmp_path)
    result = CliRunner().invoke(app, ["net.onnx", "--calibrate", "images.npz", "--json", "--keep", "int8"])
    document = json.loads(result.stdout)
    assert document["bundle"] == "net"
    assert list(document["variants"]) == ["fp32", "fp16", "int8"]
    assert document["variants"]["int8"]["size_bytes"] == (tmp_path / "net" / "int8.onnx").stat().st_size
    assert document["variants"]["int8"]["latency_s"] > 0
    served = tmp_path / "models" / "served" / "1" / "model.onnx"  # is called as the server calls it
    served.parent.mkdir(parents=True)
    (tmp_path / "net.onnx").rename(served)
    people = CliRunner().invoke(app, [str(served), "--calibrate", "images.npz"])
    assert "bundle written to served" in people.stdout
    assert Bundle.read(tmp_path / "served").name == "served"
    wrong = CliRunner().invoke(app, ["net.onnx", "--calibrate", "absent.npz"])
    assert isinstance(wrong.exception, InvalidInput)
