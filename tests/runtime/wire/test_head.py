"""A request is looked at without being decoded: whatever the bytes, an answer or a FeedError, and soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon import YearlyAverages
from autoscale.errors import FeedError
from autoscale.query.outcome import CarbonEnds, Method
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.wire.cost import ServerCost
from autoscale_runtime.wire.head import MOST_FIELDS, infer_head, raw_spans, without
from autoscale_runtime.wire.parameters import cost_bytes, parameters_of


@given(st.text(), st.text(), st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 3))
def test_it_sees_what_protobuf_sees(model: str, version: str, raw: list[bytes], parameters: int) -> None:
    request = pb.ModelInferRequest(model_name=model, model_version=version, id="7", raw_input_contents=raw)
    for number in range(parameters):
        request.parameters[str(number)].int64_param = number
    message = request.SerializeToString()
    head = infer_head(message)
    assert (head.model, head.version, len(head.parameters)) == (model, version, parameters)
    found = raw_spans(message)
    assert [message[begin:end] for _, begin, end in found] == raw
    request.ClearField("raw_input_contents")
    assert pb.ModelInferRequest.FromString(without(message, found)) == request


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    for read in (infer_head, raw_spans):
        try:
            read(message)
        except FeedError as error:
            assert len(str(error)) < 300


def test_millions_of_empty_fields_are_refused_early() -> None:
    with pytest.raises(FeedError, match=f"more than {MOST_FIELDS} fields"):
        infer_head(b"\x3a\x00" * 10_000_000)


@given(
    st.floats(0.0, 1e300),
    st.floats(0.0, 1e300),
    st.integers(0, 2**50),
    st.integers(0, 2**50),
    st.text(max_size=300),
)
def test_a_cost_written_by_hand_is_what_protobuf_reads(
    energy_j: float, low_g: float, queue_us: int, compute_us: int, region: str
) -> None:
    intensity = YearlyAverages().at("FR", 0.0)
    cost = ServerCost(energy_j, 1.0, 2.0, CarbonEnds(0.0, low_g, 2.0, 3.0), Method.MODELLED, intensity, region, 1.1)
    read = pb.ModelInferResponse.FromString(cost_bytes(cost, queue_us, compute_us))
    assert dict(read.parameters) == parameters_of(cost, queue_us, compute_us)
