"""A session whose network is cut between two processors of this device, or between two engines."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import InvalidInput, InvalidTarget, ModelError
from autoscale.query.goal import Goal
from autoscale.query.record import Record
from autoscale.query.target import Target
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.onnxruntime import OnnxRunner, OnnxRuntime
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.device.kept_calibration import ModelFiles
from autoscale_runtime.device.verification import disagreement
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_split
from autoscale_runtime.models.variant import Variant
from tests.runtime.backends.test_backends import B, W, write_tflite
from tests.runtime.session_parts import PATIENT, QUIET, written
from tests.runtime.test_session_split import CUT, SIDE, picture_network, pictures

FAST = replace(PATIENT, objective="latency")
WAIT_S = 0.03
NPU_THEN_CPU = {f"device:cpu/fp32@{threads}t-cut{CUT}-npu" for threads in (1, 2)}


class Waiting(OnnxRunner):
    """Takes so much longer, as a processor that an operator does not suit."""

    wait_s = 0.0

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        time.sleep(self.wait_s)
        return super().run(output_names, feeds, timeout_s)


class Board(OnnxRuntime):
    """ONNX Runtime on a board with an NPU; each processor has an operator that it is slow at.

    Args:
        slow: processor and operator.
    """

    def __init__(self, *slow: tuple[str, str]) -> None:
        self.slow = {*slow}

    def targets(self, precision: str) -> list[Target]:
        return [Target.parse(f"device:{each}") for each in ("cpu/fp32@1t", "cpu/fp32@2t", "npu/fp32")]

    def load(self, path: Path, target: Target) -> OnnxRunner:
        runner = super().load(path, Target("device", "cpu", "fp32", threads=target.threads or 1))
        operators = {(target.processor, node.op_type) for node in onnx.load(path).graph.node}
        runner.__class__ = Waiting
        runner.wait_s = WAIT_S * len(operators & self.slow)  # type: ignore[attr-defined]
        return runner


class NoTail(Board):
    """One that cannot load the second part."""

    def load(self, path: Path, target: Target) -> OnnxRunner:
        if target.processor == "npu" and path.parent.name == "tail":
            raise ModelError(f"no kernel for '{path.parent.name}'")
        return super().load(path, target)


SUITED = Board(("cpu", "Conv"), ("npu", "MatMul"))
VAIN = Board(("npu", "Conv"), ("npu", "MatMul"))


def split_of(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """The network and the folder of its two parts."""
    folder.mkdir()
    model = written(folder / "net.onnx", picture_network(seed))
    found = find_cuts(model, {"x": (1, 3, SIDE, SIDE)})
    write_split(found, found.at(CUT), "fp32", folder / "parts")
    return model, folder / "parts"


def options_of(parts: Path, board: Board, **others: object) -> SessionOptions:
    return replace(QUIET, splits=[parts], backends={"onnxruntime": board}, **others)  # type: ignore[arg-type]


def test_it_is_chosen_where_it_beats_every_whole_target_and_answers_as_the_whole(tmp_path: Path) -> None:
    model, parts = split_of(tmp_path / "a")
    records: list[Record] = []
    with (
        Session(model, PATIENT, options=QUIET) as whole,
        Session(model, FAST, options=options_of(parts, SUITED, on_record=records.append)) as session,
    ):
        session.warm_up(pictures(1))
        for seed in range(20):
            feeds = pictures(1 + seed % 2, seed)
            assert disagreement(whole.run(None, feeds), session.run(None, feeds), is_same=True) is None
        last = session.last
    assert last is not None
    chosen = [str(record.decision.selected) for record in records]
    assert sum(each in NPU_THEN_CPU for each in chosen[-10:]) >= 7  # it looks at others now and then
    assert last.outcome.energy_j.device > 0.0


def test_where_it_is_vain_it_is_left_out_and_without_the_option_it_is_not_there(tmp_path: Path) -> None:
    model, parts = split_of(tmp_path / "a")
    with Session(model, FAST, options=options_of(parts, VAIN)) as session:
        session.warm_up(pictures(1))
        session.run(None, pictures(1))
        assert session.last is not None
        assert session.last.selected.cut is None
        left_out = {str(target): why for target, why in session.last.left_out.items()}
        assert {left_out[each] for each in NPU_THEN_CPU} == {"cutting the network is not expected to pay"}
    with Session(model, FAST, options=replace(QUIET, backends={"onnxruntime": SUITED})) as session:
        assert not any(each.cut for each in session.targets)


def test_parts_of_another_network_answer_nobody(tmp_path: Path) -> None:
    model, _ = split_of(tmp_path / "a")
    _, others = split_of(tmp_path / "b", seed=1)
    with Session(model, FAST, options=options_of(others, SUITED)) as session:
        session.warm_up(pictures(1))
        for seed in range(5):
            session.run(None, pictures(1, seed))
            assert session.last is not None
            assert session.last.selected.cut is None


def test_what_was_kept_of_other_parts_is_not_theirs(tmp_path: Path) -> None:
    (model, parts), (_, others) = split_of(tmp_path / "a"), split_of(tmp_path / "b", seed=1)
    whole, *cut = (ModelFiles(Bundle.read(model), each).digests() for each in ((), [parts], [others]))
    assert len({tuple(each) for each in (whole, *cut)}) == 3


def test_a_part_that_an_engine_cannot_load_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, parts = split_of(tmp_path / "a")
    with caplog.at_level(logging.WARNING), Session(model, FAST, options=options_of(parts, NoTail())) as session:
        assert {str(each) for each in session.targets if each.cut} == NPU_THEN_CPU
    assert any("no kernel for 'tail'" in each for each in caplog.messages)


def test_two_engines_of_two_formats_take_a_part_each(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["q", "v"], ["x"]),
        helper.make_node("Gemm", ["x", "w", "b"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["y"]),
    ]
    v = np.random.default_rng(0).normal(size=(48, 48)).astype(np.float32) / 8
    weights = [numpy_helper.from_array(each, name) for name, each in (("v", v), ("w", W), ("b", B))]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("q", 48), ("hidden", 32), ("y", 32))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = written(tmp_path / "net.onnx", whole)
    found = find_cuts(model)
    write_split(found, found.at(1), "fp32", tmp_path / "parts")
    tail = Bundle.read(tmp_path / "parts" / "tail")
    write_tflite(tmp_path / "tail.tflite")
    replace(tail, variants=(*tail.variants, Variant("fp32", tmp_path / "tail.tflite"))).write(
        tmp_path / "parts" / "tail"
    )
    target = "device:cpu/fp32@1t-cut1-cpu-1t#litert"
    with (
        Session(model, PATIENT, options=replace(QUIET, splits=[tmp_path / "parts"], target=target)) as session,
        Session(model, PATIENT, options=QUIET) as alone,
    ):
        feeds = {"q": np.random.default_rng(1).normal(size=(1, 48)).astype(np.float32)}
        assert disagreement(alone.run(None, feeds), session.run(None, feeds), is_same=True) is None
        assert session.last is not None
        assert str(session.last.selected) == target


def test_a_recurrent_network_gives_its_state_whichever_part_makes_it(tmp_path: Path) -> None:
    rng, wide = np.random.default_rng(0), 16
    shapes = {"w": (1, 4 * wide, 8), "r": (1, 4 * wide, wide), "v": (wide, 8)}
    weights = [numpy_helper.from_array(rng.normal(size=each).astype(np.float32) / 4, n) for n, each in shapes.items()]
    weights.append(numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "axis"))
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "", "", "h", "c"], ["every", "h1", "c1"], hidden_size=wide),
        helper.make_node("Squeeze", ["every", "axis"], ["each"]),
        helper.make_node("MatMul", ["each", "v"], ["y"]),
    ]
    sizes = {"x": [4, 1, 8], "h": [1, 1, wide], "c": [1, 1, wide], "y": [4, 8], "h1": [1, 1, wide], "c1": [1, 1, wide]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()]
    graph = helper.make_graph(nodes, "g", ends[:3], ends[3:], weights)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = written(tmp_path / "net.onnx", whole)
    found = find_cuts(model)
    write_split(found, found.cuts[0], "fp32", tmp_path / "parts")
    options = options_of(tmp_path / "parts", SUITED, target=f"device:npu/fp32@cut{found.cuts[0].after}-cpu-1t")
    feeds = {name: rng.normal(size=sizes[name]).astype(np.float32) for name in ("x", "h", "c")}
    with Session(model, PATIENT, options=options) as session, Session(model, PATIENT, options=QUIET) as alone:
        assert disagreement(alone.run(None, feeds), session.run(None, feeds), is_same=True) is None


def test_an_input_that_is_read_late_keeps_its_shape_and_integers_and_booleans_cross(tmp_path: Path) -> None:
    rng, wide = np.random.default_rng(0), 16
    weights = [numpy_helper.from_array(rng.normal(size=(wide, wide)).astype(np.float32), name) for name in "wv"]
    weights.append(numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("ArgMax", ["a"], ["best"], axis=1),
        helper.make_node("Greater", ["a", "zero"], ["is_more"]),
        helper.make_node("MatMul", ["a", "v"], ["b"]),
        helper.make_node("Where", ["is_more", "b", "late"], ["y"]),
        helper.make_node("Add", ["best", "best"], ["twice"]),
    ]
    floats, whole_numbers = (TensorProto.FLOAT, ["n", wide]), (TensorProto.INT64, ["n", 1])
    inputs = [helper.make_tensor_value_info(name, *floats) for name in ("x", "late")]
    kinds = {"y": floats, "twice": whole_numbers, "best": whole_numbers, "is_more": (TensorProto.BOOL, ["n", wide])}
    outputs = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = written(tmp_path / "net.onnx", whole)
    found = find_cuts(model, {"x": (1, wide), "late": (1, wide)})
    write_split(found, found.at(3), "fp32", tmp_path / "parts")
    options = options_of(tmp_path / "parts", SUITED, target="device:cpu/fp32@1t-cut3-npu")
    feeds = {name: rng.normal(size=(3, wide)).astype(np.float32) for name in ("x", "late")}
    with Session(model, PATIENT, options=options) as session, Session(model, PATIENT, options=QUIET) as alone:
        for names in (None, ["best"], ["is_more", "y", "is_more"]):
            own, right = session.run(names, feeds), alone.run(names, feeds)
            assert [each.dtype for each in own] == [each.dtype for each in right]
            assert disagreement(right, own, is_same=True) is None


def test_each_part_draws_its_own_watts() -> None:
    table = ModelledMeter.on_this_host("mi8pro")
    target = Target.parse("device:cpu/int8@1t-cut2-npu")
    assert target.head is not None
    drawn = table.sliced(target, share=0.5)
    npu, cpu = table.drawn(target.head), table.drawn(target.whole)
    assert table.drawn(target) is drawn
    assert drawn.energy_j(2.0, 1.0) == pytest.approx(npu.energy_j(1.0, 0.5) + cpu.energy_j(1.0, 0.5))
    for _ in range(50):
        drawn.learn(0.3, 0.4, 0.0, 0.1)
    assert drawn.energy_j(4.0, 1.0) == pytest.approx(npu.energy_j(3.0, 0.0) + cpu.energy_j(1.0, 1.0), rel=1e-3)


def test_what_is_refused(tmp_path: Path) -> None:
    model, parts = split_of(tmp_path / "a")
    with pytest.raises(InvalidInput, match="a list of folders"):
        SessionOptions(splits=str(parts))
    with pytest.raises(InvalidInput, match="autoscale split --out"):
        SessionOptions(splits=[1])  # type: ignore[list-item]
    for wrong in (tmp_path, parts / "head", model, tmp_path / "none"):
        with pytest.raises(
            ModelError, match="has no 'head', 'tail'; allowed: a folder that 'autoscale split --out' wrote"
        ):
            Session(model, FAST, options=options_of(wrong, SUITED))
    with pytest.raises(InvalidTarget, match="cut3"):
        Session(model, FAST, options=options_of(parts, SUITED, target="device:cpu/fp32@1t-cut3-npu"))
    other = picture_network()
    other.graph.input[0].name = other.graph.node[0].input[0] = "image"
    with pytest.raises(ModelError, match="no input 'x'"):
        Session(written(tmp_path / "other.onnx", other), Goal(), options=options_of(parts, SUITED))
    with Session(model, FAST, options=options_of(parts, SUITED, target="device:npu/fp32@cut2-cpu-2t")) as session:
        assert np.isfinite(session.run(None, pictures(3))[0]).all()
