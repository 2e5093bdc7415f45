"""LiteRT's GPU, where there is a driver of one; ``make test-gpu`` brings one in software (SwiftShader)."""

from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidTarget
from autoscale.query.target import Target
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.checks import check_backend
from autoscale_runtime.backends.engines import OFF
from autoscale_runtime.backends.litert_compiled import LiteRTCompiled
from tests.runtime.backends.test_backends import EXPECTED, X, write_tflite

pytest.importorskip("ai_edge_litert.compiled_model")
HAS_GPU = any(each.processor == "gpu" for each in LiteRTCompiled().targets("fp32"))
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="no Vulkan here: make test-gpu brings one in software")


@pytest.fixture(autouse=True)
def _on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "openvino")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@needs_gpu
def test_the_conformance_suite(tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    check_backend(LiteRTCompiled(), tmp_path / "m.tflite", {"x": X}, EXPECTED, tolerance=1e-3)


@needs_gpu
def test_a_session_has_the_gpu_and_says_what_ran_there(tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    options = SessionOptions(sensors=(), target="device:gpu/fp32#litert-compiled")
    with Session(tmp_path / "m.tflite", options=options) as session:
        np.testing.assert_allclose(session.run(["y"], {"x": X})[0], EXPECTED["y"], rtol=1e-3, atol=1e-3)
        assert session.last is not None
        assert session.last.coverage == 1.0
    with Session(tmp_path / "m.tflite", options=SessionOptions(sensors=())) as session:
        session.warm_up({"x": X})
        assert {each.processor for each in session.targets} == {"cpu", "gpu"}
        assert session.calibration.distrusted == {}


def test_a_processor_that_is_not_here_is_refused(tmp_path: Path) -> None:
    write_tflite(tmp_path / "m.tflite")
    with pytest.raises(InvalidTarget, match="unknown target 'device:npu/fp32'"):
        LiteRTCompiled().load(tmp_path / "m.tflite", Target("device", "npu", "fp32"))
