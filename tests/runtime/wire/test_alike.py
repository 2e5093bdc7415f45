"""Messages that differ in their raw contents alone are known again, and no other ones are."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import FeedError
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.wire.alike import Alike
from autoscale_runtime.wire.head import Bytes, Span, raw_spans, without

_RAW = st.lists(st.binary(max_size=6), max_size=3)


def told(message: Bytes, raw: Sequence[Span]) -> bytes:
    return without(message, raw)


def message(name: str, query_id: str, raw: list[bytes]) -> bytes:
    return pb.ModelInferRequest(model_name=name, id=query_id, raw_input_contents=raw).SerializeToString()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", "1", "2"]), _RAW), min_size=1, max_size=30))
def test_what_is_known_is_what_is_read(asked: list[tuple[str, str, list[bytes]]]) -> None:
    alike = Alike(lambda sent, raw: pb.ModelInferRequest.FromString(without(sent, raw)))
    for name, query_id, raw in asked:
        sent = message(name, query_id, raw)
        for form in (sent, memoryview(sent)):
            known = alike.of(form)
            assert (known.value.model_name, known.value.id) == (name, query_id)
            assert [sent[begin:end] for _, begin, end in known.raw] == raw


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=40))
def test_any_bytes_are_judged_as_if_they_were_the_first(messages: list[bytes]) -> None:
    alike = Alike(told)
    for each in messages:
        try:
            spans = raw_spans(each)
            rest: bytes | None = without(each, spans)
        except FeedError:
            spans, rest = (), None
        for _ in range(2):
            try:
                known = alike.of(each)
            except FeedError:
                assert rest is None
            else:
                assert (known.value, known.raw) == (rest, spans)


def test_one_kind_is_read_once() -> None:
    read: list[bytes] = []
    alike = Alike(lambda sent, raw: read.append(without(sent, raw)))
    for contents in (b"1234", b"5678", b"abcd"):
        alike.of(message("net", "", [contents]))
    assert read == [b"\n\x03net"]


def test_what_is_kept_is_bounded() -> None:
    alike = Alike(told)
    for number in range(3000):
        alike.of(message("n" * (1 + number % 300), str(number), [b"1234"]))
    assert sum(map(len, alike._known.values())) <= 64 * 4
