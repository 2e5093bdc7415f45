"""What transports owe to whoever serves through them, with handlers of the tests' own behind them."""

import gc
import gzip
import itertools
import math
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.server.event_loop import EventLoop
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Call, Handler, Methods, Refused, Transport
from autoscale_runtime.server.transports.choice import GRPC, transport_of
from autoscale_runtime.server.transports.fast import rests
from autoscale_runtime.server.transports.fast.messages import Reader, framed
from autoscale_runtime.wire.certificates import Certificates
from tests.runtime.certificate_parts import made, needs_openssl
from tests.waiting import LONGEST_WAIT_S, until

ECHO, TURNS, COUNT = ("test.Service/Echo", "test.Service/Turns", "test.Service/Count")
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MIB: Final = 1 << 20
_TWICE: Final = 2 * gzip.compress(b"on")
TWICE: Final = b"\1" + len(_TWICE).to_bytes(4, "big") + _TWICE
LARGE: Final = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


class Echo:
    """Answers each call with its own bytes: ``refuse`` with an error, ``keep`` not before it is told to."""

    def __init__(self) -> None:
        self.kept: list[Call] = []
        self.left: list[bytes] = []

    def request(self, call: Call) -> None:
        if call.message == b"refuse":
            call.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "90 % belegt: später", [("retry-after-ms", "7")])
        elif call.message.startswith(b"keep"):
            call.on_leaving = lambda: self.left.append(call.message)
            self.kept.append(call)
        else:
            call.reply(call.message)


class Stuck:
    """Answers each call with its own bytes; the first one holds the loop until it is let go."""

    def __init__(self) -> None:
        self.seen = 0
        self.go = threading.Event()

    def request(self, call: Call) -> None:
        self.seen += 1
        assert self.go.wait(LONGEST_WAIT_S)
        call.reply(call.message)


async def count(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """How long each message is; an empty one is an error."""
    async for message in requests:
        if not message:
            raise Refused(grpc.StatusCode.OUT_OF_RANGE, "nothing to count")
        yield b"%d" % len(message)


@dataclass
class Listening:
    """A transport that listens, and its loop."""

    transport: Transport
    loop: EventLoop
    address: str
    port: int
    is_stopped: bool = field(default=False)

    def call_soon(self, what: Callable[..., None], *arguments: object) -> None:
        async def do() -> None:
            what(*arguments)

        self.loop.run(do())

    def stop(self) -> None:
        if not self.is_stopped:
            self.is_stopped = True
            self.loop.run(self.transport.stop(0.0))
            self.loop.close()


@contextmanager
def listening(
    handler: Handler, name: str = GRPC, limits: Limits | None = None, certificates: Certificates | None = None
) -> Iterator[Listening]:
    """A transport that answers ``ECHO`` and ``TURNS`` through the handler, and ``COUNT``."""
    loop = EventLoop()
    methods = Methods(frozenset({ECHO}), frozenset({TURNS}), {COUNT: count})

    async def start() -> tuple[Transport, str, int]:
        transport = transport_of(name)(methods, handler, limits or Limits())
        address, port = await transport.listen("127.0.0.1", 0, certificates)
        await transport.start()
        return transport, address, port

    running = Listening(*(lambda made: (made[0], loop, made[1], made[2]))(loop.run(start())))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def echo(transport: str) -> Iterator[tuple[Echo, Listening, grpc.Channel]]:
    handler = Echo()
    limits = Limits(max_message_bytes=8 * MIB, body_s=LONGEST_WAIT_S)
    with listening(handler, transport, limits) as running, grpc.insecure_channel(running.address, LARGE) as channel:
        yield handler, running, channel


def unary(channel: grpc.Channel, method: str = ECHO) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(f"/{method}")


def test_messages_of_any_size_come_back_as_they_were(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    ask = unary(echo[2])
    messages = [random.Random(size).randbytes(size) for size in (0, 1, 16_379, 65_530, 65_536, 602_000, 5 * MIB)]
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda each: ask(each, timeout=LONGEST_WAIT_S), 3 * messages)] == 3 * messages


