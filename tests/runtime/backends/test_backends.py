"""Every registered backend against the conformance suite, on the same network: y = relu(hidden = x W + b)."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as tflite
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import FeedError, InvalidTarget, MissingExtra, TargetError, UnknownName, UnsupportedModel
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends import litert
from autoscale_runtime.backends.base import BACKENDS, Answer, Runner
from autoscale_runtime.backends.checks import check_backend, check_keeps_to_itself
from autoscale_runtime.backends.cpu import cpu_targets, cpu_threads, usable_cores
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from tests.runtime.session_parts import QUIET

W, B, X = (
    np.random.default_rng((7, *shape)).normal(size=shape).astype(np.float32) for shape in ((48, 32), (32,), (3, 48))
)
EXPECTED = {"hidden": X @ W + B, "y": np.maximum(X @ W + B, 0)}


def write_onnx(path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["y"]),
        ],
        "tiny",
        [value("x", TensorProto.FLOAT, ["batch", 48])],
        [value("hidden", TensorProto.FLOAT, ["batch", 32]), value("y", TensorProto.FLOAT, ["batch", 32])],
        [numpy_helper.from_array(W, "w"), numpy_helper.from_array(B, "b")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))


def _quantization(scale: float, zero_point: int = 0) -> Any:
    parameters = tflite.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint = [scale], [zero_point]
    return parameters


def _tensor(name: str, shape: list[int], dtype: int, buffer: int = 0, quantization: Any = None) -> Any:
    tensor = tflite.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, buffer
    tensor.quantization = quantization
    if buffer == 0:
        tensor.shapeSignature = [-1, *shape[1:]]
    return tensor


def _operator(code: int, inputs: list[int], outputs: list[int]) -> Any:
    operator = tflite.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    if code == 0:
        operator.builtinOptionsType = tflite.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = tflite.FullyConnectedOptionsT()
    return operator


def _code(builtin: int) -> Any:
    code = tflite.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 4 if builtin == tflite.BuiltinOperator.FULLY_CONNECTED else 2
    return code


def _buffer(array: np.ndarray | None) -> Any:
    buffer = tflite.BufferT()
    buffer.data = None if array is None else np.frombuffer(array.tobytes(), np.uint8)
    return buffer


def as_ort(onnx_file: Path, path: Path) -> None:
    """An ONNX file in ONNX Runtime's own format."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])


def write_ort(path: Path) -> None:
    write_onnx(path.with_suffix(".onnx"))
    as_ort(path.with_suffix(".onnx"), path)


