"""Requests that differ in their contents alone are read once, and are held to the same rules each time."""

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale.query.target import Target
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array, TensorSpec
from autoscale_runtime.server.execution.decoding import decoded
from autoscale_runtime.server.execution.encoding import encoded
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.wire.tensors import datatype_of, request_bytes, tensors_of

SPECS = (TensorSpec("x", np.dtype("f4"), (None, 2)), TensorSpec("words", np.dtype(object), (None,)))


def model(*specs: TensorSpec) -> ServedModel:
    return ServedModel(
        "net", 1, specs, (TensorSpec("y", np.dtype("f4"), (None, 2)),), Target.parse("device:cpu/fp32"), ""
    )


def asked(*, query_id: str = "", **arrays: Array) -> bytes:
    tensor = pb.ModelInferRequest.InferInputTensor
    inputs = [tensor(name=name, datatype=datatype_of(each.dtype), shape=each.shape) for name, each in arrays.items()]
    return request_bytes(pb.ModelInferRequest(model_name="net", id=query_id, inputs=inputs), arrays.values())


def test_each_request_has_its_own_contents_and_id() -> None:
    served = model(*SPECS)
    for number in range(6):
        x = np.full((1 + number % 2, 2), number, "f4")
        words = np.array([f"word {number}" * number], object)
        query = decoded(served, asked(query_id=str(number % 3), x=x, words=words))
        assert query.id == str(number % 3)
        np.testing.assert_array_equal(query.feeds["x"], x)
        assert query.feeds["words"].tolist() == words.tolist()


def test_contents_that_do_not_fill_a_known_shape_are_refused() -> None:
    served, good = model(SPECS[0]), asked(x=np.ones((1, 2), "f4"))
    decoded(served, good)
    for wrong in (good[:-10] + b"\x3a\x04" + bytes(4), good + b"\x3a\x08" + bytes(8), good[:-10]):
        with pytest.raises(FeedError):
            decoded(served, wrong)
    assert decoded(served, good).feeds["x"].tolist() == [[1.0, 1.0]]


def test_a_boolean_that_is_neither_is_refused_in_a_known_request_too() -> None:
    served = model(TensorSpec("x", np.dtype(bool), (3,)))
    message = asked(x=np.array([True, False, True]))
    assert [*decoded(served, message).feeds["x"]] == [True, False, True]
    with pytest.raises(FeedError, match="a byte of 2; allowed: 0 and 1"):
        decoded(served, message[:-1] + b"\2")
    assert [*decoded(served, message[:-1] + b"\0").feeds["x"]] == [True, False, False]


def test_a_known_request_is_judged_by_the_model_that_it_is_for() -> None:
    good = asked(x=np.ones((1, 2), "f4"))
    decoded(model(SPECS[0]), good)
    with pytest.raises(FeedError, match="'x'"):
        decoded(model(TensorSpec("x", np.dtype("i8"), (None, 2))), good)


@pytest.mark.parametrize("query_id", ["", "a", "long" * 200])
def test_answers_tell_their_own_id_and_shape(query_id: str) -> None:
    served = model(SPECS[0])
    for rows in (1, 2, 1):
        query = decoded(served, asked(query_id=query_id, x=np.ones((rows, 2), "f4")))
        y = np.full((rows, 2), rows, "f4")
        answer = pb.ModelInferResponse.FromString(b"".join(encoded(served, query, {"y": y})))
        assert answer.id == query_id
        np.testing.assert_array_equal(tensors_of(answer.outputs, answer.raw_output_contents)["y"], y)
