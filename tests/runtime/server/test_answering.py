"""What becomes of a query whose model does what no model should."""

from collections.abc import Sequence

import grpc
import numpy as np
import pytest

from autoscale.query.target import Target
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.tensors import Feeds
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
