"""Qualcomm's simulator of the Hexagon, where it is installed: ``make test-engines`` brings it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import UnsupportedModel
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.checks import check_backend
from autoscale_runtime.backends.engines import OFF
from autoscale_runtime.backends.qnn import QnnSimulator
from tests.runtime.backends.test_backends import EXPECTED, B, W, X

pytest.importorskip("onnxruntime_qnn")


@pytest.fixture(autouse=True)
def _on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path: Path, batch: int | str) -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["hidden"]), helper.make_node("Relu", ["hidden"], ["y"])],
        "tiny",
        [value("x", TensorProto.FLOAT, [batch, 48])],
        [value("hidden", TensorProto.FLOAT, [batch, 32]), value("y", TensorProto.FLOAT, [batch, 32])],
        [numpy_helper.from_array(W, "w"), numpy_helper.from_array(B, "b")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))
    return path


def test_the_conformance_suite(tmp_path: Path) -> None:
    check_backend(QnnSimulator(), write(tmp_path / "m.onnx", 3), {"x": X}, EXPECTED, tolerance=1e-2)


def test_what_it_would_run_on_the_cpu_alone_it_refuses(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", "open")
    with pytest.raises(UnsupportedModel, match="QNNExecutionProvider took none of its nodes"):
        QnnSimulator().load(path, QnnSimulator().targets("fp32")[0])


def test_a_session_has_it_when_asked_and_onnx_runtimes_policies_go_on(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3)
    with Session(path, options=SessionOptions(sensors=())) as session:
        assert {each.processor for each in session.targets} == {"cpu"}
    pinned = "device:npu/fp32#onnxruntime-qnn"
    options = SessionOptions(sensors=(), target=pinned, backends={"onnxruntime-qnn": QnnSimulator()})
    with Session(path, options=options) as session:
        np.testing.assert_allclose(session.run(["y"], {"x": X})[0], EXPECTED["y"], rtol=1e-2, atol=1e-2)
        assert session.last is not None
        assert session.last.coverage == 1.0
    bare = onnxruntime.SessionOptions()
    bare.set_provider_selection_policy(onnxruntime.OrtExecutionProviderDevicePolicy.PREFER_CPU)
    onnxruntime.InferenceSession(str(path), bare)
