"""LiteRT files as people have them: signatures, tensors under two names, quantised inputs, state in variables."""

from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale_runtime import Session
from autoscale_runtime.backends.base import BACKENDS, Runner
from autoscale_runtime.backends.tflite_file import keeps_state, read_graphs
from tests.runtime.session_parts import QUIET
from tests.runtime.tflite_builder import BOOL, FLOAT, FLOAT16, INT8, INT32, OPS, UINT8, Builder, schema

X = np.random.default_rng(3).normal(size=(1, 6)).astype(np.float32)


def dense(b: Builder, x: int, out: int, width: int = 6) -> int:
    """``out`` sums of ``width`` values."""
    return b.add(OPS.FULLY_CONNECTED, [x, b.weight(out, width), -1], [1, out], schema.FullyConnectedOptionsT())


def loaded(path: Path) -> Runner:
    backend = BACKENDS.get("litert")()
    return backend.load(path, backend.targets("fp32")[0])


def names(runner: Runner) -> tuple[list[str], list[str]]:
    return [each.name for each in runner.inputs], [each.name for each in runner.outputs]


def two_signatures(path: Path, second_input: str = "x", second_output: str = "big", width: int = 6) -> Path:
    b = Builder()
    x = b.input("a_x:0", [1, 6])
    small = dense(b, x, 2)
    b.at.outputs = [small]
    b.signature("first", {"x": x}, {"small": small})
    b.subgraph()
    x = b.input("b_x:0", [1, width])
    big = dense(b, x, 4, width)
    b.at.outputs = [big]
    b.signature("second", {second_input: x}, {second_output: big}, subgraph=1)
    return b.save(path)


def test_every_signature_can_be_asked(tmp_path: Path) -> None:
    runner = loaded(two_signatures(tmp_path / "m.tflite"))
    assert names(runner) == (["x"], ["small", "big"])
    small, big = np.full((1, 2), X.sum()), np.full((1, 4), X.sum())
    for asked, wanted in ((None, [small, big]), (["big"], [big]), (["big", "small"], [big, small])):
        for have, want in zip(runner.run(asked, {"x": X}).outputs, wanted, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-5)


def test_a_signature_needs_its_own_inputs_alone(tmp_path: Path) -> None:
    runner = loaded(two_signatures(tmp_path / "m.tflite", second_input="z", width=3))
    assert names(runner) == (["x", "z"], ["small", "big"])
    np.testing.assert_allclose(
        runner.run(["big"], {"z": X[:, :3]}).outputs[0], np.full((1, 4), X[:, :3].sum()), rtol=1e-5
    )
    with pytest.raises(FeedError, match=r"'x'.* is missing"):
        runner.run(None, {"z": X[:, :3]})


def test_what_two_signatures_call_alike_is_told_apart(tmp_path: Path) -> None:
    runner = loaded(two_signatures(tmp_path / "m.tflite", second_output="small", width=3))
    assert names(runner) == (["first/x", "second/x"], ["first/small", "second/small"])
    [answer] = runner.run(["second/small"], {"second/x": X[:, :3]}).outputs
    np.testing.assert_allclose(answer, np.full((1, 4), X[:, :3].sum()), rtol=1e-5)