def write_tflite(path: Path, int8: bool = False) -> None:
    kind = tflite.TensorType.INT8 if int8 else tflite.TensorType.FLOAT32
    of_x, of_w, of_y = (X_SCALE, W_SCALE, Y_SCALE) if int8 else (0.0, 0.0, 0.0)
    weights = np.rint(W.T / W_SCALE).astype(np.int8) if int8 else np.ascontiguousarray(W.T)
    bias = np.rint(B / (X_SCALE * W_SCALE)).astype(np.int32) if int8 else B
    graph = tflite.SubGraphT()
    graph.tensors = [
        _tensor("serving_default_x:0", [1, 48], kind, 0, _quantization(of_x, 3) if int8 else None),
        _tensor("w", [32, 48], kind, 1, _quantization(of_w) if int8 else None),
        _tensor("b", [32], tflite.TensorType.INT32 if int8 else kind, 2, _quantization(of_x * of_w) if int8 else None),
        _tensor("hidden", [1, 32], kind, 0, _quantization(of_y, -5) if int8 else None),
        _tensor("y", [1, 32], kind, 0, _quantization(of_y, -5) if int8 else None),
    ]  # fmt: skip
    graph.inputs, graph.outputs = [0], [3, 4]
    graph.operators = [_operator(0, [0, 1, 2], [3]), _operator(1, [3], [4])]
    model = tflite.ModelT()
    model.version, model.subgraphs = 3, [graph]
    model.operatorCodes = [
        _code(tflite.BuiltinOperator.FULLY_CONNECTED),
        _code(tflite.BuiltinOperator.RELU),
    ]
    model.buffers = [_buffer(None), _buffer(weights), _buffer(bias)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


X_SCALE = float(np.abs(X).max() / 120)
W_SCALE = float(np.abs(W).max() / 127)
Y_SCALE = float(np.abs(EXPECTED["hidden"]).max() / 120)
WRITERS = {".onnx": write_onnx, ".ort": write_ort, ".tflite": write_tflite}


def _path(folder: Path, suffix: str) -> Path:
    path = folder / f"tiny{suffix}"
    WRITERS[suffix](path)
    return path


@pytest.mark.parametrize("name", BACKENDS.names())
def test_conforms(name: str, tmp_path: Path) -> None:
    backend = BACKENDS.get(name)()
    assert backend.name == name
    if name in BACKENDS.builtin and not (backend.is_available() and backend.targets("fp32")):
        pytest.skip(f"{name} has nothing to run on here")
    for suffix in backend.suffixes:
        if suffix == ".xml":
            continue  # OpenVINO's own tests write it
        check_backend(backend, _path(tmp_path, suffix), {"x": X}, EXPECTED)


def test_the_suite_notices_wrong_answers(tmp_path: Path) -> None:
    wrong = {**EXPECTED, "y": EXPECTED["y"] + 0.01}
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_backend(BACKENDS.get("onnxruntime")(), _path(tmp_path, ".onnx"), {"x": X}, wrong)


class OneBuffer(Runner):
    """Gives every answer in the same memory, or takes the caller's for its own."""

    def __init__(self, inner: Runner, writes: bool) -> None:
        self.inputs, self.outputs = inner.inputs, inner.outputs
        self._inner, self._writes, self._last = inner, writes, dict[int, Array]()

    def run(
        self, output_names: Sequence[str] | None, feeds: Mapping[str, Array], timeout_s: float | None = None
    ) -> Answer:
        answer = self._inner.run(output_names, feeds)
        if self._writes:
            feeds["x"][:] = 0.0
            return answer
        for place, each in enumerate(answer.outputs):
            self._last.setdefault(place, np.empty_like(each))[:] = each
        return Answer([*self._last.values()])


@pytest.mark.parametrize(("writes", "what"), [(True, "the caller's arrays"), (False, "where the last one does")])
def test_the_suite_notices_memory_that_is_not_the_engines(writes: bool, what: str, tmp_path: Path) -> None:
    backend = BACKENDS.get("onnxruntime")()
    runner = backend.load(_path(tmp_path, ".onnx"), backend.targets("fp32")[0])
    check_keeps_to_itself(runner, {"x": X})
    with pytest.raises(AssertionError, match=what):
        check_keeps_to_itself(OneBuffer(runner, writes), {"x": X})


def test_unknown_backend_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'onnxruntime'"):
        BACKENDS.get("onnx-runtime")


@pytest.mark.parametrize("suffix", WRITERS)
def test_open_dimensions_may_change_from_query_to_query(suffix: str, tmp_path: Path) -> None:
    backend = BACKENDS.get("litert" if suffix == ".tflite" else "onnxruntime")()
    runner = backend.load(_path(tmp_path, suffix), backend.targets("fp32")[0])
    assert runner.inputs[0].shape == (None, 48)
    for batch in (1, 3, 2, 1):
        np.testing.assert_allclose(
            runner.run(["y"], {"x": X[:batch]}).outputs[0], EXPECTED["y"][:batch], rtol=1e-4, atol=1e-4
        )


def test_litert_takes_and_gives_what_the_file_quantises_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tiny-int8.tflite"
    write_tflite(path, int8=True)
    backend = BACKENDS.get("litert")()
    runner = backend.load(path, backend.targets("int8")[0])
    assert {spec.dtype for spec in (*runner.inputs, *runner.outputs)} == {np.dtype(np.int8)}
    steps = (np.rint(X / X_SCALE) + 3).astype(np.int8)
    y = (runner.run(["y"], {"x": steps}).outputs[0].astype(np.float32) + 5) * Y_SCALE
    assert np.abs(y - EXPECTED["y"]).max() < 3 * Y_SCALE
    with pytest.raises(FeedError, match=r"input 'x' is float32.* allowed: 'x': int8"):
        runner.run(None, {"x": X})


def test_beside_a_float_variant_litert_scales_what_the_file_quantises(tmp_path: Path) -> None:
    """Each variant of a bundle takes what the network takes."""
    for precision in ("fp32", "int8"):
        write_tflite(tmp_path / f"{precision}.tflite", int8=precision == "int8")
    bare = Bundle.read(tmp_path / "fp32.tflite")
    variants = tuple(Variant(each, tmp_path / f"{each}.tflite") for each in ("fp32", "int8"))
    bundle = Bundle("net", bare.profile, bare.inputs, bare.outputs, variants)
    with Session(bundle, options=replace(QUIET, target="device:cpu/int8@1t")) as session:
        y = session.run(["y"], {"x": X})[0]
        assert np.abs(y - EXPECTED["y"]).max() < 3 * Y_SCALE
        assert np.abs(session.run(["hidden"], {"x": X * 1e6})[0]).max() <= 133 * Y_SCALE


def test_a_bare_litert_file_is_a_bundle(tmp_path: Path) -> None:
    for precision in ("fp32", "int8"):
        write_tflite(tmp_path / f"{precision}.tflite", int8=precision == "int8")
        bundle = Bundle.read(tmp_path / f"{precision}.tflite")
        assert [each.precision for each in bundle.variants] == [precision]
        assert [each.name for each in (*bundle.inputs, *bundle.outputs)] == ["x", "hidden", "y"]


def test_targets_are_the_cores_at_hand() -> None:
    threads = [target.threads for target in cpu_targets("int8")]
    assert threads[0] == 1
    assert threads[-1] == usable_cores()
    assert threads == sorted(set(threads))


@pytest.mark.parametrize(
    "text", ["device:gpu/fp32", "cloud:cpu/fp32", "device:cpu/fp32@1766MHz", "device:cpu/fp32@4096t"]
)
def test_a_target_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InvalidTarget, match="device:cpu/fp32@1t"):
        cpu_threads(Target.parse(text))


