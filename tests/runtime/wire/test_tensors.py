from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autoscale.errors import FeedError
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array, TensorSpec
from autoscale_runtime.wire.tensors import (
    BF16,
    BYTES,
    DATATYPES,
    datatype_of,
    dtype_of,
    metadata_of,
    raw_of,
    request_bytes,
    spec_of,
    tensors_of,
)

Input = pb.ModelInferRequest.InferInputTensor
NUMERIC = [dtype_of(name) for name in DATATYPES if name not in (BYTES, BF16)]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
NUMBERS = st.sampled_from(NUMERIC).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))
STRINGS = hnp.arrays(object, SHAPES, elements=st.text(max_size=9).filter(lambda text: text.isprintable()))


def tensor(array: Array, **changes: Any) -> Input:
    return Input(**{"name": "x", "datatype": datatype_of(array.dtype), "shape": array.shape, **changes})


def there_and_back(array: Array) -> Array:
    request = pb.ModelInferRequest(inputs=[tensor(array)], model_name="m")
    read = pb.ModelInferRequest.FromString(request_bytes(request, [array]))
    return tensors_of(read.inputs, read.raw_input_contents)["x"]


@given(NUMBERS | STRINGS)
def test_raw_contents_keep_every_array(array: Array) -> None:
    back = there_and_back(array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes() if not array.dtype.hasobject else (back == array).all()


@given(NUMBERS.filter(lambda each: each.dtype != np.float16) | STRINGS)
def test_typed_contents_keep_every_array(array: Array) -> None:
    field = DATATYPES[datatype_of(array.dtype)][1]
    values = [each.encode() for each in array.ravel()] if array.dtype.hasobject else array.ravel().tolist()
    assert field is not None
    contents = pb.InferTensorContents(**{field: values})
    back = tensors_of([tensor(array, contents=contents)], [])["x"]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


@given(st.lists(st.binary(max_size=40), max_size=4), st.lists(st.integers(-2, 2**62), max_size=70))
def test_any_bytes_are_an_array_or_a_feed_error(raw: list[bytes], shape: list[int]) -> None:
    for datatype in DATATYPES:
        inputs = [Input(name=str(index), datatype=datatype, shape=shape) for index in range(len(raw))]
        try:
            arrays = tensors_of(inputs, raw)
        except FeedError:
            continue
        assert [each.shape for each in arrays.values()] == [tuple(shape)] * len(raw)


@pytest.mark.parametrize("count", [0, 1, 127, 128, 16383, 16384, 300_000])
def test_appended_contents_are_those_of_the_message(count: int) -> None:
    arrays = [np.arange(count, dtype=np.uint8), np.array(["é"] * (count % 7), object)]
    head = pb.ModelInferRequest(model_name="m", id="7")
    whole = pb.ModelInferRequest(model_name="m", id="7", raw_input_contents=[raw_of(each) for each in arrays])
    assert pb.ModelInferRequest.FromString(request_bytes(head, arrays)) == whole


def test_an_array_in_another_order_travels_row_by_row() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    assert raw_of(array) == np.array([0, 3, 1, 4, 2, 5], "<i4").tobytes()
    assert datatype_of(array.dtype) == "INT32"


def test_strings_that_are_no_text_come_as_bytes_all_of_them() -> None:
    back = there_and_back(np.array([b"\xff\0", b"a", b""], object))
    assert back.tolist() == [b"\xff\0", b"a", b""]
    assert there_and_back(np.array([b"a", b""], object)).tolist() == ["a", ""]


def test_bytes_are_accepted_as_strings() -> None:
    assert raw_of(np.array([b"ab", "ü"], object)) == b"\2\0\0\0ab\2\0\0\0\xc3\xbc"


X = np.zeros((2, 3), np.float32)
TYPED = pb.InferTensorContents(fp32_contents=[0] * 6)


@pytest.mark.parametrize(
    ("inputs", "raw", "message"),
    [
        ([tensor(X)], [bytes(23)], "23 raw bytes; allowed: a multiple of 4"),
        ([tensor(X)], [bytes(20)], "has 5 elements of FP32; its shape .2, 3. takes 6"),
        ([tensor(X)], [], "has 0 elements"),
        ([tensor(X, shape=[-2, -3])], [bytes(24)], "shape .-2, -3.; allowed: sizes of 0 or more"),
        ([tensor(X, contents=TYPED)], [bytes(24)], "both raw and typed contents"),
        ([tensor(X, datatype="FP23")], [bytes(24)], "'FP23'.*did you mean 'FP32'"),
        ([tensor(X), tensor(X)], [bytes(24)] * 2, "'x' is there twice"),
        ([tensor(X)], [bytes(24)] * 2, "2 raw contents for 1 tensors"),
        ([tensor(X, datatype="FP16", contents=TYPED)], [], "FP16 in typed contents; allowed: raw"),
        ([tensor(X, datatype="INT64", contents=TYPED)], [], "'fp32_contents'; allowed: 'int64_contents'"),
        ([tensor(X, shape=[1] * 65 + [6])], [bytes(24)], "maximum supported dimension"),
        ([tensor(X, datatype="BYTES", shape=[1])], [b"\5\0\0\0abcd"], "element at byte 0 ends after them"),
        ([tensor(X, datatype="BYTES", shape=[1])], [b"\5\0"], "element at byte 0 ends after them"),
        (
            [tensor(X, datatype="INT8", shape=[1], contents=pb.InferTensorContents(int_contents=[300]))],
            [],
            "outside INT8",
        ),
    ],
)
def test_malformed_tensors_are_feed_errors(inputs: list[Input], raw: list[bytes], message: str) -> None:
    with pytest.raises(FeedError, match=message):
        tensors_of(inputs, raw)


def test_a_dtype_the_protocol_lacks_is_a_feed_error() -> None:
    with pytest.raises(FeedError, match="complex64"):
        datatype_of(np.dtype(np.complex64))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_specs_travel(datatype: str) -> None:
    spec = TensorSpec("x", dtype_of(datatype), (None, 3, 224))
    assert list(metadata_of(spec).shape) == [-1, 3, 224]
    assert spec_of(metadata_of(spec)) == spec
