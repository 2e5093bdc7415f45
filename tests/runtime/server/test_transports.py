"""What transports owe to whoever serves through them, with a handler of the tests' own behind them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import pytest

from autoscale_runtime.server.event_loop import EventLoop
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.transports.base import Call, Handler, Methods
from autoscale_runtime.server.transports.choice import GRPC, transport_of
from autoscale_runtime.server.transports.grpc_aio import MOST_UNSEEN
from tests.waiting import LONGEST_WAIT_S, until

ECHO: Final = "test.Service/Echo"


class Stuck:
    """Answers each call with its own bytes; the first one holds the loop until it is let go."""

    def __init__(self) -> None:
        self.seen = 0
        self.go = threading.Event()

    def request(self, call: Call) -> None:
        self.seen += 1
        assert self.go.wait(LONGEST_WAIT_S)
        call.reply(call.message)


@contextmanager
def listening(handler: Handler, name: str = GRPC, limits: Limits | None = None) -> Iterator[str]:
    """The address of a transport that answers ``ECHO``."""
    loop = EventLoop()

    async def start() -> tuple[object, str]:
        transport = transport_of(name)(Methods(unary=frozenset({ECHO})), handler, limits or Limits())
        address, _ = await transport.listen("127.0.0.1", 0)
        await transport.start()
        return transport, address

    transport, address = loop.run(start())
    try:
        yield address
    finally:
        loop.run(transport.stop(0.0))  # type: ignore[attr-defined]
        loop.close()


def test_what_the_front_cannot_look_at_is_ended_early() -> None:
    """gRPC's own queue is short: what waits unseen there waits until its time is up."""
    stuck, count = Stuck(), 3 * MOST_UNSEEN
    with listening(stuck, limits=Limits(max_streams=2 * count)) as address, grpc.insecure_channel(address) as channel:
        echo = channel.unary_unary(f"/{ECHO}")
        first = echo.future(b"first")
        until(lambda: stuck.seen == 1)
        others = [echo.future(b"%d" % number) for number in range(count)]
        until(lambda: sum(each.done() for each in others) >= count - MOST_UNSEEN - 2)
        assert {each.code() for each in others if each.done()} == {grpc.StatusCode.CANCELLED}
        stuck.go.set()
        assert first.result(LONGEST_WAIT_S) == b"first"
        codes = [each.code() for each in others]
    assert {*codes} == {grpc.StatusCode.CANCELLED, grpc.StatusCode.OK}


def test_an_unknown_transport_is_told() -> None:
    with pytest.raises(ValueError, match=r"unknown transport 'grcp' .did you mean 'grpc'"):
        transport_of("grcp")