def test_a_target_without_setting_takes_all_cores() -> None:
    assert cpu_threads(Target.parse("device:cpu/fp32")) == usable_cores()


def _one_node(
    path: Path, node: onnx.NodeProto, output: onnx.ValueInfoProto, opset: int = 17, domain: str = "ai.onnx.ml"
) -> Path:
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph([node], "one", [x], [output])
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    return path


def test_what_onnx_runtime_lacks_is_unsupported(tmp_path: Path) -> None:
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [2, 2])
    backend = BACKENDS.get("onnxruntime")()
    for message, path in {
        "NoSuchOperator": _one_node(tmp_path / "operator.onnx", helper.make_node("NoSuchOperator", ["x"], ["y"]), y),
        "com.acme:Own.*register_custom_ops_library": _one_node(
            tmp_path / "own.onnx", helper.make_node("Own", ["x"], ["y"], domain="com.acme"), y, domain="com.acme"
        ),
        "opset": _one_node(tmp_path / "opset.onnx", helper.make_node("Relu", ["x"], ["y"]), y, opset=9999),
        r"seq\(tensor": _one_node(
            tmp_path / "sequence.onnx", helper.make_node("SequenceConstruct", ["x"], ["y"]), sequence
        ),
    }.items():
        with pytest.raises(UnsupportedModel, match=message):
            backend.load(path, backend.targets("fp32")[0])


def test_inputs_that_contradict_each_other_are_a_feed_error(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        "add",
        [value(name, TensorProto.FLOAT, ["n", 2]) for name in "ab"],
        [value("y", TensorProto.FLOAT, ["n", 2])],
    )
    path = tmp_path / "add.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    backend = BACKENDS.get("onnxruntime")()
    runner = backend.load(path, backend.targets("fp32")[0])
    with pytest.raises((FeedError, TargetError), match="ONNX Runtime: "):
        runner.run(None, {"a": np.zeros((2, 2), np.float32), "b": np.zeros((3, 2), np.float32)})


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, package, None)
    assert not litert.LiteRT.is_available()
    with pytest.raises(MissingExtra, match=r"pip install 'autoscale-inference\[litert\]'"):
        litert.LiteRT().load(_path(tmp_path, ".tflite"), Target.parse("device:cpu/fp32@1t"))
