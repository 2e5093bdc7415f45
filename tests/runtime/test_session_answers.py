"""Whatever a network answers is the answer: infinity, no number, something else each time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import AutoScaleError, FeedError
from autoscale.query.goal import Goal
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.onnx_random import OPERATORS, draws_at_random
from autoscale_runtime.backends.tensors import Array, Feeds
from tests.runtime.session_parts import QUIET, rows, serving, written

KINDS = {"x": TensorProto.FLOAT, "m": TensorProto.BOOL}
X = np.array([[1.0, -2.0, 0.0, 3.0]], np.float32)
PATIENT = Goal(latency_s=30.0)


def saved(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[str] = ("x",),
    weights: dict[str, Array] | None = None,
    output: int = TensorProto.FLOAT,
) -> Path:
    """A network of rows of 4 by any number."""
    known = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    given = [helper.make_tensor_value_info(name, KINDS[name], ["n", 4]) for name in inputs]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("y", output, None)], known)
    return written(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))


ODD: dict[str, Callable[[Path], tuple[Path, Feeds]]] = {
    "masked logits": lambda path: (
        saved(path, [helper.make_node("Where", ["m", "x", "low"], ["y"])], ("x", "m"), {"low": np.float32(-np.inf)}),
        {"x": X, "m": np.array([[True, False, True, False]])},
    ),
    "log of zero and of less": lambda path: (saved(path, [helper.make_node("Log", ["x"], ["y"])]), {"x": X}),
    "nothing but NaN": lambda path: (
        saved(path, [helper.make_node("Div", ["x", "x"], ["y"])]),
        {"x": np.zeros((1, 4), np.float32)},
    ),
    "overflow": lambda path: (saved(path, [helper.make_node("Exp", ["x"], ["y"])]), {"x": X * 1e3}),
}


@pytest.mark.parametrize("kind", ODD)
def test_infinity_and_nan_are_answers(tmp_path: Path, kind: str) -> None:
    path, feeds = ODD[kind](tmp_path / "net.onnx")
    want = ort.InferenceSession(str(path)).run(None, feeds)[0]
    assert not np.isfinite(want).all()
    with Session(path, mode="ONLY_ON_DEVICE", options=QUIET) as session:
        for _ in range(3):
            np.testing.assert_array_equal(session.run(None, feeds)[0], want)
        assert session.calibration.distrusted == {}


@pytest.mark.parametrize("first", [X, np.abs(X) + 1], ids=["first", "later"])
def test_they_are_a_server_s_answers_too(tmp_path: Path, first: Array) -> None:
    path = saved(tmp_path / "net.onnx", [helper.make_node("Log", ["x"], ["y"])])
    saved(tmp_path / "repository" / "net" / "1" / "model.onnx", [helper.make_node("Log", ["x"], ["y"])])
    with (
        serving(tmp_path / "repository") as (_, address),
        Session(path, PATIENT, remotes={"cloud": address}, mode="ONLY_IN_CLOUD", options=QUIET) as session,
    ):
        for x in (first, X, np.abs(X) + 1, X):
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(session.run(None, {"x": x})[0], np.log(x), rtol=1e-5)


def _drawing(operator: str) -> list[onnx.NodeProto]:
    share = helper.make_node("Softmax", ["x"], ["p"], axis=1)
    return {
        "RandomNormal": [helper.make_node("RandomNormal", [], ["n"], shape=[1, 4]), _sum],
        "RandomUniform": [helper.make_node("RandomUniform", [], ["n"], shape=[1, 4]), _sum],
        "RandomNormalLike": [helper.make_node("RandomNormalLike", ["x"], ["n"], scale=9.0), _sum],
        "RandomUniformLike": [helper.make_node("RandomUniformLike", ["x"], ["n"], low=-9.0, high=9.0), _sum],
        "Bernoulli": [share, helper.make_node("Bernoulli", ["p"], ["y"])],
        "Multinomial": [share, helper.make_node("Multinomial", ["p"], ["y"], sample_size=3)],
        "Dropout": [helper.make_node("Dropout", ["x", "half", "trains"], ["y"])],
    }[operator]


_sum = helper.make_node("Add", ["x", "n"], ["y"])
TRAINS = {"half": np.float32(0.5), "trains": np.bool_(True)}


@pytest.mark.parametrize("operator", [*(set(OPERATORS) - {"Sampling"}), "Dropout"])
def test_a_network_that_draws_at_random_runs_everywhere(tmp_path: Path, operator: str) -> None:
    kind = TensorProto.INT32 if operator == "Multinomial" else TensorProto.FLOAT
    path = saved(tmp_path / "net.onnx", _drawing(operator), weights=TRAINS, output=kind)
    assert draws_at_random(path) == (operator != "Dropout")
    x = {"x": rows(64)[:, :4]} if operator == "Dropout" else {"x": X}
    with Session(path, mode="ONLY_ON_DEVICE", options=QUIET) as session:
        for _ in range(3):
            session.run(None, x)
        assert session.calibration.distrusted == {}
        assert session.calibration.is_random or operator in ("Bernoulli", "Multinomial")  # four draws may be alike


def test_a_weight_of_such_a_name_draws_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "RandomNormal"], ["y"], name="Bernoulli")]
    assert not draws_at_random(saved(tmp_path / "net.onnx", nodes, weights={"RandomNormal": X}))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model") / "net.onnx", [helper.make_node("Relu", ["x"], ["y"])])


def test_the_only_variant_is_the_reference_whatever_accuracy_is_asked(path: Path) -> None:
    with Session(path, Goal(min_accuracy=0.9), mode="ONLY_ON_DEVICE", options=QUIET) as session:
        np.testing.assert_array_equal(session.run(None, {"x": X})[0], np.maximum(X, 0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": 3},
        {"goal": "energy"},
        {"remotes": ["127.0.0.1:9"]},
        {"remotes": {"cloud": 9}},
        {"remotes": {3: "127.0.0.1:9"}},
        {"agent": 3},
        {"agent": None},
        {"mode": 1},
        {"options": {"target": "x"}},
        {"goal": {}},
    ],
)
def test_a_wrong_type_is_reported_with_what_is_allowed(path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(AutoScaleError, match=r"of type .*; allowed: "):
        Session(**{"model": path, **arguments})  # type: ignore[arg-type]  # wrong types on purpose


@pytest.mark.parametrize(
    "options",
    [
        {"target": 1},
        {"timeout_s": "1"},
        {"sensors": 3},
        {"sensors": ["load"]},
        {"meters": "rapl"},
        {"on_record": 3},
        {"policy": 1},
    ],
)
def test_options_of_a_wrong_type_likewise(options: dict[str, object]) -> None:
    with pytest.raises(AutoScaleError, match="allowed: "):
        SessionOptions(**options)  # type: ignore[arg-type]  # wrong types on purpose


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize(("names", "feeds"), [(None, None), (None, [X]), ("y", {"x": X}), (3, {"x": X}), (None, "x")])
def test_a_query_of_a_wrong_type_likewise(path: Path, names: object, feeds: object, is_settled: bool) -> None:
    options = SessionOptions(sensors=(), target="device:cpu/fp32@1t" if is_settled else None)
    with Session(path, options=options) as session:
        session.run(None, {"x": X})
        with pytest.raises(FeedError, match="allowed: "):
            session.run(names, feeds)  # type: ignore[arg-type]  # wrong types on purpose


class Unwilling:
    """Says that it can be made an array, and cannot."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError("its device is gone")


def test_a_feed_whose_own_conversion_fails_is_told_as_any_other(path: Path) -> None:
    told = "an input is no tensor: Unwilling gives no array: its device is gone"
    with Session(path, options=SessionOptions(sensors=())) as session, pytest.raises(FeedError, match=told):
        session.run(None, {"x": Unwilling()})  # type: ignore[dict-item]  # wrong on purpose
