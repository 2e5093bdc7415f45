"""What becomes of a query whose model does what no model should."""

from collections.abc import Sequence

import grpc
import numpy as np
import pytest
from tritonclient.utils import deserialize_bytes_tensor

from autoscale.query.target import Target
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.server.execution.answering import Rules, answered
from autoscale_runtime.server.execution.served_model import LoadedModel, ServedModel
from tests.runtime.serving_parts import Echo


class Raising(Echo):
    """Raises what it was given."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        raise self._error


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("most_rows", [1, 8])
def test_whatever_a_model_raises_is_an_answer(error: BaseException, most_rows: int) -> None:
    runner = Raising(error)
    served = ServedModel("bad", 1, runner.inputs, runner.outputs, Target("device", "cpu", "fp32", threads=1), "test")
    request = pb.ModelInferRequest(model_name="bad", raw_input_contents=[np.ones((1, 4), np.float32).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    answers = answered(LoadedModel(served, runner), 2 * [request.SerializeToString()], Rules(most_rows))
    assert [each.code for each in answers] == 2 * [grpc.StatusCode.INTERNAL]
    assert repr(error).encode() in answers[0].parts[0]


class Whole(Echo):
    """y = x, of whole numbers."""

    inputs = (TensorSpec("x", np.dtype(np.int64), (None, 4)),)
    outputs = (TensorSpec("y", np.dtype(np.int64), (None, 4)),)


def test_the_best_of_whole_numbers_are_told_to_the_last_digit() -> None:
    runner = Whole()
    served = ServedModel("ids", 1, runner.inputs, runner.outputs, Target("device", "cpu", "fp32", threads=1), "test")
    given = np.array([[2**60, -5, 2**60 + 1, 2**60]], np.int64)  # a float holds 53 bits
    request = pb.ModelInferRequest(model_name="ids", raw_input_contents=[given.tobytes()])
    request.inputs.add(name="x", datatype="INT64", shape=given.shape)
    request.outputs.add(name="y").parameters["classification"].int64_param = 4
    [answer] = answered(LoadedModel(served, runner), [request.SerializeToString()], Rules())
    [raw] = pb.ModelInferResponse.FromString(b"".join(answer.parts)).raw_output_contents
    words = [bytes(each) for each in deserialize_bytes_tensor(raw)]
    assert words == [f"{2**60 + 1}:2".encode(), f"{2**60}:0".encode(), f"{2**60}:3".encode(), b"-5:1"]
