"""The interpreter where applications find LiteRT's: TensorFlow Lite's calls, and a decision for each invocation."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.errors import InvalidGoal
from autoscale_runtime import install, uninstall
from tests.runtime.session_parts import QUIET
from tests.runtime.tflite_builder import OPS, UINT8, Builder, schema

module = pytest.importorskip("ai_edge_litert.interpreter")
Bare = module.Interpreter
X = np.random.default_rng(3).normal(size=(1, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Any number of rows of 6 -> their sums, twice as many of them as there are outputs."""
    b = Builder()
    x = b.input("serving_default_x:0", [1, 6], signature=[-1, 6])
    y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(3, 6), -1], [1, 3], schema.FullyConnectedOptionsT(), signature=[-1, 3])
    b.at.outputs = [y]
    b.signature("serving_default", {"x": x}, {"y": y})
    return b.save(tmp_path_factory.mktemp("model") / "m.tflite")


def ours(*args: Any, **keywords: Any) -> Any:
    from autoscale_runtime.litert import Interpreter

    return Interpreter(*args, options=QUIET, **keywords)


def _set(interpreter: Any, x: Any) -> None:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)


def _view(interpreter: Any, x: Any) -> None:
    interpreter.tensor(interpreter.get_input_details()[0]["index"])()[:] = x


@pytest.mark.parametrize("write", [_set, _view])
def test_the_calls_of_tensorflow_lite(path: Path, write: Callable[[Any, Any], None]) -> None:
    interpreter = ours(str(path))
    assert isinstance(interpreter, Bare)
    interpreter.allocate_tensors()
    bare = Bare(str(path))
    bare.allocate_tensors()
    assert str(interpreter.get_input_details()) == str(bare.get_input_details())
    assert str(interpreter.get_output_details()) == str(bare.get_output_details())
    out = interpreter.get_output_details()[0]["index"]
    for factor in (1.0, 2.0):
        write(interpreter, factor * X)
        interpreter.invoke()
        np.testing.assert_allclose(interpreter.get_tensor(out), np.full((1, 3), factor * X.sum()), rtol=1e-5)
        np.testing.assert_array_equal(interpreter.tensor(out)(), interpreter.get_tensor(out))
    assert interpreter.undecided == interpreter.last.handed_through == ""
    assert interpreter.last.selected in interpreter.deciding.targets


def test_a_content_a_thread_count_and_a_signature(path: Path) -> None:
    interpreter = ours(model_content=path.read_bytes(), num_threads=1)
    runner = interpreter.get_signature_runner()
    np.testing.assert_allclose(runner(x=X)["y"], np.full((1, 3), X.sum()), rtol=1e-5)
    assert list(runner.get_input_details()) == ["x"]
    assert {each.threads for each in interpreter.deciding.targets} == {1}
    assert interpreter.last.handed_through == ""
    with pytest.raises(ValueError, match="number of inputs"):
        runner()
    with pytest.raises(ValueError, match="Invalid Input name"):
        runner(z=X)


def test_inputs_may_be_resized(path: Path) -> None:
    interpreter = ours(str(path))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [4, 6])
    interpreter.allocate_tensors()
    _set(interpreter, np.tile(X, (4, 1)))
    interpreter.invoke()
    out = interpreter.get_output_details()[0]["index"]
    np.testing.assert_allclose(interpreter.get_tensor(out), np.full((4, 3), X.sum()), rtol=1e-5)
    assert interpreter.last.handed_through == ""


def test_quantised_tensors_are_as_the_file_stores_them(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", [1, 4], kind=UINT8, scale=0.5)
    b.at.outputs = [b.add(OPS.RESHAPE, [x, b.ints(4, 1)], [4, 1], schema.ReshapeOptionsT(), kind=UINT8)]
    b.at.tensors[-1].quantization = b.at.tensors[0].quantization
    interpreter = ours(str(b.save(tmp_path / "m.tflite")))
    interpreter.allocate_tensors()
    pixels = np.array([[0, 7, 128, 255]], np.uint8)
    _set(interpreter, pixels)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(answer, pixels.T)
    assert interpreter.last.handed_through == ""


def test_what_it_does_not_decide_litert_invokes_and_it_says_so(path: Path) -> None:
    interpreter = ours(str(path), experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    interpreter.allocate_tensors()
    _set(interpreter, X)
    interpreter.invoke()
    out = interpreter.get_output_details()[0]["index"]
    np.testing.assert_allclose(interpreter.get_tensor(out), np.full((1, 3), X.sum()), rtol=1e-5)
    assert "experimental" in interpreter.last.handed_through


@pytest.mark.parametrize("names", [("", ""), ("x", "x"), ("serving_default_x:0", "x")])
def test_tensors_without_names_of_their_own_are_told_apart(tmp_path: Path, names: tuple[str, str]) -> None:
    b = Builder()
    inputs = [b.input(each, [1, 6]) for each in names]
    total = b.add(OPS.SUB, inputs, [1, 6], schema.SubOptionsT())
    path = b.save(tmp_path / "m.tflite", total)
    interpreter = ours(str(path))
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), (3.0 * X, X), strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(total), 2.0 * X, rtol=1e-6)
    assert interpreter.last.handed_through == ""
    first, second = (each.name for each in interpreter.deciding.get_inputs())
    [answer] = interpreter.deciding.run(None, {first: 3.0 * X, second: X})
    np.testing.assert_allclose(answer, 2.0 * X, rtol=1e-6)


def test_an_output_that_the_file_holds_is_read_and_never_written(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", [1, 6])
    y, anchors = b.add(OPS.ADD, [x, x], [1, 6], schema.AddOptionsT()), b.weight(4, 2)
    interpreter = ours(str(b.save(tmp_path / "m.tflite", y, anchors)))
    interpreter.allocate_tensors()
    _set(interpreter, X)
    interpreter.invoke()  # to write there ends the process
    assert interpreter.last.handed_through == ""
    np.testing.assert_allclose(interpreter.get_tensor(y), 2.0 * X, rtol=1e-6)
    np.testing.assert_array_equal(interpreter.get_tensor(anchors), np.ones((4, 2), np.float32))


def test_a_copy_is_of_the_same_model(path: Path) -> None:
    interpreter = copy.copy(ours(str(path)))
    interpreter.allocate_tensors()
    _set(interpreter, X)
    interpreter.invoke()
    assert interpreter.last.handed_through == ""


def test_errors_are_litert_s_own(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Could not open"):
        ours(str(tmp_path / "none.tflite"))
    interpreter = ours(str(path))
    with pytest.raises(RuntimeError, match="not ready"):
        interpreter.invoke()
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match="FLOAT64"):
        _set(interpreter, X.astype(np.float64))
    with pytest.raises(TypeError, match="send the model's path"):
        pickle.dumps(interpreter)
    with pytest.raises(InvalidGoal, match="unknown inference mode"):
        ours(str(path), mode="HERE")


def test_install_puts_it_in_place(path: Path) -> None:
    install(options=QUIET)
    try:
        assert module.Interpreter is not Bare
        assert module.Interpreter(str(path)).deciding is not None
    finally:
        uninstall()
    assert module.Interpreter is Bare
