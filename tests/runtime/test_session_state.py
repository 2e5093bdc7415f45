"""A stream of queries that carries a state on stays on one target, whoever keeps the state."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale import Goal
from autoscale_runtime import Session
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.streams import REMEMBERED, Streams
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from tests.runtime.backends.test_litert import averaging, two_signatures
from tests.runtime.session_parts import QUIET

ONE = {"x": np.ones((1, 2), np.float32)}


def summing(path: Path, scale: float = 1.0) -> Path:
    """new = h + x, y = scale * x."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "h"], ["new"]), helper.make_node("Mul", ["x", "scale"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [1, 1]), value("h", TensorProto.FLOAT, [1, 4])],
        [value("y", TensorProto.FLOAT, [1, 1]), value("new", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(np.float32(scale), "scale")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def bundle(folder: Path) -> Bundle:
    """Three files, as near to each other as precisions are."""
    files = {each: summing(folder / f"{each}.onnx", 1 + k / 1000) for k, each in enumerate(("fp32", "fp16", "int8"))}
    bare = Bundle.read(files["fp32"])
    assert dict(bare.state) == {"new": "h"}
    variants = tuple(Variant(precision, path) for precision, path in files.items())
    return Bundle("net", bare.profile, bare.inputs, bare.outputs, variants, bare.state)


@pytest.mark.parametrize("agent", ["q-learning", "corrector"])
def test_a_stream_whose_state_is_fed_back_stays_where_it_began(tmp_path: Path, agent: str) -> None:
    draw = np.random.default_rng(2)
    with Session(bundle(tmp_path), Goal(), agent=agent, options=QUIET) as session:
        streams = [np.full((1, 4), float(k), np.float32) for k in range(6)]
        used: list[Counter[object]] = [Counter() for _ in streams]
        for _ in range(30):
            for k in draw.permutation(len(streams)):  # streams may cross
                x = draw.normal(size=(1, 1)).astype(np.float32)
                _, streams[k] = session.run(None, {"x": x, "h": streams[k]})
                assert session.last is not None
                used[k][session.last.selected] += 1
    assert all(len(each) == 1 for each in used)


def test_a_state_of_several_parts_and_a_query_for_some_outputs() -> None:
    streams = Streams({"h1": "h", "c1": "c"}, ("y", "h1", "c1"))
    h, c, y = (np.full((1, 3), float(k), np.float32) for k in range(3))

    def query(names: list[str] | None, **feeds: np.ndarray) -> Query:
        return Query(names, feeds)

    streams.answered(query(None), [y, h, c], 2)
    assert streams.target_of(query(None, h=h.copy(), c=c.copy())) == 2
    assert streams.target_of(query(None, h=c, c=h)) is None
    assert streams.target_of(query(None, h=h)) is None
    streams.answered(query(["y"]), [y], 1)
    streams.answered(query(["c1", "h1"]), [c + 5, h + 5], 1)
    assert streams.target_of(query(["y"], h=h + 5, c=c + 5)) == 1
    for k in range(REMEMBERED):
        streams.answered(query(None), [y, h + k + 9, c], 0)
    assert streams.target_of(query(None, h=h, c=c)) is None, "the oldest are forgotten"


@pytest.mark.parametrize("agent", ["q-learning", "device-best"])
def test_a_file_that_keeps_state_answers_as_one_interpreter(tmp_path: Path, agent: str) -> None:
    """s = x + s / 2, from zero on."""
    path = averaging(tmp_path / "m.tflite")
    with Session(path, Goal(), agent=agent, options=QUIET) as session:
        session.warm_up(ONE)
        for _ in range(3):
            values, used = [], set()
            for _ in range(5):
                values.append(float(session.run(None, ONE)[0][0, 0]))
                assert session.last is not None
                used.add(session.last.selected)
            assert values == pytest.approx([1, 1.5, 1.75, 1.875, 1.9375])
            assert len(used) == 1
            session.reset_state()
        assert session.calibration.distrusted == {}
        assert not session.calibration.is_random


def test_such_a_file_goes_to_no_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = averaging(tmp_path / "m.tflite")
    with Session(path, Goal(), remotes={"cloud": "127.0.0.1:9"}, options=QUIET) as session:
        assert not any(target.is_remote for target in session.targets)
    assert "'m' keeps state in its file" in caplog.text


def test_one_of_several_signatures_may_be_all_that_is_asked(tmp_path: Path) -> None:
    path = two_signatures(tmp_path / "m.tflite", second_input="z", width=3)
    z = np.ones((1, 3), np.float32)
    with Session(path, Goal(), options=replace(QUIET)) as session:
        for _ in range(3):
            np.testing.assert_allclose(session.run(["big"], {"z": z})[0], np.full((1, 4), 3.0))
