"""Model files as people have them: weights in files of any name, behind links; names that do not tell the format."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import ModelError
from autoscale_runtime import Session
from autoscale_runtime.backends.engines import data_files, format_of
from autoscale_runtime.models.bare_model import name_of
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from tests.runtime.backends.test_backends import as_ort
from tests.runtime.serving_parts import load_repository
from tests.runtime.session_parts import QUIET

X = np.random.default_rng(5).normal(size=(2, 16)).astype(np.float32)
W = np.random.default_rng(6).normal(size=(16, 4)).astype(np.float32)


def network(weights: np.ndarray = W) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["n", 16])],
        [value("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def saved(path: Path, location: str = "", weights: np.ndarray = W) -> Path:
    """The network, its weights in a file of that name where it has one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = network(weights)
    if location:
        (path.parent / location).parent.mkdir(parents=True, exist_ok=True)
        for each in model.graph.initializer:
            onnx.external_data_helper.set_external_data(each, location)
            (path.parent / location).write_bytes(each.raw_data)
            each.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return path


def answers_right(model: Path) -> bool:
    with Session(model, mode="ONLY_ON_DEVICE", options=QUIET) as session:
        return bool(np.allclose(session.run(None, {"x": X})[0], X @ W, atol=1e-5))


def linked(path: Path, link: Callable[[Path, Path], None]) -> Path:
    """As a hub's cache lays a model out: its files are links to others of other names."""
    whole = saved(path.parent / "blobs" / "model.onnx", "model.onnx_data")
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, blob in (("model.onnx", "aaa111"), ("model.onnx_data", "bbb222")):
        link(whole.with_name(name).replace(whole.with_name(blob)), path.parent / name)
    return path


LINKS = {
    "symbolic": lambda blob, name: name.symlink_to(os.path.relpath(blob, name.parent)),
    "hard": lambda blob, name: os.link(blob, name),
}
NAMES = ["weights.bin", "model.onnx_data", "model.onnx.data", "parts/ä b.0"]


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_takes_weights_of_any_name_along(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path / "m" / "model.onnx", name)
    assert data_files(model) == [name]
    written = Bundle.read(model).write(tmp_path / "bundle")
    shutil.rmtree(tmp_path / "m")
    assert answers_right(tmp_path / "bundle")
    assert Bundle.read(tmp_path / "bundle").write(tmp_path / "bundle") == written
    weights = tmp_path / "bundle" / name
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelError, match="damaged"):
        Bundle.read(tmp_path / "bundle")
    weights.unlink()
    with pytest.raises(ModelError, match=r"weights of .* does not exist"):
        Bundle.read(tmp_path / "bundle")


@pytest.mark.parametrize("link", LINKS)
def test_links_are_followed_and_a_bundle_has_none(tmp_path: Path, link: str) -> None:
    model = linked(tmp_path / "snapshot" / "model.onnx", LINKS[link])
    Bundle.read(model).write(tmp_path / "bundle")
    files = [path for path in (tmp_path / "bundle").iterdir()]
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in files)
    shutil.rmtree(tmp_path / "snapshot")
    assert answers_right(tmp_path / "bundle")


def test_weights_outside_the_models_folder_are_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m" / "model.onnx", "w.bin")
    content = model.read_bytes().replace(b"w.bin", b"../wb")
    model.write_bytes(content)
    (tmp_path / "wb").write_bytes(W.tobytes())
    bare = Bundle.read(saved(tmp_path / "n" / "model.onnx"))
    outside = Bundle("m", bare.profile, bare.inputs, bare.outputs, (Variant("fp32", model),))
    with pytest.raises(ModelError, match="allowed: in its own folder, or below it"):
        outside.write(tmp_path / "bundle")


def test_two_variants_may_share_weights_but_not_a_name(tmp_path: Path) -> None:
    first = saved(tmp_path / "a" / "one.onnx", "w.bin")
    bare = Bundle.read(first)

    def bundle(second: Path) -> Bundle:
        variants = (Variant("fp32", first), Variant("fp16", second))
        return Bundle("m", bare.profile, bare.inputs, bare.outputs, variants)

    bundle(saved(tmp_path / "b" / "two.onnx", "w.bin")).write(tmp_path / "bundle")
    with pytest.raises(ModelError, match=r"w\.bin' and a file of another variant differ but share a name"):
        bundle(saved(tmp_path / "c" / "two.onnx", "w.bin", 2 * W)).write(tmp_path / "bundle")


@pytest.mark.parametrize("name", ["MODEL.ONNX", "model", "0b1c2d3e", "model.bin"])
def test_the_format_is_told_by_the_content_where_the_name_does_not(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path / name)
    assert format_of(model) == ".onnx"
    assert answers_right(model)
    assert Bundle.read(model, {"x": (1, 16)}).profile.macs == 64
    assert answers_right(Bundle.read(model).write(tmp_path / "bundle").variants[0].path.parent)


@pytest.mark.parametrize("name", ["model.ort", "model.ORT", "model"])
def test_onnx_runtimes_own_format(tmp_path: Path, name: str) -> None:
    as_ort(saved(tmp_path / "m.onnx"), tmp_path / "made.ort")
    model = (tmp_path / "made.ort").rename(tmp_path / name)
    assert format_of(model) == ".ort"
    assert answers_right(model)
    assert [each.precision for each in Bundle.read(model).variants] == ["fp32"]
    assert Bundle.read(model).profile.input_bytes == 64


@pytest.mark.parametrize("name", ["model.ONNX", "model"])
def test_a_repository_takes_such_files(tmp_path: Path, name: str) -> None:
    saved(tmp_path / "net" / "3" / name, "model.onnx_data")
    model = load_repository(tmp_path, threads=1)["net"][3]
    np.testing.assert_allclose(model.runner.run(None, {"x": X}).outputs[0], X @ W, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", b"\x08\x0a"])
def test_what_is_no_model_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ModelError, match="no backend reads"):
        Bundle.read(tmp_path / "model")


def test_precision_is_read_without_the_package_onnx(tmp_path: Path) -> None:
    model = network()
    scale, zero = numpy_helper.from_array(np.float32(1), "s"), numpy_helper.from_array(np.uint8(0), "z")
    model.graph.initializer.extend([scale, zero])
    model.graph.node.append(helper.make_node("QuantizeLinear", ["y", "s", "z"], ["q"]))
    onnx.save(model, tmp_path / "int8.onnx")
    half = numpy_helper.from_array(W.astype(np.float16), "w")
    model = network()
    model.graph.initializer[0].CopyFrom(half)
    onnx.save(model, tmp_path / "fp16.onnx")
    saved(tmp_path / "fp32.onnx", "w.bin")
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from pathlib import Path; from autoscale_runtime.backends.onnxruntime import OnnxRuntime as R\n"
        f"print(*(R().precision_of(Path({str(tmp_path)!r}, p + '.onnx')) for p in ('fp32', 'fp16', 'int8')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fp32", "fp16", "int8"]


def test_a_file_of_a_servers_repository_is_called_as_there_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small" / "1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "small" / "1")
    for path in ("model.onnx", "../1/model.onnx", "../../small/1/model.onnx", f"{tmp_path}/small/2/../1/model.onnx"):
        assert name_of(Path(path)) == "small"
    for path in ("../model.onnx", "../01/model.onnx", "../latest/model.onnx", "/1/model.onnx"):
        assert name_of(Path(path)) == "model"
