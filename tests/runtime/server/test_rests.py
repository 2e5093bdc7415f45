"""Connections that bring more than can be answered are left alone for a moment, then read in one turn."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from autoscale_runtime.server.transports.base import Refusal, Trailers
from autoscale_runtime.server.transports.fast.rests import Rests
from autoscale_runtime.wire.status import RETRY_AFTER
from tests.waiting import LONGEST_WAIT_S


class Socket:
    """Counts how often it was told to pause, and says when it is read on."""

    def __init__(self) -> None:
        self.paused = 0
        self.is_closed = False
        self.read_on = asyncio.Event()

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        if self.is_closed:
            raise RuntimeError("as uvloop's do")
        self.read_on.set()

    def is_closing(self) -> bool:
        return self.is_closed


class Clock(asyncio.AbstractEventLoop):
    """Goes off when it is told to; else nothing of a loop."""

    now_s = due_s = 0.0

    def time(self) -> float:
        return self.now_s

    def call_at(self, when: float, callback: Callable[..., object], *args: object, context: object = None) -> Any:
        self.due_s, self._callback = when, callback

    def go_off(self, late_s: float) -> None:
        self.now_s = self.due_s + late_s
        self._callback()


def refusal(*trailers: tuple[str, str]) -> Refusal:
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", trailers)


def test_all_who_rest_are_read_on_in_one_turn() -> None:
    async def act() -> None:
        rests, sockets = Rests(asyncio.get_running_loop()), [Socket() for _ in range(3)]
        for each in sockets:
            rests.after(refusal((RETRY_AFTER, "40")), each)
        assert [each.paused for each in sockets] == [1, 1, 1]
        assert not any(each.read_on.is_set() for each in sockets)
        await asyncio.wait_for(sockets[0].read_on.wait(), LONGEST_WAIT_S)
        assert all(each.read_on.is_set() for each in sockets)

    asyncio.run(act())


def test_who_leaves_while_it_rests_holds_up_nobody() -> None:
    async def act() -> None:
        rests, sockets = Rests(asyncio.get_running_loop()), [Socket() for _ in range(2)]
        for each in sockets:
            rests.after(refusal((RETRY_AFTER, "40")), each)
        sockets[0].is_closed = True
        await asyncio.wait_for(sockets[1].read_on.wait(), LONGEST_WAIT_S)

    asyncio.run(act())


@pytest.mark.parametrize("trailers", [(), ((RETRY_AFTER, "0"),), (("other", "40"),)])
def test_who_is_refused_for_another_reason_than_want_of_room_is_read_on(trailers: Trailers) -> None:
    async def act() -> None:
        socket = Socket()
        Rests(asyncio.get_running_loop()).after(refusal(*trailers), socket)
        assert not socket.paused

    asyncio.run(act())


def test_a_rest_is_longer_where_the_last_one_ended_late() -> None:
    clock, rested_ms = Clock(), []
    rests = Rests(clock)
    for late_s in (0.0, 0.001, 0.004, 1.0, 0.0, 0.0):
        rests.after(refusal((RETRY_AFTER, "100")), Socket())
        rested_ms.append(round(1e3 * (clock.due_s - clock.now_s), 6))
        clock.go_off(late_s)
    assert rested_ms == [5.0, 5.0, 5.0, 8.0, 10.0, 5.0]
    clock.go_off(1.0)
    rests.after(refusal((RETRY_AFTER, "8")), Socket())
    assert clock.due_s - clock.now_s == pytest.approx(0.002)  # a quarter of the time until there may be room
