"""A first dimension that is said to be the batch, and is or is not."""

from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from autoscale.errors import AutoScaleError
from autoscale.profiles import load_device
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.configuration import Configuration
from autoscale_runtime.server.execution import rows_apart
from autoscale_runtime.server.execution.answering import Rules, answered
from autoscale_runtime.server.execution.source import ModelSource
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server
from tests.waiting import LONGEST_WAIT_S

ROWS = 8
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

OF_EACH = {
    "scaled": ("Mul", ["x", "two"], {}),
    "softmax of a row": ("Softmax", ["x"], {"axis": 1}),
}
ACROSS = {
    "running sum along a sequence": ("CumSum", ["x", "first"], {}),
    "softmax over all rows": ("Softmax", ["x"], {"axis": 0}),
    "mean of all rows": ("ReduceMean", ["x"], {"axes": [0], "keepdims": 1}),
    "no more than one row": ("Reshape", ["x", "one row"], {}),
}


def written(folder: Path, kind: str, inputs: list[str], attributes: dict[str, object], width: int | str = 4) -> Path:
    """A network of one operator over rows."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, ["n", width]) for name in "xy")
    constants = [
        helper.make_tensor("two", FLOAT, [], [2.0]),
        helper.make_tensor("first", INT64, [], [0]),
        helper.make_tensor("one row", INT64, [2], [1, -1]),
    ]
    graph = helper.make_graph([helper.make_node(kind, inputs, ["y"], **attributes)], "g", [x], [y], constants)
    (folder / "net" / "1").mkdir(parents=True)
    path = folder / "net" / "1" / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def asked(row: np.ndarray) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="net", raw_input_contents=[row.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=row.shape)
    return request


@pytest.mark.parametrize("what", [*OF_EACH, *ACROSS])
@pytest.mark.parametrize("width", [4, "w"], ids=["known width", "open width"])
def test_what_is_joined_is_answered_as_alone(tmp_path: Path, what: str, width: int | str) -> None:
    path = written(tmp_path, *{**OF_EACH, **ACROSS}[what], width)
    model = ModelSource("net", 1, path, "fp32", 1).load(ROWS)
    assert model.served.is_apart == (what in ACROSS), model.served.remark
    assert ("one by one" in model.served.remark) == (what in ACROSS)
    rows = np.random.default_rng(7).normal(size=(ROWS, 1, 4)).astype(np.float32)
    messages = [asked(row).SerializeToString() for row in rows]
    for message, joined in zip(messages, answered(model, messages, Rules(ROWS)), strict=True):
        [alone] = answered(model, [message], Rules())
        got, right = (pb.ModelInferResponse.FromString(b"".join(each.parts)) for each in (joined, alone))
        np.testing.assert_allclose(*(np.frombuffer(e.raw_output_contents[0], "f4") for e in (got, right)), rtol=1e-4)
        assert joined.rows == (1 if what in ACROSS else ROWS)


def test_a_network_that_minds_a_two_is_tried_with_ones(tmp_path: Path) -> None:
    ids, table = helper.make_tensor_value_info("x", INT64, ["n"]), helper.make_tensor("table", FLOAT, [2, 4], range(8))
    y = helper.make_tensor_value_info("y", FLOAT, ["n", 4])
    graph = helper.make_graph([helper.make_node("Gather", ["table", "x"], ["y"])], "g", [ids], [y], [table])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    served = ModelSource("net", 1, path, "fp32", 1).load(ROWS).served
    assert (served.is_apart, served.remark) == (False, "")


def test_a_network_that_cannot_be_tried_is_served_as_declared_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "MatMul", ["x", "x"], {}, "w")  # a row of w by a row of w: only 1 x 1 has a product
    served = ModelSource("net", 1, path, "fp32", 1).load(ROWS).served
    assert not served.is_apart
    assert served.remark.startswith("whether queries may run together is not known but as declared: ")


def test_a_network_that_is_open_all_over_is_tried_in_little_memory(tmp_path: Path) -> None:
    """Of four open dimensions, of which one must be 3: 32 each are refused, 224 each would take 20 GB."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, ["n", *f"{name}tvw"]) for name in "xy")
    weights = helper.make_tensor("w", FLOAT, [1, 3, 1, 1, 1], [1.0] * 3)
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "g", [x], [y], [weights])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    served = ModelSource("net", 1, path, "fp32", 1).load(ROWS).served
    assert not served.is_apart
    assert served.remark.startswith("whether queries may run together is not known but as declared: ")


