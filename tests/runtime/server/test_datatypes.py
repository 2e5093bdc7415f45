"""bfloat16, half precision and strings of any bytes there and back, against tritonclient's own encoders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient.utils import (
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from autoscale_runtime._proto import model_config_pb2 as mc
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.server import Server, serve
from autoscale_runtime.server.workers.isolated import IS_POSSIBLE
from autoscale_runtime.wire.client import OffloadClient
from tests.waiting import LONGEST_WAIT_S

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
JPEG, OTHER = b"\xff\xd8\xff\x00\x10", b"\x89PNG\r"
NUMBERS = np.array([1.0, -2.5, 1.5e38, np.inf, 2.0**-130, 0.0], np.float32).reshape(2, 3)


def saved(folder: Path, nodes: list[onnx.NodeProto], takes: int, gives: int) -> None:
    inputs = [helper.make_tensor_value_info("x", takes, ["n", "m"])]
    outputs = [helper.make_tensor_value_info("y", gives, ["n", "m"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(
        helper.make_graph(nodes, folder.name, inputs, outputs), opset_imports=opsets, ir_version=9
    )
    (folder / "1").mkdir(parents=True)
    onnx.save(model, str(folder / "1" / "model.onnx"))


@pytest.fixture(scope="module", params=[False, *([True] if IS_POSSIBLE else [])])
def served(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """In this process, and in processes of their own."""
    folder = tmp_path_factory.mktemp("datatypes")
    doubled = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["f", "f"], ["d"]),
        helper.make_node("Cast", ["d"], ["y"], to=TensorProto.BFLOAT16),
    ]
    saved(folder / "bf16", doubled, TensorProto.BFLOAT16, TensorProto.BFLOAT16)
    saved(folder / "fp16", [helper.make_node("Identity", ["x"], ["y"])], TensorProto.FLOAT16, TensorProto.FLOAT16)
    saved(folder / "text", [helper.make_node("Identity", ["x"], ["y"])], TensorProto.STRING, TensorProto.STRING)
    found = helper.make_node(
        "LabelEncoder",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        keys_strings=[JPEG, OTHER, "ü"],
        values_int64s=[1, 2, 3],
        default_int64=0,
    )
    saved(folder / "which", [found], TensorProto.STRING, TensorProto.INT64)
    with serve(folder, isolate=request.param) as server:
        yield server


def asked(server: Server, model: str, datatype: str, shape: tuple[int, ...], raw: bytes) -> bytes:
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[raw])
    request.inputs.add(name="x", datatype=datatype, shape=shape)
    with grpc.insecure_channel(server.address) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=LONGEST_WAIT_S)
    assert (answer.outputs[0].name, tuple(answer.outputs[0].shape)) == ("y", shape)
    return answer.raw_output_contents[0]


def strings(*values: Any) -> bytes:
    return bytes(serialize_byte_tensor(np.array(values, object)).item())


def test_bfloat16_there_and_back(served: Server) -> None:
    sent = NUMBERS.astype(BFLOAT16)
    assert (np_to_triton_dtype(sent.dtype), np.dtype(triton_to_np_dtype("BF16"))) == ("BF16", BFLOAT16)
    assert asked(served, "bf16", "BF16", sent.shape, sent.tobytes()) == (sent + sent).tobytes()
    with grpc.insecure_channel(served.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        told = stub.ModelMetadata(pb.ModelMetadataRequest(name="bf16"), timeout=LONGEST_WAIT_S)
        config = stub.ModelConfig(pb.ModelConfigRequest(name="bf16"), timeout=LONGEST_WAIT_S).config
    assert (told.inputs[0].datatype, mc.DataType.Name(config.output[0].data_type)) == ("BF16", "TYPE_BF16")
    client = OffloadClient(served.address)
    [spec], _ = client.describe("bf16", timeout_s=LONGEST_WAIT_S)
    assert spec.dtype == BFLOAT16
    for array in (sent, np.zeros((0, 3), BFLOAT16), sent.T):
        y = client.infer("bf16", {"x": array}, None, "", LONGEST_WAIT_S).outputs["y"]
        assert y.dtype == BFLOAT16
        np.testing.assert_array_equal(y, array + array)
    client.close()


def test_half_precision_there_and_back(served: Server) -> None:
    halves = np.array([[1.0, -2.5, np.inf, 6e-8]], np.float16)
    assert asked(served, "fp16", "FP16", (1, 4), halves.tobytes()) == halves.tobytes()


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([JPEG], [1]),
        ([OTHER], [2]),
        ([JPEG, JPEG[:4] + b"\x11"], [1, 0]),
        ([OTHER, b"\xff", "ü".encode(), b"a", b""], [2, 0, 3, 0, 0]),
        (["ü".encode(), b"a\0b"], [3, 0]),
    ],
)
def test_a_model_sees_strings_of_any_bytes(served: Server, values: list[bytes], labels: list[int]) -> None:
    came = asked(served, "which", "BYTES", (1, len(values)), strings(*values))
    assert np.frombuffer(came, "<i8").tolist() == labels


def test_text_comes_back_as_tritonclient_reads_it(served: Server) -> None:
    texts = ["ü".encode(), b"", b"a\0b"]
    assert deserialize_bytes_tensor(asked(served, "text", "BYTES", (1, 3), strings(*texts))).tolist() == texts


@pytest.mark.parametrize(
    ("model", "values", "code", "why"),
    [
        ("which", [JPEG, b"a"], "INVALID_ARGUMENT", "several lengths"),
        ("text", [b"\xff"], "INTERNAL", "an output has a string that is not UTF-8"),
    ],
)
def test_what_the_engine_cannot_is_told(served: Server, model: str, values: list[bytes], code: str, why: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        asked(served, model, "BYTES", (1, len(values)), strings(*values))
    assert refused.value.code().name == code
    assert why in refused.value.details()