def test_an_error_arrives_with_its_text_and_trailers(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unary(echo[2])(b"refuse", timeout=LONGEST_WAIT_S)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "90 % belegt: später"
    assert ("retry-after-ms", "7") in [(each.key, each.value) for each in caught.value.trailing_metadata()]


def test_a_method_that_there_is_not_is_told(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unary(echo[2], "test.Service/Ecko")(b"", timeout=LONGEST_WAIT_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests_are_read_and_bombs_refused(
    echo: tuple[Echo, Listening, grpc.Channel], compression: grpc.Compression
) -> None:
    ask = unary(echo[2])
    assert ask(b"a" * 300_000, timeout=LONGEST_WAIT_S, compression=compression) == b"a" * 300_000
    for message, options in ((bytes(40 * MIB), {"compression": compression}), (bytes(9 * MIB), {})):
        with pytest.raises(grpc.RpcError) as caught:
            ask(message, timeout=LONGEST_WAIT_S, **options)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ask(b"on", timeout=LONGEST_WAIT_S) == b"on"


def test_who_has_left_is_told_of(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    handler, _, channel = echo
    late = unary(channel).future(b"keep late", timeout=0.3)
    gone = unary(channel).future(b"keep gone")
    until(lambda: len(handler.kept) == 2)
    gone.cancel()
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: sorted(handler.left) == [b"keep gone", b"keep late"])
    assert unary(channel)(b"on", timeout=LONGEST_WAIT_S) == b"on"


def test_a_deadline_is_known_to_the_handler(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    handler, _, channel = echo
    waiting = [unary(channel).future(b"keep", timeout=timeout) for timeout in (40.0, None)]
    until(lambda: len(handler.kept) == 2)
    left_s = sorted(each.deadline_s - time.monotonic() for each in handler.kept)
    assert 0.0 < left_s[0] <= 40.2  # gRPC's client rounds up to a tenth of a second
    assert left_s[1] == float("inf")
    for each in waiting:
        each.cancel()


def test_requests_of_a_stream_are_answered_in_turn(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    handler, running, channel = echo
    messages = [b"1", b"keep 2", *(b"%d" % number + bytes(100_000) for number in range(3, 12))]
    answers = channel.stream_stream(f"/{TURNS}")(iter(messages), timeout=LONGEST_WAIT_S)
    assert next(answers) == b"1"
    until(lambda: len(handler.kept) == 1)
    running.call_soon(handler.kept[0].reply, b"2")
    assert [*answers] == [b"2", *messages[2:]]


def test_an_exchange_goes_beside_and_may_end_in_an_error(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    answers = echo[2].stream_stream(f"/{COUNT}")(iter([b"ab", b"abc", b"", b"abcd"]), timeout=LONGEST_WAIT_S)
    assert [next(answers), next(answers)] == [b"2", b"3"]
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.OUT_OF_RANGE, "nothing to count")
    assert [*echo[2].stream_stream(f"/{COUNT}")(iter([]), timeout=LONGEST_WAIT_S)] == []


def answers(channel: grpc.Channel) -> bool:
    """It answers again; a call on the way while gRPC's own server was attacked may be lost."""

    def is_answered() -> bool:
        call = unary(channel).future(b"on", timeout=LONGEST_WAIT_S, wait_for_ready=True)
        return call.code() is grpc.StatusCode.OK

    return bool(until(is_answered))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def head(path: str = ECHO, **more: str) -> bytes:
    """A block of headers that needs no table: literals without indexing."""
    named = {":method": "POST", ":scheme": "http", ":path": f"/{path}", ":authority": "x", "te": "trailers"}
    named |= {"content-type": "application/grpc", **{key.replace("_", "-"): value for key, value in more.items()}}
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in named.items()
    )


@contextmanager
def raw(port: int, *frames: bytes) -> Iterator[socket.socket]:
    """A connection of one's own words."""
    with socket.create_connection(("127.0.0.1", port), timeout=LONGEST_WAIT_S) as connection:
        connection.sendall(PREFACE + frame(4, 0, 0, b"") + b"".join(frames))
        yield connection


def ended(connection: socket.socket, count: int) -> int:
    """How many calls have an answer of headers alone, or its trailers, once there are so many."""
    came, ends = b"", 0
    while ends < count and (data := connection.recv(65536)):
        came += data
        while len(came) >= 9 + (size := int.from_bytes(came[:3], "big")):
            ends += came[3] == 1 and came[4] & 1
            came = came[9 + size :]
    return ends


def test_each_call_has_its_own_deadline_whatever_stands_beside_it(transport: str) -> None:
    heads = [{"grpc_timeout": "40S"}, {}, {"a": "b", "grpc_timeout": "50S"}, {"grpc_timeout": "60S"}, {"a": "b"}]
    heads += [{"grpc_timeout": f"{70 + each}S", "a": f"{each % 10}"} for each in range(40)]
    calls = [
        frame(1, 4, 2 * number + 1, head(**more)) + frame(0, 1, 2 * number + 1, b"\0\0\0\0\7keep %02d" % number)
        for number, more in enumerate(heads)
    ]
    handler = Echo()
    with listening(handler, transport) as running, raw(running.port, *calls):
        until(lambda: len(handler.kept) == len(calls))
        deadlines_s = [each.deadline_s for each in sorted(handler.kept, key=lambda each: each.message)]
        assert deadlines_s[1] == deadlines_s[4] == math.inf
        told_s = [each for each in deadlines_s if each < math.inf]
        assert told_s == sorted(told_s)
        assert len(told_s) == len(calls) - 2


def test_a_deadline_that_is_told_twice_spoils_none_that_is_told_once(transport: str) -> None:
    sixty, fifty = (head(grpc_timeout=each)[len(head()) :] for each in ("60S", "50S"))
    blocks = [head() + sixty + fifty, head() + fifty + sixty, head() + sixty, head() + fifty, head()]
    calls = [
        frame(1, 4, 2 * number + 1, block) + frame(0, 1, 2 * number + 1, b"\0\0\0\0\7keep %02d" % number)
        for number, block in enumerate(blocks)
    ]
    handler = Echo()
    with listening(handler, transport) as running, raw(running.port, *calls):
        until(lambda: len(handler.kept) == len(calls))
        due_s = [each.deadline_s for each in sorted(handler.kept, key=lambda each: each.message)]
    assert max(due_s[0], due_s[3]) < min(due_s[1], due_s[2]) < math.inf
    assert due_s[4] == math.inf


def test_half_requests_hold_nobody_up_and_are_ended(transport: str) -> None:
    heads = [frame(1, 4, 2 * number + 1, head()) for number in range(100)]
    limits = Limits(max_unfinished=150, body_s=0.5)
    with listening(Echo(), transport, limits) as running, raw(running.port, *heads) as connection:
        with grpc.insecure_channel(running.address, LARGE) as channel:
            assert unary(channel)(b"on", timeout=LONGEST_WAIT_S) == b"on"
        assert ended(connection, 100) == 100


def test_more_half_requests_than_allowed_are_refused(transport: str) -> None:
    heads = [frame(1, 4, 2 * number + 1, head()) for number in range(20)]
    with (
        listening(Echo(), transport, Limits(max_unfinished=10, body_s=LONGEST_WAIT_S)) as running,
        raw(running.port, *heads) as connection,
    ):
        assert ended(connection, 10) == 10


@pytest.mark.parametrize("seed", range(4))
def test_noise_ends_its_connection_alone(echo: tuple[Echo, Listening, grpc.Channel], seed: int) -> None:
    _, running, channel = echo
    noise = random.Random(seed)
    good = [frame(1, 4, 1, head()), frame(0, 1, 1, b"\0\0\0\0\2ab"), frame(6, 0, 0, bytes(8)), frame(3, 0, 1, bytes(4))]
    for _ in range(60):
        spoken = bytearray(PREFACE + frame(4, 0, 0, b"") + b"".join(noise.choices(good, k=6)))
        for _ in range(noise.randrange(1, 9)):
            spoken[noise.randrange(len(spoken))] = noise.randrange(256)
        with suppress(OSError), socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(spoken if noise.random() < 0.9 else noise.randbytes(300))
    assert answers(channel)


def test_a_method_that_is_no_text_ends_nobody_else(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    """It ends gRPC's own server for good; another one takes its place."""
    _, running, channel = echo
    for _ in range(3):
        with raw(running.port, frame(1, 4, 1, head().replace(b"Service", b"Serv\xa4ce"))) as connection:
            connection.settimeout(0.3)
            with suppress(OSError):
                while connection.recv(4096):
                    pass
        assert answers(channel)


def test_a_flood_of_resets_is_survived(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    _, running, channel = echo
    flood = b"".join(frame(1, 4, 2 * n + 1, head()) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08") for n in range(12_000))
    with suppress(OSError), raw(running.port) as connection:
        connection.sendall(flood)
    assert answers(channel)


def test_what_is_under_way_ends_well_when_it_leaves(echo: tuple[Echo, Listening, grpc.Channel]) -> None:
    handler, running, channel = echo
    kept = unary(channel).future(b"keep")
    until(lambda: len(handler.kept) == 1)
    running.loop.run(running.transport.leave(LONGEST_WAIT_S))
    assert running.transport.under_way == 1
    with grpc.insecure_channel(running.address, LARGE) as other, pytest.raises(grpc.RpcError) as refused:
        unary(other)(b"on", timeout=LONGEST_WAIT_S)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not kept.done()
    running.call_soon(handler.kept[0].reply, b"kept")
    assert kept.result(LONGEST_WAIT_S) == b"kept"


@needs_openssl
def test_a_renewed_certificate_is_shown_to_the_next_client(transport: str, tmp_path: Path) -> None:
    made(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    certificates = Certificates(tmp_path / "server.pem", tmp_path / "server.key")
    with listening(Echo(), transport, certificates=certificates) as running:
        at = ("127.0.0.1", running.port)
        first = ssl.get_server_certificate(at)
        (tmp_path / "server.pem").write_text("half written")
        assert ssl.get_server_certificate(at) == first
        made(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
        second = ssl.get_server_certificate(at)
        assert second != first
        credentials = grpc.ssl_channel_credentials((tmp_path / "server.pem").read_bytes())
        with grpc.secure_channel(running.address, credentials) as channel:
            assert unary(channel)(bytes(200_000), timeout=LONGEST_WAIT_S) == bytes(200_000)


@pytest.mark.parametrize(
    ("frames", "answer"),
    [
        (frame(1, 4, 1, head()) + frame(0, 1, 1, b"\0\0\0\0\4keep\0\0\0\0\1b"), b"more than one request"),
        (frame(1, 5, 1, head()), b"the call has no request"),
        (frame(1, 4, 1, head()) + frame(0, 1, 1, b"\0\0\0"), b"ends within a message"),
        (frame(1, 4, 1, head()) + frame(0, 0, 1, b"\7\0\0\0\1a"), b"begins with 7"),
        (frame(1, 4, 1, head(grpc_timeout="soon")), b"grpc-timeout is 'soon'"),
        (frame(1, 4, 1, head(grpc_encoding="br")), b"encoding 'br' is not known"),
        (frame(1, 4, 1, head()) + frame(0, 1, 1, b"\1\0\0\0\1a"), b"names no encoding"),
        (frame(1, 4, 1, head(grpc_encoding="gzip")) + frame(0, 1, 1, b"\1\0\0\0\4abcd"), b"is no gzip"),
        (frame(1, 4, 1, head(grpc_encoding="gzip")) + frame(0, 1, 1, TWICE), b"goes on after the end of its gzip"),
    ],
)
def test_wrong_words_have_their_answer(frames: bytes, answer: bytes) -> None:
    """Of the transport ``fast``, whose words are ours."""
    assert answer in dict(answer_headers(frames, b"grpc-message"))[b"grpc-message"]


@pytest.mark.parametrize(
    ("kind", "method", "status"),
    [
        ("application/grpc+proto", "POST", b"200"),
        ("application/grpc;charset=utf-8", "POST", b"200"),
        ("application/grpc-web+proto", "POST", b"415"),
        ("application/grpcfoo", "POST", b"415"),
        ("application/json", "POST", b"415"),
        ("application/grpc", "GET", b"405"),
    ],
)
def test_another_protocol_is_told_so_by_its_status(kind: str, method: str, status: bytes) -> None:
    frames = frame(1, 4, 1, head(content_type=kind, **{":method": method})) + frame(0, 1, 1, b"\0\0\0\0\2on")
    assert dict(answer_headers(frames, b":status"))[b":status"] == status


def answer_headers(frames: bytes, wanted: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of the first call's answer, up to the one wanted, as the one reads them who made them."""
    ngh2 = pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    reader = ngh2.Connection(ngh2.Role.CLIENT)
    reader.initiate_connection()
    reader.send_request(((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")))
    reader.data_to_send()
    headers: list[tuple[bytes, bytes]] = []
    with listening(Echo(), "fast") as running, raw(running.port, frames) as connection:
        while wanted not in dict(headers):
            data = connection.recv(65536)
            assert data, "closed without an answer"
            reader.receive_data(data)
            for event in reader.events():
                headers += getattr(event, "headers", ())
    return headers


def test_a_message_that_is_on_its_way_is_read_on_though_another_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    monkeypatch.setattr(rests, "_SHARE", math.inf)
    monkeypatch.setattr(rests, "MOST_S", 2.0 * LONGEST_WAIT_S)
    refused, long = (next(iter(framed(each))) for each in (b"refuse", bytes(100)))
    begun = frame(1, 4, 1, head()) + frame(0, 1, 1, refused) + frame(1, 4, 3, head()) + frame(0, 0, 3, long[:50])
    with listening(Echo(), "fast") as running, raw(running.port, begun) as connection:
        assert ended(connection, 1) == 1
        connection.sendall(frame(0, 1, 3, long[50:]))
        assert ended(connection, 1) == 1


def test_uploads_beyond_the_bytes_allowed_wait_and_all_end_well() -> None:
    pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    message = random.Random(0).randbytes(2 * MIB)
    limits = Limits(max_unfinished_bytes=MIB // 4, body_s=LONGEST_WAIT_S)
    with listening(Echo(), "fast", limits) as running, ThreadPoolExecutor(12) as pool:

        def upload(_: int) -> bool:
            with grpc.insecure_channel(running.address, LARGE) as channel:
                return unary(channel)(message, timeout=LONGEST_WAIT_S) == message

        assert all(pool.map(upload, range(12)))


def test_bytes_that_come_with_their_head_count_among_those_allowed() -> None:
    """Of three requests that begin at once the first alone may go on: with the next one it is more than allowed."""
    pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    begun = b"\0" + (200_000).to_bytes(4, "big") + bytes(63_995)
    pieces = [begun[at : at + 16_000] for at in range(0, len(begun), 16_000)]
    calls = [frame(1, 4, n, head()) + b"".join(frame(0, 0, n, each) for each in pieces) for n in (1, 3, 5)]
    ping = frame(6, 0, 0, b"all said")
    with (
        listening(Echo(), "fast", Limits(max_unfinished_bytes=100_000)) as running,
        raw(running.port, *calls, ping) as connection,
    ):
        came, opened, pongs = b"", set(), 0
        while pongs < 2:  # the first may be written before the windows that the same bytes open
            came += connection.recv(65536)
            while len(came) >= 9 + (size := int.from_bytes(came[:3], "big")):
                kind, flags, stream = came[3], came[4], int.from_bytes(came[5:9], "big")
                came = came[9 + size :]
                if kind == 8 and stream:
                    opened.add(stream)
                if (kind, flags) == (6, 1):
                    pongs += 1
                    connection.sendall(ping)
        assert opened == {1}


def answers_asked_for(connection: socket.socket, window_bytes: int) -> None:
    """200 calls with 60 kB each, which are to come back through windows of that size."""
    message = b"\0" + (60_000).to_bytes(4, "big") + bytes(60_000)
    pieces = [message[at : at + 16_000] for at in range(0, len(message), 16_000)]
    connection.sendall(frame(4, 0, 0, b"\0\4" + window_bytes.to_bytes(4, "big")))
    connection.sendall(frame(8, 0, 0, (2**30).to_bytes(4, "big")))
    for stream in range(1, 401, 2):
        data = [frame(0, at == len(pieces) - 1, stream, each) for at, each in enumerate(pieces)]
        connection.sendall(frame(1, 4, stream, head()) + b"".join(data))


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=8))
def test_messages_are_the_same_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(part for each in messages for part in framed(each))
    ends = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    reader, came = Reader(40), []
    for begin, end in itertools.pairwise(ends):
        if not reader.goes_on(wire[begin:end]):
            came += [each.body for each in reader.read(wire[begin:end])]
    assert came == messages
    assert reader.held_bytes == 0


def test_nothing_of_a_call_or_a_connection_waits_for_the_collector_of_garbage(transport: str) -> None:
    """A circle would keep a request's bytes, and what a thousand closed connections held."""
    kinds = ("Connection", "Outgoing", "UnaryStream", "AwaitedCall")
    handler = Echo()
    gc.collect()
    gc.disable()
    try:
        with listening(handler, transport) as running:
            with grpc.insecure_channel(running.address, LARGE) as channel:
                kept = unary(channel).future(b"keep")
                until(lambda: handler.kept)
                running.call_soon(handler.kept.pop().reply, b"kept")
                assert kept.result(LONGEST_WAIT_S) == b"kept"
                assert unary(channel).future(b"refuse").code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            until(lambda: not [each for each in gc.get_objects() if type(each).__name__ in kinds], every_s=0.1)
    finally:
        gc.enable()


def test_who_shuts_its_windows_loses_its_answers() -> None:
    pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    with listening(Echo(), "fast", Limits(body_s=0.5)) as running, raw(running.port) as connection:
        answers_asked_for(connection, 0)
        came, resets = b"", 0
        while resets < 200:
            came += connection.recv(65536)
            while len(came) >= 9 + (size := int.from_bytes(came[:3], "big")):
                resets += came[3] == 3
                came = came[9 + size :]


def test_who_does_not_read_is_let_go() -> None:
    pytest.importorskip("ngh2", reason="the transport 'fast' needs the extra of that name")
    with listening(Echo(), "fast", Limits(body_s=0.5)) as running, raw(running.port) as connection:

        def is_let_go() -> bool:
            try:
                connection.sendall(frame(6, 1, 0, bytes(8)))
            except OSError:
                return True
            return False

        with suppress(OSError):
            answers_asked_for(connection, 2**31 - 1)
        until(is_let_go, every_s=0.1)


def test_many_calls_at_once_are_all_looked_at(transport: str) -> None:
    """A burst is no overload: however many calls come before the front has seen the first, none is ended unseen."""
    stuck, count = Stuck(), 500
    with (
        listening(stuck, transport, limits=Limits(max_streams=2 * count)) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        first = unary(channel).future(b"first")
        until(lambda: stuck.seen == 1)
        others = [unary(channel).future(b"%d" % number) for number in range(count)]
        stuck.go.set()
        assert {each.code() for each in (first, *others)} == {grpc.StatusCode.OK}


def test_calls_that_came_before_it_leaves_are_answered_though_nobody_has_looked_at_them(transport: str) -> None:
    stuck, count = Stuck(), 200
    calls = [frame(1, 4, 2 * n + 1, head()) + frame(0, 1, 2 * n + 1, b"\0\0\0\0\2on") for n in range(count)]
    with (
        listening(stuck, transport, limits=Limits(max_streams=2 * count)) as running,
        grpc.insecure_channel(running.address, LARGE) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        first = unary(channel).future(b"first")
        until(lambda: stuck.seen == 1)
        with raw(running.port, *calls):
            left = pool.submit(lambda: running.loop.run(running.transport.leave(LONGEST_WAIT_S)))
            stuck.go.set()
            until(lambda: stuck.seen == count + 1)
            assert first.result(LONGEST_WAIT_S) == b"first"
            left.result(LONGEST_WAIT_S)


def test_an_unknown_transport_is_told() -> None:
    with pytest.raises(ValueError, match=r"unknown transport 'grcp' .did you mean 'grpc'"):
        transport_of("grcp")