def test_an_output_may_be_an_input_and_two_outputs_one_tensor(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("serving_default_x:0", [1, 6])
    y = dense(b, x, 3)
    b.at.outputs = [y, x, y]
    b.signature("serving_default", {"x": x}, {"features": x, "scores": y, "again": y})
    runner = loaded(b.save(tmp_path / "m.tflite"))
    assert names(runner)[0] == ["x"]
    assert sorted(names(runner)[1]) == ["again", "features", "scores"]
    features, scores, again = runner.run(["features", "scores", "again"], {"x": X}).outputs
    np.testing.assert_array_equal(features, X)
    np.testing.assert_array_equal(scores, again)
    np.testing.assert_allclose(scores, np.full((1, 3), X.sum()), rtol=1e-5)


def test_precision_is_that_of_the_arithmetic(tmp_path: Path) -> None:
    def precision(b: Builder, *outputs: int) -> str:
        return BACKENDS.get("litert")().precision_of(b.save(tmp_path / "m.tflite", *outputs))

    b = Builder()
    assert precision(b, dense(b, b.input("x", [1, 6]), 3)) == "fp32"

    b = Builder()
    pixels = b.input("x", [1, 6], kind=UINT8, scale=0.5)
    real = b.add(OPS.DEQUANTIZE, [pixels], [1, 6])
    assert precision(b, dense(b, real, 3)) == "fp32", "pixels at the edge of a float network"

    for kind in (UINT8, INT8):
        b = Builder()
        x = b.input("x", [1, 4], kind=kind, scale=0.5)
        y = b.add(OPS.RESHAPE, [x, b.ints(2, 2)], [2, 2], schema.ReshapeOptionsT(), kind=kind)
        assert precision(b, y) == "int8", "no weight, but quantised all through"

    for kind, wanted in ((INT8, "int8"), (UINT8, "int8"), (FLOAT16, "fp16")):
        b = Builder()
        x = b.input("x", [1, 6])
        scale = None if kind == FLOAT16 else 0.5
        weights = b.tensor("w", [3, 6], kind, data=np.ones((3, 6)), scale=scale)
        real = b.add(OPS.DEQUANTIZE, [weights], [3, 6])
        y = b.add(OPS.FULLY_CONNECTED, [x, real, -1], [1, 3], schema.FullyConnectedOptionsT())
        assert precision(b, y) == wanted, "weights stored so"

    b = Builder()
    table = b.tensor("t", [6], UINT8, data=np.arange(6))
    index = b.input("i", [1], kind=INT32)
    assert precision(b, b.add(OPS.GATHER, [table, index], [1], schema.GatherOptionsT(), kind=UINT8)) == "fp32"


def averaging(path: Path) -> Path:
    """A recurrent layer whose state stays in the file: s = x + s / 2, y = s, through an activation that is none."""
    b = Builder()
    x = b.input("x", [1, 2])
    eye, half = (b.tensor(f"w{k}", [2, 2], FLOAT, data=np.eye(2) * k) for k in (1.0, 0.5))
    state = b.tensor("state", [1, 2])
    b.at.tensors[state].isVariable = True
    bias = b.tensor("b", [2], FLOAT, data=np.zeros(2))
    y = b.add(OPS.RNN, [x, eye, half, bias, state], [1, 2], schema.RNNOptionsT())
    return b.save(path, y)


def test_a_file_that_keeps_state_is_known_and_reset(tmp_path: Path) -> None:
    path = averaging(tmp_path / "m.tflite")
    assert BACKENDS.get("litert")().keeps_state(path)
    runner, one = loaded(path), {"x": np.ones((1, 2), np.float32)}
    for _ in range(2):
        values = [float(runner.run(None, one).outputs[0][0, 0]) for _ in range(4)]
        assert values == pytest.approx([1, 1.5, 1.75, 1.875])
        runner.reset()


def test_weights_in_variables_are_no_state(tmp_path: Path) -> None:
    """Assigned once, by the graph that CALL_ONCE names: a query changes nothing."""
    for is_state in (False, True):
        b = Builder()
        x = b.input("x", [1, 6], kind=BOOL)
        once = schema.CallOnceOptionsT()
        once.initSubgraphIndex = 1
        b.add(OPS.CALL_ONCE, [], [1], once)
        if is_state:
            b.add(OPS.ASSIGN_VARIABLE, [x, x], [1])
        b.subgraph()
        b.add(OPS.ASSIGN_VARIABLE, [b.ints(1), b.ints(2)], [1])
        assert keeps_state(read_graphs(b.save(tmp_path / "m.tflite", x))) is is_state


def test_a_session_gives_and_takes_pixels(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", [1, 4], kind=UINT8, scale=0.5)
    y = b.add(OPS.RESHAPE, [x, b.ints(2, 2)], [2, 2], schema.ReshapeOptionsT(), kind=UINT8)
    b.at.tensors[y].quantization = b.at.tensors[x].quantization
    pixels = np.array([[0, 7, 128, 255]], np.uint8)
    with Session(b.save(tmp_path / "m.tflite", y), mode="ONLY_ON_DEVICE", options=QUIET) as session:
        assert {target.precision for target in session.targets} == {"int8"}
        [answer] = session.run(None, {"x": pixels})
    assert answer.dtype == np.uint8
    np.testing.assert_array_equal(answer, pixels.reshape(2, 2))