def test_a_quantised_file_of_a_repository_may_look_at_all_rows_for_its_scale(tmp_path: Path) -> None:
    """Which is said to be fp32 there, as every file."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, ["n", 64]) for name in "xy")
    quantised = ["q", "scale", "zero"]
    steps = [
        helper.make_node("DynamicQuantizeLinear", ["x"], quantised),
        helper.make_node("DequantizeLinear", quantised, ["y"]),
    ]
    path = tmp_path / "model.onnx"
    graph = helper.make_graph(steps, "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    served = ModelSource("net", 1, path, "fp32", 1).load(ROWS).served
    assert (served.is_apart, served.remark) == (False, "")


def test_a_network_that_takes_longer_than_there_is_patience_is_told_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_apart, "PATIENCE_S", 0.02)
    value = helper.make_tensor_value_info
    steps = [helper.make_node("Identity", [a], [b]) for a, b in (("go", "on"), ("a", "b"))]
    turn = [value("i", INT64, []), value("go", TensorProto.BOOL, []), value("a", FLOAT, None)]
    body = helper.make_graph(steps, "body", turn, [value("on", TensorProto.BOOL, []), value("b", FLOAT, None)])
    turns = helper.make_tensor("turns", INT64, [], [1 << 40])
    x, y = (value(name, FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)], "g", [x], [y], [turns])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    served = ModelSource("net", 1, path, "fp32", 1).load(ROWS).served
    assert (served.is_apart, served.remark) == (False, "whether queries may run together was not known within 0.02 s")


@pytest.mark.parametrize("shape", [[], [1, 4]], ids=["no dimension", "one row"])
def test_a_network_that_takes_no_batch_is_refused_for_that(tmp_path: Path, shape: list[int]) -> None:
    x, y = (helper.make_tensor_value_info(name, FLOAT, shape) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = tmp_path / "net" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    operation = Operation(configuration=Configuration({}, {"net": {"max_batch_size": ROWS}}))
    with (
        pytest.raises(AutoScaleError, match="allowed: of a model whose first dimensions are open"),
        Server(Limits(1), ServerAccount(load_device("laptop")), repository=tmp_path, operation=operation),
    ):
        pass


@pytest.mark.parametrize("isolate", [False, True])
def test_a_model_that_is_no_batch_is_told_and_served_one_by_one(
    tmp_path: Path, isolate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, *ACROSS["running sum along a sequence"])
    operation = Operation(configuration=Configuration({}, {"net": {"max_batch_size": ROWS, "batch_delay_ms": 50}}))
    account = ServerAccount(load_device("laptop"))
    with (
        Server(Limits(1), account, repository=tmp_path, operation=operation, isolate=isolate) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        assert "version 1 of 'net': its queries run one by one, although max_batch_size says otherwise" in caplog.text
        stub = GRPCInferenceServiceStub(channel)
        config = stub.ModelConfig(pb.ModelConfigRequest(name="net"), timeout=LONGEST_WAIT_S).config
        assert not config.HasField("dynamic_batching")
        asks = [stub.ModelInfer.future(asked(np.full((1, 4), each, np.float32))) for each in range(16)]
        got = [np.frombuffer(each.result(LONGEST_WAIT_S).raw_output_contents[0], np.float32) for each in asks]
        assert [each.tolist() for each in got] == [[float(each)] * 4 for each in range(16)]
