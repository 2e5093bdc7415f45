"""Networks cut in two: every cut of random networks with branches answers as the whole; what pays, and where."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import typer
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from autoscale import Goal, make_agent, run_query
from autoscale.errors import AutoScaleError, FeedError, ModelError, UnsupportedModel
from autoscale.physics.compute import compute
from autoscale.physics.handover import tail_here
from autoscale.profiles import load_device
from autoscale.query.target import Target
from autoscale.splitting import advise
from autoscale_envs import MeasuredWorld, read_measured
from autoscale_runtime.backends.comparison import other_finiteness
from autoscale_runtime.device.verification import disagreement
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_parts, write_split
from autoscale_runtime.models.splitting.split_command import split
from autoscale_runtime.models.splitting.split_model import SplitModel

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
ALEXNET, RESNET = LIGHT / "light_bvlc_alexnet.onnx", LIGHT / "light_resnet50.onnx"
SQUEEZENET = LIGHT / "light_squeezenet.onnx"
SIDE, CHANNELS = 8, 4

Feeds = dict[str, npt.NDArray[np.float32]]


def random_network(seed: int, is_open: bool = False) -> onnx.ModelProto:
    """Convolutions, sums and concatenations of any two tensors made so far, an If that reads from around it, an output
    on the way; a second input joins late; a weight is computed from constants.
    """
    rng = np.random.default_rng(seed)
    weights = [numpy_helper.from_array(np.float32(0.5), "half")]
    nodes, made = [helper.make_node("Mul", ["w", "half"], ["scaled"])], ["x"]
    weights.append(numpy_helper.from_array(rng.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32), "w"))
    for index in range(int(rng.integers(4, 10))):
        name, first, second = f"t{index}", *(str(each) for each in rng.choice(made, 2))
        kind = rng.choice(["Conv", "Relu", "Add", "Concat", "If"])
        if kind == "Conv":
            nodes.append(helper.make_node("Conv", [first, "scaled"], [name], pads=[1, 1, 1, 1]))
        elif kind == "Relu":
            nodes.append(helper.make_node("Relu", [first], [name]))
        elif kind == "Add":
            nodes.append(helper.make_node("Add", [first, second], [name]))
        elif kind == "Concat":
            nodes.append(helper.make_node("Concat", [first, second], [f"{name}.both"], axis=1))
            kernel = rng.normal(size=(CHANNELS, 2 * CHANNELS, 1, 1)).astype(np.float32)
            weights.append(numpy_helper.from_array(kernel, f"{name}.w"))
            nodes.append(helper.make_node("Conv", [f"{name}.both", f"{name}.w"], [name]))
        else:
            nodes.append(helper.make_node("ReduceSum", [first], [f"{name}.sum"], keepdims=0))
            nodes.append(helper.make_node("Greater", [f"{name}.sum", "half"], [f"{name}.is"]))
            branches = {}
            for branch, operator in (("then_branch", "Neg"), ("else_branch", "Abs")):
                out = helper.make_tensor_value_info(f"{name}.{branch}", TensorProto.FLOAT, None)
                node = helper.make_node(operator, [second], [f"{name}.{branch}"])
                branches[branch] = helper.make_graph([node], branch, [], [out])
            nodes.append(helper.make_node("If", [f"{name}.is"], [name], **branches))
        made.append(name)
    nodes.append(helper.make_node("Add", [made[-1], "late"], ["joined"]))
    nodes.append(helper.make_node("Conv", ["joined", "scaled"], ["y"]))
    shape = ["n" if is_open else 2, CHANNELS, SIDE, SIDE]
    inputs = [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in ("x", "late")]
    early = str(rng.choice(made[1:]))
    outputs = [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in ("y", early)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def opened(path: Path, is_plain: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if is_plain:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answer(path: Path, feeds: Feeds, is_plain: bool = False) -> Feeds:
    session = opened(path, is_plain)
    own = {each.name: feeds[each.name] for each in session.get_inputs()}
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, own), strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_every_cut_of_a_random_network_answers_as_the_whole(tmp_path: Path, seed: int) -> None:
    whole = tmp_path / "net.onnx"
    onnx.save(random_network(seed, is_open=seed % 2 == 1), str(whole))
    rng = np.random.default_rng(seed)
    shape = (2, CHANNELS, SIDE, SIDE)
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name in ("x", "late")}
    found = find_cuts(whole, dict.fromkeys(feeds, shape))
    assert found.cuts
    right, exact = answer(whole, feeds), answer(whole, feeds, is_plain=True)
    for cut in found.cuts:
        head, tail = tmp_path / "head.onnx", tmp_path / "tail.onnx"
        write_parts(whole, cut, head, tail)
        for is_plain, wanted in ((True, exact), (False, right)):
            first = answer(head, feeds, is_plain)
            sent = {info.name: {**feeds, **first}[info.name] for info in cut.crossing}
            assert sum(each.nbytes for each in sent.values()) == cut.crossing_bytes
            both = {**first, **answer(tail, sent, is_plain)}
            got, want = [both[name] for name in wanted], list(wanted.values())
            if is_plain:  # the same kernels in the same order: to the bit
                assert all(np.array_equal(*pair) for pair in zip(want, got, strict=True))
            assert disagreement(want, got, is_same=True) is None
            assert other_finiteness(want, got) is None


@pytest.mark.parametrize("seed", range(4))
def test_both_sides_of_a_cut_are_the_whole_work(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(random_network(seed), str(path))
    found = find_cuts(path)
    for cut in found.cuts:
        assert cut.head.macs + cut.tail.macs == found.whole.macs
        assert cut.head.conv + cut.tail.conv == found.whole.conv
        assert cut.head.input_bytes == found.whole.input_bytes


def asked(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(split)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def told(*arguments: object) -> dict[str, object]:
    result = asked(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_network_and_link_where_it_pays_and_those_where_it_does_not() -> None:
    to_cloud = "--device", "mi8pro", "--limit-ms", 50, "--remotes", "cloud=gpu-server", "--links"
    paying = told(ALEXNET, *to_cloud, "cloud=wifi")
    best = paying["best_split"]
    assert paying["pays"] is True
    assert isinstance(best, dict)
    assert best["crossing_bytes"] < paying["input_bytes"]
    targets = paying["targets"]
    assert isinstance(targets, dict)
    in_time = [each for each in targets.values() if each["latency_s"]["mid"] <= 0.05]
    assert best["energy_j"]["mid"] < min(each["energy_j"]["mid"] for each in in_time)
    slow = told(ALEXNET, *to_cloud, "cloud=lte")
    splits, best = slow["splits"], slow["best_split"]
    assert isinstance(splits, list)
    assert isinstance(best, dict)
    assert all(each["latency_s"]["mid"] > 0.05 for each in splits if each["target"].startswith("cloud:"))
    assert best["target"].startswith("device:")
    assert told(RESNET, *to_cloud, "cloud=wifi")["pays"] is False


def test_slices_over_this_device_s_processors_where_they_pay_and_where_they_do_not() -> None:
    found = told(ALEXNET, "--device", "mi8pro", "--limit-ms", 50, "--remotes", "none")
    best, targets = found["best_split"], found["targets"]
    assert found["pays"] is True
    assert isinstance(best, dict)
    assert isinstance(targets, dict)
    target = Target.parse(best["target"])
    assert target.head is not None
    assert {target.processor, target.head.processor} == {"cpu", "gpu"}
    in_time = [each for each in targets.values() if each["latency_s"]["mid"] <= 0.05]
    assert best["energy_j"]["mid"] < 0.8 * min(each["energy_j"]["mid"] for each in in_time)
    assert told(SQUEEZENET, "--device", "mi8pro", "--remotes", "none")["pays"] is False
    alone = told(ALEXNET, "--device", "rpi4", "--remotes", "none")  # one processor: nothing to hand over to
    assert (alone["pays"], alone["splits"]) == (False, [])


def test_what_crosses_on_this_device_is_copied_once() -> None:
    phone, goal, network = load_device("mi8pro"), Goal("latency"), find_cuts(ALEXNET).whole
    at = Target.parse("device:cpu/fp32@1t")
    speed = phone.processors["cpu"].speed
    assert speed is not None
    for cut in network.cuts:
        alone_s, here_s = (compute(phone, each, at).latency_s for each in (cut.tail, tail_here(cut, "fp32")))
        assert here_s - alone_s == pytest.approx(2 * cut.crossing_bytes / speed.bandwidth_bytes_per_s)
    for both in advise(network, "fp32", phone, (), goal, at=30).cuts:
        parts = compute(phone, both.cut.head, both.head), compute(phone, tail_here(both.cut, "fp32"), both.tail)
        assert both.whole.latency_s.mid == pytest.approx(sum(each.latency_s for each in parts))
        assert both.whole.energy_j.mid == pytest.approx(sum(each.whole_j.mid for each in parts))


def test_the_simulator_plays_cuts_as_targets(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    for network in (ALEXNET, RESNET):
        told(network, "--device", "mi8pro", "--remotes", "cloud=gpu-server", "--limit-ms", 50, "--table", path)
    table = read_measured(path)["mi8pro"]
    world = MeasuredWorld(table, Goal(latency_s=0.05), seed=0)
    assert any(each.cut for each in world.targets)
    agent = make_agent("corrector", world.targets)
    chosen = [run_query(world, agent, None, "AUTO")[2].selected for _ in range(80)]
    assert any(each.cut for each in chosen)
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    best = {}
    for _, network, target, latency_s, energy_j, _ in lines:
        if float(latency_s) <= 0.05:
            best[network] = min(best.get(network, (math.inf, "")), (float(energy_j), target))
    assert {name: "@cut" in target for name, (_, target) in best.items()} == {ALEXNET.stem: True, RESNET.stem: False}
    path.write_text("a,b\n")
    result = asked(ALEXNET, "--device", "mi8pro", "--remotes", "none", "--table", path)
    assert isinstance(result.exception, AutoScaleError)
    assert "other columns" in str(result.exception)


def test_both_parts_are_written_as_bundles(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    result = asked(ALEXNET, "--device", "mi8pro", "--remotes", "cloud=gpu-server", "--at", 20, "--out", folder)
    assert result.exit_code == 0, result.output
    known = SplitModel.read(folder)
    assert (known.after, known.precision) == (20, "fp32")
    assert [each.name for each in known.head.outputs] == [each.name for each in known.tail.inputs]
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    [name] = [each.name for each in known.head.inputs]
    sent = answer(known.head.variants[0].path, {name: image})
    got = answer(folder / "tail" / "fp32.onnx", sent)
    assert disagreement([*answer(ALEXNET, {name: image}).values()], [*got.values()], is_same=True) is None


def test_what_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "net.onnx"
    onnx.save(random_network(1, is_open=True), str(whole))
    with pytest.raises(FeedError, match="does not fit"):
        find_cuts(whole, {"x": (2, CHANNELS)})
    with pytest.raises(ModelError, match="missing"):
        find_cuts(tmp_path / "none.onnx")
    (tmp_path / "net.tflite").write_bytes(b"TFL3")
    with pytest.raises(UnsupportedModel, match=r"\.onnx"):
        find_cuts(tmp_path / "net.tflite")
    with pytest.raises(ModelError, match="not cut after 3 nodes; allowed: '18', '19'"):
        find_cuts(ALEXNET).at(3)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    found = find_cuts(ALEXNET)
    with pytest.raises(ModelError, match="something else"):
        write_split(found, found.at(20), "fp32", tmp_path / "other")
    single = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        *([helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])] for name in "xy"),
        [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")],
    )
    onnx.save(helper.make_model(single, opset_imports=[helper.make_opsetid("", 17)]), str(tmp_path / "one.onnx"))
    result = asked(tmp_path / "one.onnx", "--device", "mi8pro", "--remotes", "none", "--out", tmp_path / "out")
    assert isinstance(result.exception, AutoScaleError)
    assert "has no cut" in str(result.exception)
    result = asked(ALEXNET, "--device", "rpi4", "--remotes", "none", "--out", tmp_path / "out")
    assert isinstance(result.exception, AutoScaleError)
    assert "--at" in str(result.exception)
