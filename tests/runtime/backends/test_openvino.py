"""OpenVINO, where it is installed: ``make test-engines`` brings it. The network is y = relu(hidden = x W + b)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidTarget, ModelError
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends.checks import check_backend
from autoscale_runtime.backends.engines import OFF, format_of
from autoscale_runtime.backends.openvino import OpenVINO
from autoscale_runtime.device.verification import disagreement
from tests.runtime.backends.test_backends import EXPECTED, X, write_onnx, write_tflite
from tests.runtime.session_parts import QUIET
from tests.runtime.test_session_slices import split_of
from tests.runtime.test_session_split import pictures

ov = pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def _on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "")


def as_ir(onnx_file: Path, path: Path) -> Path:
    write_onnx(onnx_file)
    ov.save_model(ov.Core().read_model(str(onnx_file)), str(path), compress_to_fp16=False)
    return path


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".xml"])
def test_the_conformance_suite(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    if suffix == ".xml":
        as_ir(tmp_path / "m.onnx", path)
    else:
        (write_onnx if suffix == ".onnx" else write_tflite)(path)
    feed = "serving_default_x:0" if suffix == ".tflite" else "x"
    name = OpenVINO().load(path, OpenVINO().targets("fp32")[0]).inputs[0].name
    assert name == feed.removeprefix("serving_default_").removesuffix(":0")
    rows = 3
    check_backend(OpenVINO(), path, {name: X[:rows]}, {each: array[:rows] for each, array in EXPECTED.items()})


def test_a_session_of_an_onnx_file_has_it_as_a_further_engine(tmp_path: Path) -> None:
    write_onnx(tmp_path / "m.onnx")
    with Session(tmp_path / "m.onnx", options=QUIET) as session:
        session.warm_up({"x": X})
        engines = {each.engine for each in session.targets}
        assert engines == {"", "openvino"}
        assert session.calibration.distrusted == {}
    with Session(tmp_path / "m.onnx", options=QUIET.__class__(sensors=(), target="device:cpu/fp32@1t#openvino")) as one:
        np.testing.assert_allclose(one.run(["y"], {"x": X})[0], EXPECTED["y"], rtol=1e-4, atol=1e-4)
        assert one.last is not None
        assert one.last.coverage == 1.0


def test_its_own_format_needs_nothing_else(tmp_path: Path) -> None:
    path = as_ir(tmp_path / "a.onnx", tmp_path / "m.xml")
    assert format_of(path) == format_of(path.rename(tmp_path / "nameless")) == ".xml"
    (tmp_path / "nameless").rename(path)
    with Session(path, options=QUIET) as session:
        assert {each.engine for each in session.targets} == {""}
        np.testing.assert_allclose(session.run(["y"], {"x": X})[0], EXPECTED["y"], rtol=1e-4, atol=1e-4)
    assert OpenVINO().data_files(path) == ["m.bin"]
    (tmp_path / "m.bin").unlink()
    with pytest.raises(ModelError):
        Session(path, options=QUIET)


def test_precision_is_that_of_the_weights(tmp_path: Path) -> None:
    path = as_ir(tmp_path / "a.onnx", tmp_path / "m.xml")
    assert OpenVINO().precision_of(path) == "fp32"
    ov.save_model(ov.Core().read_model(str(path)), str(tmp_path / "half.xml"))
    assert OpenVINO().precision_of(tmp_path / "half.xml") == "fp16"


def test_a_processor_that_is_not_here_is_named(tmp_path: Path) -> None:
    write_onnx(tmp_path / "m.onnx")
    if "NPU" not in ov.Core().available_devices:
        with pytest.raises(InvalidTarget, match="unknown target 'device:npu/fp32'"):
            OpenVINO().load(tmp_path / "m.onnx", Target("device", "npu", "fp32"))


@pytest.mark.parametrize(
    "target", ["device:cpu/fp32@1t-cut2-cpu-1t-openvino", "device:cpu/fp32@1t-cut2-cpu-1t#openvino"]
)
def test_it_takes_either_part_of_a_network_in_two(tmp_path: Path, target: str) -> None:
    model, parts = split_of(tmp_path / "a")
    options = replace(QUIET, splits=[parts], target=target)
    with Session(model, options=options) as session, Session(model, options=QUIET) as whole:
        for count in (1, 3):
            right, answer = (each.run(None, pictures(count)) for each in (whole, session))
            assert disagreement(right, answer) is None
        assert session.last is not None
        assert str(session.last.selected) == target
