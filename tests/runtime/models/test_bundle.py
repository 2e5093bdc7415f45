"""Bundles: what is written is read back, and nothing damaged, foreign or half-written passes for one."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from autoscale.errors import FeedError, ModelError
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import MANIFEST, manifest_text, read_manifest
from autoscale_runtime.models.variant import Variant

W = np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32)


def network(extra: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), *(extra or [])],
        "tiny",
        [value("x", TensorProto.FLOAT, ["batch", "length", 8])],
        [value("y", TensorProto.FLOAT, ["batch", "length", 4])],
        [numpy_helper.from_array(W, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    sources = tmp_path / "sources"
    sources.mkdir()
    onnx.save(network(), sources / "fp32.onnx")
    onnx.save(convert_float_to_float16(network(), keep_io_types=True), sources / "fp16.onnx")
    return Bundle(
        "tiny",
        ModelProfile("tiny", fully_connected=1, macs=32, macs_by_kind={"fully_connected": 32}, parameters=32),
        (TensorSpec("x", np.dtype(np.float32), (None, None, 8)),),
        (TensorSpec("y", np.dtype(np.float32), (None, None, 4)),),
        (
            Variant("fp32", sources / "fp32.onnx", "", Accuracy(1.0, "reference")),
            Variant("fp16", sources / "fp16.onnx"),
        ),
    )


def test_written_is_read(bundle: Bundle, tmp_path: Path) -> None:
    written = bundle.write(tmp_path / "tiny")
    assert Bundle.read(tmp_path / "tiny") == written
    assert Bundle.read(tmp_path / "tiny" / MANIFEST) == written
    assert written.profile.accuracies == {"fp32": Accuracy(1.0, "reference")}
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"fp32.onnx", "fp16.onnx", MANIFEST}


@given(
    st.text(max_size=20),
    st.text(max_size=20),
    st.lists(st.one_of(st.none(), st.integers(0, 10**9)), max_size=4),
    st.floats(0, 1),
)
def test_the_manifest_escapes_whatever_a_graph_is_named(
    name: str, source: str, shape: list[int | None], accuracy: float
) -> None:
    spec = TensorSpec(name, np.dtype(np.int64), tuple(shape))
    variant = Variant("int8", Path("folder/int8.onnx"), "00", Accuracy(accuracy, source))
    bundle = Bundle(name, ModelProfile(name, macs_by_kind={"conv": 3}), (spec,), (spec,), (variant,))
    with TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST).write_text(manifest_text(bundle), encoding="utf-8")
        read = read_manifest(Path(folder))
    variant = replace(variant, path=Path(folder) / "int8.onnx")
    assert Bundle(read.name, read.profile, read.inputs, read.outputs, read.variants) == replace(
        bundle, variants=(variant,)
    )


def test_a_bare_file_is_a_bundle_of_one(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    onnx.save(network(), path)
    bundle = Bundle.read(path, {"x": (1, 5, 8)})
    assert [(each.precision, each.path) for each in bundle.variants] == [("fp32", path)]
    assert bundle.name == "tiny"
    assert bundle.inputs == (TensorSpec("x", np.dtype(np.float32), (None, None, 8)),)
    assert (bundle.profile.fully_connected, bundle.profile.macs) == (1, 5 * 8 * 4)


def test_a_bare_file_with_open_shapes_has_sizes_but_no_counts(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "tiny.onnx")
    profile = Bundle.read(tmp_path / "tiny.onnx").profile
    assert (profile.macs, profile.input_bytes, profile.output_bytes) == (0, 32, 16)


def test_a_shape_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "tiny.onnx")
    with pytest.raises(FeedError, match="x"):
        Bundle.read(tmp_path / "tiny.onnx", {"x": (1, 5, 9)})


def test_the_precision_of_a_bare_file_is_read_from_it(tmp_path: Path) -> None:
    half, int8 = tmp_path / "half.onnx", tmp_path / "int8.onnx"
    onnx.save(convert_float_to_float16(network(), keep_io_types=True), half)
    quantised = network([helper.make_node("DequantizeLinear", ["q", "s"], ["unused"])])
    quantised.graph.initializer.extend(
        [numpy_helper.from_array(np.ones(3, np.int8), "q"), numpy_helper.from_array(np.float32(2), "s")]
    )
    onnx.save(quantised, int8)
    assert [Bundle.read(path).variants[0].precision for path in (half, int8)] == ["fp16", "int8"]


@pytest.mark.parametrize("name", ["absent", "absent.onnx", "model.txt", "absent/model.toml"])
def test_what_is_no_model_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=name):
        Bundle.read(tmp_path / name)


def test_a_damaged_file_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    written = bundle.write(tmp_path / "tiny")
    path = written.variants[1].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"fp16\.onnx' is damaged"):
        Bundle.read(tmp_path / "tiny")
    path.unlink()
    with pytest.raises(ModelError, match=r"fp16\.onnx' does not exist"):
        Bundle.read(tmp_path / "tiny")


def test_a_damaged_sidecar_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "sources" / "big.onnx"
    onnx.save(network(), path, save_as_external_data=True, location="big.onnx.data", size_threshold=0)
    written = replace(bundle, variants=(Variant("fp32", path),)).write(tmp_path / "tiny")
    sidecar = tmp_path / "tiny" / "big.onnx.data"
    assert written.variants[0].files[1] == sidecar
    sidecar.write_bytes(b"x" + sidecar.read_bytes()[1:])
    with pytest.raises(ModelError, match="damaged"):
        Bundle.read(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 2", "schema = 3", "schema is 3; allowed: 1 or 2"),
        ("[size]", "[siz]", "unknown key 'siz' in the file .did you mean 'size'"),
        ("count_layers", "counted_layers", "unknown key 'counted_layers' .*did you mean 'count_layers'"),
        ("value = 1,", "value = -1,", "fully_connected.count_layers: value is -1"),
        (
            "value = 1,",
            "value = true,",
            "fully_connected.count_layers: value is True; allowed: a whole number in layers, 0 or more",
        ),
        ("parameters_values", "#", "'size.parameters_values' is missing"),
        ('"float32"', '"float33"', "dtype is 'float33'"),
        ('["?", "?", 8]', '["?", "x", 8]', "shape is"),
        ('"fp16.onnx"', '"../fp16.onnx"', "file is '../fp16.onnx'"),
        ('precision = "fp16"', 'precision = "fp18"', "did you mean 'fp16'"),
        ('precision = "fp16"', 'precision = "fp32"', "more than one variant of 'fp32 .onnx'"),
        ("accuracy = 1.0", "accuracy = 1.5", "accuracy is 1.5; allowed: a number, 0 to 1"),
        ("accuracy = 1.0", "", "come together"),
        ("[[inputs]]", "[[inputs", "is not TOML"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused(bundle: Bundle, tmp_path: Path, old: str, new: str, message: str) -> None:
    bundle.write(tmp_path / "tiny")
    manifest = tmp_path / "tiny" / MANIFEST
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=message):
        Bundle.read(tmp_path / "tiny")


def test_a_bundle_without_variants_is_none(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="no variant"):
        replace(bundle, variants=())


def test_a_bundle_replaces_a_bundle_whole(bundle: Bundle, tmp_path: Path) -> None:
    bundle.write(tmp_path / "tiny")
    replace(bundle, variants=bundle.variants[:1]).write(tmp_path / "tiny")
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"fp32.onnx", MANIFEST}
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "tiny"}


def test_a_strangers_folder_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    bundle.write(folder)
    (folder / "thesis.tex").write_text("years of work")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ModelError, match=r"thesis\.tex"):
        bundle.write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_failed_write_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    before = bundle.write(tmp_path / "tiny")
    bundle.variants[1].path.unlink()
    for name in ("tiny", "new"):
        with pytest.raises(ModelError, match="does not exist"):
            bundle.write(tmp_path / name)
    assert Bundle.read(tmp_path / "tiny") == before
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "tiny"}


def test_a_folder_that_cannot_be_made_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        bundle.write(tmp_path / "file" / "tiny")
    bundle.write(tmp_path / "new" / "parents" / "tiny")
    assert Bundle.read(tmp_path / "new" / "parents" / "tiny").name == "tiny"
